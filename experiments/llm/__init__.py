"""Experiments with Hugging Face models: a language model distilled, BERT compressed."""
