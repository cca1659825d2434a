"""The vectors of one kind of unit, sememes or morphemes, of which the most used may own one more than the others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import infeasible, meets
from fairseq_see.embeddings.kronecker import factor_width, kronecker_sum
from fairseq_see.units import UnitIndex


class UnitVectors(nn.Module):
    """m vectors of q numbers for each of U units; the fraction of m goes to the first units, which are used most.

    Args:
        units: U, of which the first ``order`` are padding.
        m: vectors of a unit, at least 1; 4.5 gives every unit 4 and the first half of them a fifth.
        width: q.
        order: o.
    """

    def __init__(self, units: int, m: float, width: int, order: int) -> None:
        super().__init__()
        self.m = m
        self.whole = math.floor(m)
        self.vectors = nn.Parameter(torch.empty(units, self.whole * width))
        extra = vectors_of(units, m, order) - units * self.whole
        self.extra = nn.Parameter(torch.empty(extra, width)) if extra else None

    def banks(self) -> list[tuple[nn.Parameter, int, float]]:
        """The parameters, each with its vectors for a unit and m."""
        main = (self.vectors, self.whole, self.m)
        return [main] if self.extra is None else [main, (self.extra, 1, self.m)]

    def sum(self, index: Tensor, dim: int, gain: float, weight: Tensor | None = None) -> Tensor:
        """Rows as :func:`~fairseq_see.embeddings.kronecker.kronecker_sum` makes them of these vectors."""
        if self.extra is None:
            return kronecker_sum(self.vectors, index, self.whole, dim, gain, weight)
        # Zeros stand for the vector that a unit does not own: any product with it is zero, and so is its gradient.
        extra = F.pad(self.extra, (0, 0, 0, len(self.vectors) - len(self.extra)))
        return kronecker_sum(torch.cat((self.vectors, extra), 1), index, self.whole + 1, dim, gain, weight)


def vectors_of(units: int, m: float, order: int) -> int:
    """How many vectors ``units`` units own together."""
    whole = math.floor(m)
    extra = int(units * (m - whole))
    # No group is made of padding alone, so a vector that only padding owns would never be used.
    return units * whole + (extra if extra > order else 0)


def plan_vectors(
    method: str, ratio: float, dim: int, index: UnitIndex, units: Sequence[int], fixed: int, whole: bool = False
) -> float:
    """Plan the m of an embedding made of units' vectors.

    Args:
        method: its name, for the message.
        ratio: compression wanted.
        dim: d.
        index: of the V words.
        units: numbers of units, those of each kind.
        fixed: parameters that there are besides.
        whole: whether m is to be a whole number, however coarse.

    Returns:
        The largest m that compresses within the tolerance; with ``whole``, the largest that does not fall short.

    Raises:
        InfeasibleRatio: even one vector a unit is too much.
    """
    width = factor_width(dim, index.order)
    dense = index.num_words * dim
    m = max(1.0, (dense / ratio - fixed) / (sum(units) * width))
    # Rounded down, so that the number is short to write and its parameters still fit.
    m = float(math.floor(m)) if whole else math.floor(m * 10_000) / 10_000
    reached = dense / (sum(vectors_of(number, m, index.order) for number in units) * width + fixed)
    if meets(reached, ratio) or (whole and reached >= ratio):
        return m
    advice = " (for more, build the index with fewer morphemes: fairseq-see index --max-morphemes)"
    raise infeasible(method, ratio, [reached], advice)
