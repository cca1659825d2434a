"""What segmenters of words in letters share: letter case becomes a morpheme, and no word is too long."""

from collections.abc import Callable, Iterable

CAPITALISED = "<Cap>"
ALL_CAPITALS = "<CAPS>"

# Morfessor's training is quadratic in a word's length, and nothing as long as this has a morphology.
LONGEST_WORD = 100


def segment(word: str, segment_spelling: Callable[[str], Iterable[str]]) -> list[str]:
    """The morphemes of a word, after a marker of its case.

    Words are segmented in lower case. ``<Cap>`` in front stands for a capital first letter, ``<CAPS>`` for capitals
    only; a word in any other mixture of cases keeps its own spelling. Spellings of more than ``LONGEST_WORD``
    characters are cut into pieces of that length.

    Args:
        word: any spelling.
        segment_spelling: cuts one that is in lower case, or in mixed case.
    """
    marker, spelling = _split_case(word)
    if len(spelling) > LONGEST_WORD:
        starts = range(0, len(spelling), LONGEST_WORD)
        return [*marker, *(spelling[start : start + LONGEST_WORD] for start in starts)]
    return [*marker, *segment_spelling(spelling)]


def _split_case(word: str) -> tuple[list[str], str]:
    """At most one marker, and the spelling that is left to segment."""
    lower = word.lower()
    if word == lower:
        return [], word
    if word == lower[:1].upper() + lower[1:]:
        return [CAPITALISED], lower
    if word == lower.upper():
        return [ALL_CAPITALS], lower
    return [], word
