"""Fits by name, so that the command line, the scripts and the experiments mean the same by it."""

from __future__ import annotations

from typing import Any, NamedTuple

from fairseq_see.errors import SeeError
from fairseq_see.fitting.fit import FitConfig


class FitPreset(NamedTuple):
    """A way to compress a trained matrix.

    Attributes:
        method: registered name.
        fit: how it is fitted.
        options: hyper-parameters of the method.
    """

    method: str
    fit: FitConfig
    options: dict[str, Any]


PRESETS = {
    # Truncated SVD.
    "svd": FitPreset("low_rank", FitConfig(epochs=0), {}),
    # The linear autoencoder of Balazy et al. 2021 (arXiv 2106.08181), with their batches.
    "direction": FitPreset("low_rank", FitConfig(loss="direction", encoder=True, batch_rows=32), {"bias": True}),
    # Trained embeddings have different lengths, and no training follows that would want frequent units first.
    "see": FitPreset("see", FitConfig(), {"layernorm": False, "frequent_share": 0.0}),
    "morphte": FitPreset("morphte", FitConfig(), {}),
}


def find_preset(name: str) -> FitPreset:
    """The preset of a name, or SeeError if there is none."""
    if name not in PRESETS:
        raise SeeError(f"unknown preset {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
