"""Distillation of a whole model: its stages and weights, and the cached outputs of a teacher."""
