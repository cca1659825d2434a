"""The laboratory: corpora, tables of the paper, reports. It imports the library and is in no wheel."""
