"""Fit a compressed embedding to a dense matrix: losses, the loop, and measures of the result. Plain PyTorch."""

from fairseq_see.fitting.fit import PRESETS, FitConfig, FitPreset, find_preset, fit, initialise
from fairseq_see.fitting.losses import parse_loss
from fairseq_see.fitting.metrics import measure

__all__ = ["PRESETS", "FitConfig", "FitPreset", "find_preset", "fit", "initialise", "measure", "parse_loss"]
