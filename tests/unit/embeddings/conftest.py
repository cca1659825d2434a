"""A unit index of random words, built without the package's own index builder."""

from collections.abc import Callable

import numpy as np
import pytest

from fairseq_see.units import UnitIndex
from fairseq_see.units.index import padding_names


def random_index(
    words: int = 60,
    order: int = 3,
    rank: int = 4,
    sememes: int = 12,
    morphemes: int = 30,
    groups: int = 25,
    seed: int = 0,
) -> UnitIndex:
    """Words with 0 to ``rank - 1`` senses; units repeat within groups, and padding units close short groups."""
    rng = np.random.default_rng(seed)

    def draw(rows: int, units: int) -> np.ndarray:
        # As in a real index, the first units are used most.
        drawn = (order + rng.random((rows, order)) ** 2 * (units - order)).astype(np.int32)
        padded = np.arange(order) >= rng.integers(1, order + 1, rows)[:, None]
        return np.where(padded, np.arange(order, dtype=np.int32), drawn)

    senses = rng.integers(0, rank, words)
    senses[:4] = 0
    return UnitIndex(
        order=order,
        rank=rank,
        sememes=padding_names(order) + tuple(f"sememe{i}" for i in range(sememes - order)),
        morphemes=padding_names(order) + tuple(f"morpheme{i}" for i in range(morphemes - order)),
        groups=draw(groups, sememes),
        sense_offsets=np.concatenate([[0], np.cumsum(senses)]).astype(np.int32),
        sense_groups=rng.integers(0, groups, senses.sum()).astype(np.int32),
        word_morphemes=draw(words, morphemes),
        dictionary="none",
    )


@pytest.fixture(name="random_index")
def random_index_fixture() -> Callable[..., UnitIndex]:
    return random_index
