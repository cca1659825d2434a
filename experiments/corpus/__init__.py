"""Raw parallel text: reading, normalising, filtering, words and subwords. Knows neither torch nor fairseq."""
