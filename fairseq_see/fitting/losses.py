"""How far embeddings are from those of a dense matrix.

Each loss takes embeddings x and y, (n, d), and is a value of each, (n,). A fit minimises the mean of weight times a sum
of losses; weights have mean 1 over the matrix, so that the losses of minibatches have its mean.
"""

import math
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from fairseq_see.errors import SeeError


def mse(x: Tensor, y: Tensor, alpha: float) -> Tensor:
    """Mean of (x - y)^2 over dimensions (SEE, arXiv 2412.12204, eq. 5)."""
    return (x - y).square().mean(1)


def l1(x: Tensor, y: Tensor, alpha: float) -> Tensor:
    """Mean of |x - y| over dimensions."""
    return (x - y).abs().mean(1)


def power(x: Tensor, y: Tensor, alpha: float) -> Tensor:
    """Mean of (|x - y| + 1e-10)^alpha over dimensions (Balazy et al. 2021); |x - y|^alpha has no gradient at 0."""
    return ((x - y).abs() + 1e-10).pow(alpha).mean(1)


def cosine(x: Tensor, y: Tensor, alpha: float) -> Tensor:
    """1 - cos(x, y)."""
    return 1 - F.cosine_similarity(x, y, dim=1)


LOSSES = {"mse": mse, "l1": l1, "power": power, "cosine": cosine}

# Mixes with a name. Direction: the autoencoder of Balazy et al. 2021, 0.9975/5 of the cosine loss.
MIXES = {"direction": "cosine:0.1995,power:0.0025"}


class Mix(NamedTuple):
    """A weighted sum of losses, each with its coefficient."""

    terms: tuple[tuple[str, float], ...]

    def __call__(self, x: Tensor, y: Tensor, weight: Tensor | None = None, alpha: float = 1.0) -> Tensor:
        """The mean over embeddings of ``weight`` (n,) times the sum, a scalar; ``alpha`` is the exponent of power."""
        values = sum((coefficient * LOSSES[name](x, y, alpha) for name, coefficient in self.terms), x.new_zeros(len(x)))
        return (values if weight is None else values * weight).mean()


def parse_loss(text: str) -> Mix:
    """A loss from ``NAME``, ``NAME:COEFFICIENT,NAME:COEFFICIENT,...`` or the name of a mix.

    SeeError if a name is unknown or there twice, or a coefficient is no positive number.
    """
    terms: dict[str, float] = {}
    for part in MIXES.get(text, text).split(","):
        name, _, number = part.strip().partition(":")
        if name not in LOSSES or name in terms:
            known = ", ".join([*LOSSES, *MIXES])
            raise SeeError(f"loss {text!r}: {name!r} is unknown or there twice; there are: {known}")
        try:
            terms[name] = float(number or 1)
        except ValueError:
            terms[name] = math.nan
        if not 0 < terms[name] < math.inf:
            raise SeeError(f"loss {text!r}: the coefficient of {name} must be a positive number, not {number!r}")
    return Mix(tuple(terms.items()))


def schedule_alpha(epoch: int, epochs: int, alpha: tuple[float, float]) -> float:
    """The exponent of ``power`` in an epoch, counted from 0.

    It falls from the first to the last value over two thirds of the epochs, in equal steps, and stays there: 20 of 30
    and 10 more in Balazy et al. 2021.
    """
    first, last = alpha
    return first + (last - first) * min(1.0, epoch * 3 / (2 * epochs))
