"""Controls of a comparison: indexes that cost what the real one costs, without what it knows.

``random-senses`` keeps the sharing of sememes and takes their meaning away: words exchange their lists of senses. (To
exchange the *names* of sememes would change nothing, for their vectors are learned.) ``no-senses`` leaves the morphemes
alone. ``no-morphemes`` gives every symbol an arbitrary code in place of its morphemes. ``no-lemmas`` takes away
the senses of words that have them by their lemma only.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from fairseq_see.errors import SeeError
from fairseq_see.units.index import name_padding
from fairseq_see.units.morpheme_inventory import Morphemes, make_unique
from fairseq_see.units.senses import HOW, Sense
from fairseq_see.units.words import Word

CONTROLS = ("random-senses", "no-senses", "no-morphemes", "no-lemmas")
RANDOM = ("random-senses", "no-morphemes")

# Fewer words than this make no band: the few most frequent ones would exchange senses with one or two others.
SMALLEST_BAND = 64


def check_control(control: str | None, seed: int) -> None:
    """Raise SeeError unless there is such a control and numpy takes the seed."""
    if control is not None and control not in CONTROLS:
        raise SeeError(f"unknown control {control!r}; choose {', '.join(CONTROLS)}")
    if seed < 0:
        raise SeeError(f"seed {seed} is negative; choose 0 or more")


def change_senses(words: Sequence[Word], control: str | None, seed: int) -> list[Word]:
    """The words as a control of senses wants them, or as they are."""
    if control == "random-senses":
        return shuffle_senses(words, seed)
    dropped = {"no-senses": HOW, "no-lemmas": ("lemma",)}.get(control or "", ())
    return [replace(word, how="none", senses=[]) if word.how in dropped else word for word in words]


def shuffle_senses(words: Sequence[Word], seed: int) -> list[Word]:
    """Words with senses exchange them, whole lists, within their language and frequency band.

    Each band is one random cycle, so no word of a band of two or more keeps its list. Which words have senses stays as
    it was, and so do the lists themselves and how many of each length a band has.
    """
    rng = np.random.default_rng(seed)
    owners: dict[str, list[int]] = defaultdict(list)
    for row, word in enumerate(words):
        if word.kept:
            owners[word.language].append(row)
    result = list(words)
    for rows in owners.values():
        for band in find_frequency_bands([words[row].count for row in rows]):
            cycle = rng.permutation([rows[position] for position in band]).tolist()
            for row, giver in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
                result[row] = replace(words[row], senses=words[giver].senses)
    return result


def draw_codes(
    words: Sequence[Morphemes], others: Sequence[Hashable], specials: Sequence[str], order: int, seed: int
) -> tuple[list[Morphemes], int]:
    """Arbitrary codes of ``order`` units ``<code:k>`` in place of morphemes, from an inventory of the same size.

    Every unit is used equally often, give or take one. Special symbols keep what they have. Returns the words, and how
    many had the code (and the same of ``others``) of an earlier one until theirs was changed.
    """
    own = set(specials)
    fixed = {name for word in words if word[0] in own for name in word}.union(name_padding(order))
    rows = [row for row, word in enumerate(words) if word[0] not in own]
    size = len({name for row in rows for name in words[row]} - fixed)
    names = [f"<code:{k}>" for k in range(1, size + 1)]
    # There are at least as many slots as units, for every unit was a morpheme in one of them.
    slots = np.random.default_rng(seed).permutation(np.resize(np.arange(size), len(rows) * order))
    result = list(words)
    for row, code in zip(rows, slots.reshape(-1, order).tolist(), strict=True):
        result[row] = tuple(names[unit] for unit in code)
    # A word that is changed shares all its units with an earlier one, so no unit falls out of use.
    return make_unique(result, others, names)


def find_frequency_bands(counts: Sequence[int]) -> list[list[int]]:
    """Positions of ``counts`` in bands, the most frequent first.

    Within a band counts differ by a factor of two at most, or more where that would leave fewer than SMALLEST_BAND.
    """
    bands: list[list[int]] = []
    for position in sorted(range(len(counts)), key=lambda position: (-counts[position], position)):
        if not bands or (len(bands[-1]) >= SMALLEST_BAND and 2 * counts[position] <= counts[bands[-1][0]]):
            bands.append([])
        bands[-1].append(position)
    if len(bands) > 1 and len(bands[-1]) < SMALLEST_BAND:
        bands[-2:] = [bands[-2] + bands[-1]]
    return bands


def find_earlier_sharers(words: Sequence[list[Sense]]) -> Iterator[set[int]]:
    """For each word the rows of the earlier words that have a sense in common with it.

    Word by word, because all pairs at once may be as many as the square of the words.
    """
    owners: dict[Sense, set[int]] = defaultdict(set)
    for row, senses in enumerate(words):
        shared = [owners[sense] for sense in senses]
        yield set().union(*shared)
        for rows in shared:
            rows.add(row)
