"""Unit indexes to measure on: one with the statistics of a real dictionary, and the worst there can be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairseq_see.units import UnitIndex
from fairseq_see.units.index import name_by_id
from fairseq_see.units.vocabulary import SPECIALS

# The English dictionary of 109,880 real sentence pairs with 40,000 merges of BPE (docs/results/full-training.md).
WORDS = 37_944
WORDS_BY_SENSES = (17_211, 9_288, 4_744, 2_442, 4_259)
GROUPS_BY_SEMEMES = (1_310, 2_540, 3_778)
WORDS_BY_MORPHEMES = (6_249, 20_050, 11_645)
SEMEMES, MORPHEMES = 1_871, 10_247
ORDER, RANK = 3, 5


def make_realistic_index(words: int = 40_000, dictionary: str = "none") -> UnitIndex:
    """A random index whose words have as many senses, and senses as many sememes, as those of the real one.

    Args:
        words: V; the number of groups grows with it, those of sememes and morphemes do not.
        dictionary: hash of the dictionary it is for.
    """
    rng = np.random.default_rng(1)
    senses = rng.permutation(np.repeat(np.arange(RANK), _divide(WORDS_BY_SENSES, words)))
    senses[: len(SPECIALS)] = 0
    number = min(max(1, round(words * sum(GROUPS_BY_SEMEMES) / WORDS)), int(senses.sum()))
    groups = _draw_groups(rng, _divide(GROUPS_BY_SEMEMES, number), SEMEMES)
    # Every group is somebody's, the first ones those of most.
    owners = np.concatenate((np.arange(number), (rng.random(senses.sum() - number) ** 2 * number).astype(np.int32)))
    morphemes = _draw_groups(rng, _divide(WORDS_BY_MORPHEMES, words), MORPHEMES)
    return _make_index(senses, groups, rng.permutation(owners), morphemes, dictionary)


def make_worst_index(words: int = 40_000, dictionary: str = "none") -> UnitIndex:
    """Every word has four senses of its own and every group three units: nothing is shared, nothing missing.

    But for fairseq's own symbols, which have no senses in any index.
    """
    rng = np.random.default_rng(1)
    senses = np.full(words, RANK - 1)
    senses[: len(SPECIALS)] = 0
    number = int(senses.sum())
    groups, morphemes = (rng.integers(ORDER, n, (rows, ORDER)) for rows, n in ((number, SEMEMES), (words, MORPHEMES)))
    return _make_index(senses, groups, np.arange(number), morphemes, dictionary)


def describe_index(index: UnitIndex) -> str:
    """How many words have how many senses, in a line."""
    counts = np.bincount(np.diff(index.sense_offsets), minlength=index.rank)
    words = ", ".join(f"{number}: {count:,}" for number, count in enumerate(counts))
    return (
        f"{index.num_words:,} words with so many senses {words}; {len(index.groups):,} distinct groups; "
        f"{len(index.sememes):,} sememes, {len(index.morphemes):,} morphemes"
    )


def _divide(counts: tuple[int, ...], total: int) -> NDArray[np.int64]:
    """``total`` divided as ``counts`` are."""
    return np.diff(np.round(np.cumsum((0, *counts)) / sum(counts) * total).astype(np.int64))


def _draw_groups(rng: np.random.Generator, lengths: NDArray[np.int64], units: int) -> NDArray[np.int32]:
    """Random groups, so many of one, two, three units; the rest is padding."""
    length = rng.permutation(np.repeat(np.arange(1, len(lengths) + 1), lengths))[:, None]
    drawn = ORDER + rng.random((len(length), ORDER)) ** 2 * (units - ORDER)
    positions = np.arange(ORDER)
    return np.where(positions < length, drawn, positions).astype(np.int32)


def _make_index(senses: NDArray[Any], groups: Any, owners: Any, morphemes: Any, dictionary: str) -> UnitIndex:
    return UnitIndex(
        order=ORDER,
        rank=RANK,
        sememes=name_by_id("sememe", SEMEMES, ORDER),
        morphemes=name_by_id("morpheme", MORPHEMES, ORDER),
        groups=groups.astype(np.int32),
        sense_offsets=np.concatenate([[0], np.cumsum(senses)]).astype(np.int32),
        sense_groups=owners.astype(np.int32),
        word_morphemes=morphemes.astype(np.int32),
        dictionary=dictionary,
    )
