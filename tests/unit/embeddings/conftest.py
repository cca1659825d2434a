"""Unit indexes built without the package's own index builder."""

from collections.abc import Callable

import numpy as np
import pytest

from fairseq_see.units import UnitIndex
from fairseq_see.units.index import name_padding


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
    return make_index(
        sememes,
        morphemes,
        rank=rank,
        groups=draw(groups, sememes),
        sense_offsets=np.concatenate([[0], np.cumsum(senses)]).astype(np.int32),
        sense_groups=rng.integers(0, groups, senses.sum()).astype(np.int32),
        word_morphemes=draw(words, morphemes),
    )


def make_index(sememes: int, morphemes: int, *, rank: int = 5, **arrays: np.ndarray) -> UnitIndex:
    """An index of so many units, the padding among them, with names of no meaning."""
    order = arrays["word_morphemes"].shape[1]
    names = [
        name_padding(order) + tuple(f"{kind}{i}" for i in range(number - order))
        for kind, number in (("sememe", sememes), ("morpheme", morphemes))
    ]
    return UnitIndex(order, rank, *names, **arrays, dictionary="none")


def paper_size_index(sememes: int = 2_200, morphemes: int = 12_000, words: int = 40_000) -> UnitIndex:
    """An index of the paper's size; planning reads nothing but the numbers of units."""
    return make_index(
        sememes,
        morphemes,
        groups=np.zeros((1, 3), np.int32),
        sense_offsets=np.zeros(words + 1, np.int32),
        sense_groups=np.zeros(0, np.int32),
        word_morphemes=np.zeros((words, 3), np.int32),
    )


@pytest.fixture(name="random_index")
def random_index_fixture() -> Callable[..., UnitIndex]:
    return random_index
