"""The vectors of one kind of unit (sememes, morphemes, a word's own leaves), the most used owning more or not.

The paper gives all units equally many. But a few units make up most of a text: with a *frequent share*, half of the
vectors go to all units alike and the other half to that share of the units, the most used ones, as adaptive inputs
(Baevski and Auli 2019) spend more on frequent words. It costs no parameters, and ``see`` has it by default.
"""

import math

import torch
from torch import Tensor, nn

from fairseq_see.embeddings.config import check_ratio, meets
from fairseq_see.embeddings.kronecker import ceil_root, has_extra, kronecker_sum
from fairseq_see.errors import SeeError

# Of 10,000 units a single one.
LEAST_SHARE = 1e-4


class UnitVectors(nn.Module):
    """m vectors of q dimensions for each of U units, on average.

    The product of a group has as many terms as the one of its units that owns the fewest.

    Args:
        units: U, in the order of their use, after the padding units of each position where there are some.
        m: at least 1; with a share of 0, 4.5 gives every unit 4 and the first half of them a fifth.
        dim: d, of the products; q is the smallest integer with q^o >= d.
        order: o.
        share: the part of the units that shares half of the vectors, and what remains of the other half where that is
            no integer for each unit; 0: all units own equally many.
    """

    def __init__(self, units: int, m: float, dim: int, order: int, share: float = 0.0) -> None:
        super().__init__()
        self.m, self.dim, self.order, self.width = m, dim, order, ceil_root(dim, order)
        self.whole, owners, self.more = share_vectors(units, m, order, share)
        self.vectors = nn.Parameter(torch.empty(units, self.whole * self.width))
        self.extra = nn.Parameter(torch.empty(owners, self.more * self.width)) if owners else None

    def select(self, unit: int) -> Tensor:
        """The vectors that one unit owns, (k, q)."""
        banks = [self.vectors] if self.extra is None or unit >= len(self.extra) else [self.vectors, self.extra]
        return torch.cat([bank[unit].view(-1, self.width) for bank in banks])

    def sum(self, index: Tensor, scale: float) -> Tensor:
        """Rows as :func:`~fairseq_see.embeddings.kronecker.kronecker_sum` makes them of these vectors, (n, d)."""
        if self.extra is None or self.more == 1:
            return kronecker_sum(self.vectors, index, self.whole, self.dim, scale, self.extra)
        rows = kronecker_sum(self.vectors, index, self.whole, self.dim, scale)
        # Of the groups that have them alone: many have not, and more vectors cost more than another pass over rows.
        owning, groups = has_extra(index, self.extra).nonzero().unbind(1)
        more = kronecker_sum(self.extra, index[owning, groups].unsqueeze(1), self.more, self.dim, scale)
        return rows.index_add_(0, owning, more)


def share_vectors(units: int, m: float, order: int, share: float = 0.0) -> tuple[int, int, int]:
    """What each of U units owns of m vectors on average, how many units (the first) own more, and how many more.

    Arguments are those of :class:`UnitVectors`; SeeError if the share is no part of the units.
    """
    if not (share == 0 or LEAST_SHARE <= share <= 1):
        raise SeeError(f"frequent_share is {share}, but it is a part of the units: from {LEAST_SHARE} to 1, or 0")
    if not share or units <= order:
        owners, whole = int(units * (m - math.floor(m))), math.floor(m)
        return whole, owners if owners > order else 0, 1
    whole = max(1, math.floor(m / 2))
    shared = int(units * (m - whole))
    # Rounded up, so that those who share are no larger part than that; and no more each than leaves some for others
    # than the padding units, which come first: no product is made of these alone.
    more = min(math.ceil((m - whole) / share), shared // (order + 1))
    # What is left over is to be at most a hundredth of what is shared, if enough units are there to share it.
    while more > 1 and 100 * (shared % more) > shared and shared // (more - 1) <= units:
        more -= 1
    return (whole, min(shared // more, units), more) if more > 0 else (whole, 0, 1)


def count_vectors(units: int, m: float, order: int, share: float = 0.0) -> int:
    """How many vectors U units own together."""
    whole, owners, more = share_vectors(units, m, order, share)
    return units * whole + owners * more


def plan_vectors(
    method: str,
    ratio: float,
    shape: tuple[int, int],
    order: int,
    units: tuple[int, int],
    proportion: float = 1.0,
    fixed: int = 0,
    integer: bool = False,
    share: float = 0.0,
    advice: str = "",
) -> tuple[float, float]:
    """Plan the m of both kinds of units: sememes, 0 where a method has none, and the others.

    Args:
        method: for the message, as ``advice``.
        ratio: compression wanted.
        shape: V, d.
        order: o.
        units: how many there are of each kind.
        proportion: vectors that a sememe shall own for each of the others'; at least one it owns always.
        fixed: parameters that there are besides.
        integer: plan the largest integers that do not fall short, however coarse.
        share: as of :class:`UnitVectors`.
        advice: what to do where even one vector a unit is too much, which raises InfeasibleRatio.
    """
    width, dense, steps = ceil_root(shape[1], order), shape[0] * shape[1], 1 if integer else 10_000

    def reach(ratio: float) -> tuple[tuple[float, float], float]:
        sememes, others = units
        vectors = (dense / ratio - fixed) / width
        part = vectors / (sememes * proportion + others)
        wanted = part * proportion, part
        if wanted[0] < 1:
            wanted = 1.0, max(1.0, (vectors - sememes) / others)
        elif wanted[1] < 1:
            wanted = max(1.0, (vectors - others) / sememes), 1.0
        # Rounded down, so that m is short to write and its parameters still fit.
        m = math.floor(wanted[0] * steps) / steps, math.floor(wanted[1] * steps) / steps
        vectors = sum(count_vectors(number, each, order, share) for number, each in zip(units, m, strict=True))
        return m, dense / (vectors * width + fixed)

    m, reached = reach(ratio)
    if not (integer and reached >= ratio):
        # What one m reaches may be too fine to be planned again.
        while not meets(reached, ratio) and not meets(reach(reached)[1], reached):
            reached = reach(reached)[1]
        check_ratio(method, ratio, [reached], advice)
    return m
