"""Trained runs compared: read and arranged (comparison), scored further (scores), shown (the others)."""
