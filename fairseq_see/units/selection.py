"""Which of a word's senses an index keeps, and why not the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from fairseq_see.errors import SeeError
from fairseq_see.units.senses import Sense

ORDERS = range(2, 17)
RANKS = range(1, 101)


def check_order_and_rank(order: int, rank: int) -> None:
    """Raise SeeError unless an index can have this order and rank."""
    if order not in ORDERS:
        raise SeeError(f"order {order} is out of range; choose {ORDERS[0]} to {ORDERS[-1]}")
    if rank not in RANKS:
        raise SeeError(f"rank {rank} is out of range; choose {RANKS[0]} to {RANKS[-1]}")


@dataclass(frozen=True)
class SelectedSense:
    """What becomes of one sense.

    Attributes:
        sememes: its first ``order`` sememes, or all if it has fewer.
        cut: the sememes after them, which are dropped.
        duplicate_of: the number (from 1) of the earlier sense with the same ``sememes``, or None.
        beyond_rank: whether ``rank - 1`` senses before it are kept already.
    """

    sememes: Sense
    cut: Sense
    duplicate_of: int | None
    beyond_rank: bool

    @property
    def kept(self) -> bool:
        """Whether the word gets a product for this sense."""
        return self.duplicate_of is None and not self.beyond_rank


def select(senses: Sequence[Sense], order: int, rank: int) -> list[SelectedSense]:
    """Cut senses to ``order`` sememes (HowNet's first is the main one), drop repeats, keep the first ``rank - 1``."""
    selected = []
    first: dict[Sense, int] = {}
    for number, sense in enumerate(senses, 1):
        sememes, cut = sense[:order], sense[order:]
        duplicate_of = first.get(sememes)
        # Without a repeat, as many distinct senses came before as `first` has.
        beyond_rank = duplicate_of is None and len(first) >= rank - 1
        selected.append(SelectedSense(sememes, cut, duplicate_of, beyond_rank))
        first.setdefault(sememes, number)
    return selected
