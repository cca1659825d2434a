"""Raw parallel text: reading, normalising, filtering, words and their pieces. Knows neither torch nor fairseq."""
