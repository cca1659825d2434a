"""Fit a compressed embedding to a dense table: losses, the loop, and measures of the result. Plain PyTorch."""

from fairseq_see.fitting.fit import Recipe, fit
from fairseq_see.fitting.losses import parse_loss
from fairseq_see.fitting.metrics import measure
from fairseq_see.fitting.presets import RECIPES, Method, method_named

__all__ = ["RECIPES", "Method", "Recipe", "fit", "measure", "method_named", "parse_loss"]
