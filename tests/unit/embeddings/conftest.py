"""Unit indexes built without the package's own index builder, and ratios that a method reaches."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike

from fairseq_see.embeddings import complete_config
from fairseq_see.errors import InfeasibleRatio
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
        drawn = order + rng.random((rows, order)) ** 2 * (units - order)
        padded = np.arange(order) >= rng.integers(1, order + 1, rows)[:, None]
        return np.where(padded, np.arange(order), drawn)

    senses = rng.integers(0, rank, words)
    senses[:4] = 0
    return make_index(
        sememes,
        morphemes,
        rank=rank,
        groups=draw(groups, sememes),
        sense_offsets=np.cumsum([0, *senses]),
        sense_groups=rng.integers(0, groups, senses.sum()),
        word_morphemes=draw(words, morphemes),
    )


def make_index(sememes: int, morphemes: int, *, rank: int = 5, **values: ArrayLike) -> UnitIndex:
    """An index of so many units, the padding among them, with names of no meaning."""
    arrays = {name: np.asarray(value, np.int32) for name, value in values.items()}
    order = arrays["word_morphemes"].shape[1]
    names = [
        name_padding(order) + tuple(f"{kind}{i}" for i in range(number - order))
        for kind, number in (("sememe", sememes), ("morpheme", morphemes))
    ]
    return UnitIndex(order, rank, *names, **arrays, dictionary="none")


def paper_size_index(sememes: int = 2_200, morphemes: int = 12_000, words: int = 40_000) -> UnitIndex:
    """An index of the paper's size; planning reads nothing but the numbers of units."""
    groups, offsets, units = np.zeros((1, 3)), np.zeros(words + 1), np.zeros((words, 3))
    return make_index(sememes, morphemes, groups=groups, sense_offsets=offsets, sense_groups=[], word_morphemes=units)


def find_reachable(method: str, ratio: float, rows: int, columns: int, index: UnitIndex | None = None) -> float:
    """``ratio``, or the nearest that a method reaches."""
    try:
        complete_config(method, rows, columns, ratio, index)
    except InfeasibleRatio as error:
        return error.nearest
    return ratio


@pytest.fixture(name="random_index")
def random_index_fixture() -> Callable[..., UnitIndex]:
    return random_index
