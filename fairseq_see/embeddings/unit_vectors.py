"""The vectors of one kind of unit (sememes, morphemes, a word's own leaves), the most used owning one more or not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fairseq_see.embeddings.base import infeasible, meets
from fairseq_see.embeddings.kronecker import factor_width, kronecker_sum, read_factors


class UnitVectors(nn.Module):
    """m vectors of q numbers for each of U units; the fraction of m goes to the first units, which are used most.

    Args:
        units: U, in the order of their use, after the padding units of each position where there are some.
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
        return kronecker_sum(self.vectors, index, self.whole, dim, gain, weight, self.extra)

    def factors(self, index: Tensor) -> Tensor:
        """What :func:`~fairseq_see.embeddings.kronecker.read_factors` reads for these products."""
        return read_factors(self.vectors, self.extra, index, self.whole)


def vectors_of(units: int, m: float, order: int) -> int:
    """How many vectors ``units`` units own together."""
    whole = math.floor(m)
    extra = int(units * (m - whole))
    # No product is made of padding units alone, which come first, so a vector that only they own would never be used.
    return units * whole + (extra if extra > order else 0)


def plan_vectors(
    method: str,
    ratio: float,
    shape: tuple[int, int],
    order: int,
    units: Sequence[int],
    shares: Sequence[float] | None = None,
    fixed: int = 0,
    whole: bool = False,
    advice: str = "",
) -> tuple[float, ...]:
    """Plan the m of each kind of unit of an embedding made of units' vectors.

    Args:
        method: its name, for the message.
        ratio: compression wanted.
        shape: V, d.
        order: o.
        units: numbers of units, those of each kind.
        shares: vectors that a unit of each kind shall own, in proportion; at least one it owns always (default: alike).
        fixed: parameters that there are besides.
        whole: whether m is to be a whole number, however coarse.
        advice: for the message.

    Returns:
        The largest m that compress within the tolerance; with ``whole``, the largest that do not fall short.

    Raises:
        InfeasibleRatio: even one vector a unit is too much.
    """
    width = factor_width(shape[1], order)
    dense = shape[0] * shape[1]
    wanted = _spread((dense / ratio - fixed) / width, units, shares or [1.0] * len(units))
    # Rounded down, so that the numbers are short to write and their parameters still fit.
    m = tuple(float(math.floor(number)) if whole else math.floor(number * 10_000) / 10_000 for number in wanted)
    vectors = sum(vectors_of(number, each, order) for number, each in zip(units, m, strict=True))
    reached = dense / (vectors * width + fixed)
    if meets(reached, ratio) or (whole and reached >= ratio):
        return m
    raise infeasible(method, ratio, [reached], advice)


def _spread(vectors: float, units: Sequence[int], shares: Sequence[float]) -> list[float]:
    """So many vectors over all units by their shares; one where that is less."""
    sharing, part = list(range(len(units))), 0.0
    while sharing:
        rest = vectors - sum(number for kind, number in enumerate(units) if kind not in sharing)
        part = rest / sum(units[kind] * shares[kind] for kind in sharing)
        enough = [kind for kind in sharing if part * shares[kind] >= 1]
        if enough == sharing:
            break
        sharing = enough
    return [part * share if kind in sharing else 1.0 for kind, share in enumerate(shares)]
