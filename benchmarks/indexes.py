"""Unit indexes to measure on: one with the statistics of a real dictionary, and the worst there can be."""

import numpy as np
from numpy.typing import NDArray

from fairseq_see.units import UnitIndex
from fairseq_see.units.index import name_padding
from fairseq_see.units.vocabulary import SPECIALS

# The English dictionary of 109,880 real sentence pairs with 40,000 merges of BPE (docs/results/full-training.md).
WORDS = 37_944
WORDS_BY_SENSES = (17_211, 9_288, 4_744, 2_442, 4_259)
GROUPS_BY_SEMEMES = (1_310, 2_540, 3_778)
WORDS_BY_MORPHEMES = (6_249, 20_050, 11_645)
SEMEMES, MORPHEMES = 1_871, 10_247


def like_real(words: int = 40_000, order: int = 3, dictionary: str = "none", seed: int = 1) -> UnitIndex:
    """A random index whose words have as many senses, and senses as many sememes, as those of the real one.

    Args:
        words: V; the number of groups grows with it, those of sememes and morphemes do not.
        order: o.
        dictionary: hash of the dictionary it is for.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    senses = rng.permutation(np.repeat(np.arange(5), _shares(WORDS_BY_SENSES, words)))
    senses[: len(SPECIALS)] = 0
    number = min(max(1, round(words * sum(GROUPS_BY_SEMEMES) / WORDS)), int(senses.sum()))
    groups = _groups(rng, _shares(GROUPS_BY_SEMEMES, number), SEMEMES, order)
    # Every group is somebody's, the first ones those of most.
    owners = np.concatenate((np.arange(number), (rng.random(senses.sum() - number) ** 2 * number).astype(np.int32)))
    morphemes = _groups(rng, _shares(WORDS_BY_MORPHEMES, words), MORPHEMES, order)
    return _index(order, 5, senses, groups, rng.permutation(owners), morphemes, dictionary)


def worst(words: int = 40_000, order: int = 3, dictionary: str = "none", seed: int = 1) -> UnitIndex:
    """Every word has four senses of its own and every group ``order`` units: nothing is shared, nothing missing.

    But for fairseq's own symbols, which have no senses in any index.
    """
    rng = np.random.default_rng(seed)
    senses = np.full(words, 4)
    senses[: len(SPECIALS)] = 0
    number = int(senses.sum())
    groups = rng.integers(order, SEMEMES, (number, order)).astype(np.int32)
    morphemes = rng.integers(order, MORPHEMES, (words, order)).astype(np.int32)
    return _index(order, 5, senses, groups, np.arange(number), morphemes, dictionary)


def histogram(index: UnitIndex) -> str:
    """How many words have how many senses, in a line."""
    counts = np.bincount(np.diff(index.sense_offsets), minlength=index.rank)
    words = ", ".join(f"{number}: {count:,}" for number, count in enumerate(counts))
    return (
        f"{index.num_words:,} words with so many senses {words}; {len(index.groups):,} distinct groups; "
        f"{len(index.sememes):,} sememes, {len(index.morphemes):,} morphemes"
    )


def _shares(counts: tuple[int, ...], total: int) -> NDArray[np.int64]:
    """``total`` divided as ``counts`` are."""
    bounds = np.round(np.cumsum((0, *counts)) / sum(counts) * total).astype(np.int64)
    return np.diff(bounds)


def _groups(rng: np.random.Generator, lengths: NDArray[np.int64], units: int, order: int) -> NDArray[np.int32]:
    """Random groups, so many of one, two, three units; the rest is padding."""
    length = rng.permutation(np.repeat(np.arange(1, len(lengths) + 1), lengths))[:, None]
    drawn = order + rng.random((len(length), order)) ** 2 * (units - order)
    positions = np.arange(order)
    return np.where(positions < length, drawn, positions).astype(np.int32)


def _index(
    order: int,
    rank: int,
    senses: NDArray[np.int64],
    groups: NDArray[np.int32],
    owners: NDArray[np.int64],
    morphemes: NDArray[np.int32],
    dictionary: str,
) -> UnitIndex:
    def names(kind: str, number: int) -> tuple[str, ...]:
        return name_padding(order) + tuple(f"{kind} {i}" for i in range(order, number))

    return UnitIndex(
        order=order,
        rank=rank,
        sememes=names("sememe", SEMEMES),
        morphemes=names("morpheme", MORPHEMES),
        groups=groups,
        sense_offsets=np.concatenate([[0], np.cumsum(senses)]).astype(np.int32),
        sense_groups=owners.astype(np.int32),
        word_morphemes=morphemes,
        dictionary=dictionary,
    )
