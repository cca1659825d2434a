"""Losses of an output layer, computed in chunks so that no more than one chunk of logits exists."""
