"""The inventory of morphemes: their names, its limit, and units that distinguish words."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain, count, product
from zlib import crc32

from fairseq_see.errors import SeeError
from fairseq_see.units.index import name_padding
from fairseq_see.units.morphology import ALL_CAPITALS, CAPITALISED
from fairseq_see.units.vocabulary import SPECIAL

Morphemes = tuple[str, ...]

_MARKERS = (CAPITALISED, ALL_CAPITALS)
_OURS = re.compile(r"<(pad|rest|same|code):\d+>|" + "|".join(_MARKERS))
_LOOKS_SPECIAL = re.compile(rf"\\*({SPECIAL})")


def name_special(symbol: str) -> str:
    """The name of a special symbol's own unit: itself, or with a backslash in front if that is a name of ours."""
    return f"\\{symbol}" if _OURS.fullmatch(symbol) else symbol


def pad_or_join(morphemes: Sequence[str], order: int) -> Morphemes:
    """Exactly ``order`` units: too many are joined from the last position on, missing ones are padded.

    Text that reads like a special symbol gets a backslash in front, so that it does not share that symbol's unit.
    """
    if len(morphemes) > order:
        morphemes = [*morphemes[: order - 1], "".join(morphemes[order - 1 :])]
    names = (f"\\{m}" if m not in _MARKERS and _LOOKS_SPECIAL.fullmatch(m) else m for m in morphemes)
    return (*names, *name_padding(order)[len(morphemes) :])


def rank_units(words: Iterable[Iterable[str]], counts: Iterable[int]) -> list[str]:
    """Units by how often they occur in running text, the most frequent first, equals in the order of their names."""
    frequency: Counter[str] = Counter()
    for units, n in zip(words, counts, strict=True):
        for unit in units:
            frequency[unit] += n
    return sorted(frequency, key=lambda unit: (-frequency[unit], unit))


def limit_inventory(
    words: Sequence[Morphemes], counts: Sequence[int], specials: Sequence[str], order: int, limit: int
) -> tuple[list[Morphemes], list[str], int]:
    """Make do with ``limit`` units: the rarest morphemes share ``<rest:k>`` units, chosen by a hash of their names.

    Returns the words with shared units; the units that may distinguish words (the shared ones, or ``<same:k>`` as far
    as there is room); how many morphemes share.
    """
    fixed = {*name_padding(order), *specials}
    ranked = [name for name in rank_units(words, counts) if name not in fixed]
    room = limit - order - len(specials)
    if len(ranked) <= room:
        return list(words), [f"<same:{k}>" for k in range(1, room - len(ranked) + 1)], 0
    buckets = max(1, limit // 10)
    if room <= buckets:
        raise SeeError(
            f"{limit} morphemes are too few: padding and special symbols take {order + len(specials)}, "
            f"shared units {buckets}"
        )
    shared = {name: f"<rest:{crc32(name.encode('utf-8')) % buckets + 1}>" for name in ranked[room - buckets :]}
    words = [tuple(shared.get(name, name) for name in word) for word in words]
    return words, [f"<rest:{k}>" for k in range(1, buckets + 1)], len(shared)


def make_unique(
    words: Sequence[Morphemes], others: Sequence[Hashable], spares: Sequence[str] | None
) -> tuple[list[Morphemes], int]:
    """Change words until no two have the same morphemes and the same of ``others``; earlier words keep theirs.

    The last position is replaced by the first of ``spares`` that helps, then the last two, and so on; without a limited
    set of spares, by as many ``<same:k>`` as it takes. Returns the words, and how many were changed.
    """
    # A word may only be given what no word has by nature, or changing one would lead to changing another.
    taken = set(zip(others, words, strict=True))
    seen = set()
    alternatives: dict[Hashable, Iterator[Morphemes]] = {}
    distinct, changed = [], 0
    for word, other in zip(words, others, strict=True):
        if (other, word) in seen:
            key = (other, word)
            if key not in alternatives:
                alternatives[key] = _list_alternatives(word, spares)
            replacement = next((r for r in alternatives[key] if (other, r) not in taken), None)
            if replacement is None:
                raise SeeError("too few morphemes to distinguish all words; allow more of them")
            word = replacement
            taken.add((other, word))
            changed += 1
        seen.add((other, word))
        distinct.append(word)
    return distinct, changed


def _list_alternatives(word: Morphemes, spares: Sequence[str] | None) -> Iterator[Morphemes]:
    if spares is None:
        return ((*word[:-1], f"<same:{k}>") for k in count(1))
    # Where the search begins depends on the word, or the first spare would be in most of them.
    start = crc32("\n".join(word).encode("utf-8")) % max(1, len(spares))
    turned = [*spares[start:], *spares[:start]]
    return chain.from_iterable(
        ((*word[:-n], *tail) for tail in product(turned, repeat=n)) for n in range(1, len(word) + 1)
    )
