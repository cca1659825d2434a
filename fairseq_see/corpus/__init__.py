"""Raw parallel text: reading, normalising, filtering and splitting into words. Knows neither torch nor fairseq."""
