"""Senses from other sources than HowNet: WordNet and clusters of a trained embedding matrix."""
