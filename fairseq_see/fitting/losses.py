"""How far rows are from those of a dense table.

Every loss takes rows x and y, (n, d), and a weight of each row, (n,) or None, and returns the mean over rows of
weight * loss: a scalar. Weights have mean 1 over the table, so that the losses of minibatches have its mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from fairseq_see.errors import SeeError

# Of the direction autoencoder: its |x - y| is never zero, where a power below 1 has no gradient.
SMALLEST = 1e-10


def mse(x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of (x - y)^2 over all numbers (SEE, arXiv 2412.12204, eq. 5)."""
    return _mean((x - y).square().mean(1), weight)


def l1(x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of |x - y| over all numbers."""
    return _mean((x - y).abs().mean(1), weight)


def power(x: Tensor, y: Tensor, weight: Tensor | None = None, alpha: float = 1.0) -> Tensor:
    """Mean of (|x - y| + 1e-10)^alpha over all numbers (Balazy et al. 2021)."""
    return _mean(((x - y).abs() + SMALLEST).pow(alpha).mean(1), weight)


def cosine(x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of 1 - cos(x, y) over rows."""
    return _mean(1 - F.cosine_similarity(x, y, dim=1), weight)


LOSSES: dict[str, Callable[..., Tensor]] = {"mse": mse, "l1": l1, "power": power, "cosine": cosine}

# Mixes with a name. Direction: the autoencoder of Balazy et al. 2021, 0.9975/5 of the cosine loss.
MIXES = {"direction": "cosine:0.1995,power:0.0025"}


class Mix(NamedTuple):
    """A weighted sum of losses, called with rows, their weights, and the exponent that ``power`` has just now."""

    terms: tuple[tuple[str, float], ...]

    def __call__(self, x: Tensor, y: Tensor, weight: Tensor | None = None, alpha: float = 1.0) -> Tensor:
        """The sum, a scalar."""
        total = x.new_zeros(())
        for name, coefficient in self.terms:
            value = power(x, y, weight, alpha) if name == "power" else LOSSES[name](x, y, weight)
            total = total + coefficient * value
        return total


def parse_loss(text: str) -> Mix:
    """A loss from ``NAME``, ``NAME:COEFFICIENT,NAME:COEFFICIENT,...`` or the name of a mix.

    Raises:
        SeeError: an unknown name, one twice, or a coefficient that is no positive number.
    """
    terms: dict[str, float] = {}
    for part in MIXES.get(text, text).split(","):
        name, _, number = part.strip().partition(":")
        if name not in LOSSES or name in terms:
            known = ", ".join([*LOSSES, *MIXES])
            raise SeeError(f"loss {text!r}: {name!r} is unknown or there twice; there are: {known}")
        try:
            coefficient = float(number) if number else 1.0
        except ValueError:
            coefficient = math.nan
        if not 0 < coefficient < math.inf:
            raise SeeError(f"loss {text!r}: the coefficient of {name} must be a positive number, not {number!r}")
        terms[name] = coefficient
    return Mix(tuple(terms.items()))


def alpha_at(epoch: int, epochs: int, alpha: tuple[float, float]) -> float:
    """The exponent of ``power`` in an epoch, counted from 0.

    It falls from the first to the last value over two thirds of the epochs, in equal steps, and stays there: 20 of 30
    and 10 more in Balazy et al. 2021.
    """
    first, last = alpha
    return first + (last - first) * min(1.0, epoch * 3 / (2 * epochs))


def _mean(rows: Tensor, weight: Tensor | None) -> Tensor:
    return (rows if weight is None else rows * weight).mean()
