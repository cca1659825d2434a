"""What segmenters of words in letters share: letter case becomes a morpheme, and no word is too long."""

from collections.abc import Callable, Iterable

CAPITALISED = "<Cap>"
ALL_CAPITALS = "<CAPS>"

# Morfessor's training is quadratic in a word's length, and nothing as long as this has a morphology.
MAX_MORPHEME = 100


def segment_lower(word: str, segment: Callable[[str], Iterable[str]]) -> list[str]:
    """The morphemes of any spelling of a word in lower case, after a marker of its case.

    ``<Cap>`` in front stands for a capital first letter, ``<CAPS>`` for capitals only; a word in any other mixture of
    cases keeps its own spelling. ``segment`` gets lower or mixed case; more than ``MAX_MORPHEME`` characters are
    segmented into parts of that length.
    """
    lower, spelling = word.lower(), word
    marker: list[str] = []
    for name, form in ((CAPITALISED, lower[:1].upper() + lower[1:]), (ALL_CAPITALS, lower.upper())):
        if word == form != lower and not marker:
            marker, spelling = [name], lower
    if len(spelling) > MAX_MORPHEME:
        return [*marker, *(spelling[i : i + MAX_MORPHEME] for i in range(0, len(spelling), MAX_MORPHEME))]
    return [*marker, *segment(spelling)]
