"""Words -> morphemes. SEGMENTERS lists what cuts them, by the name that ``fairseq-see index --morphology`` takes."""

from collections.abc import Callable, Iterable
from typing import Protocol

from fairseq_see.units.morphology.morfessor import Morfessor
from fairseq_see.units.morphology.polyglot import Polyglot
from fairseq_see.units.morphology.spelling import ALL_CAPITALS, CAPITALISED

__all__ = [
    "ALL_CAPITALS",
    "CAPITALISED",
    "DEFAULT_SEGMENTERS",
    "SEGMENTERS",
    "Characters",
    "Morfessor",
    "Polyglot",
    "Segmenter",
]


class Segmenter(Protocol):
    """What cuts a word into its morphemes."""

    def segment(self, word: str) -> list[str]:
        """The morphemes of a word, at least one."""


class Characters:
    """Every character is a morpheme, as is nearly so in Chinese."""

    def segment(self, word: str) -> list[str]:
        """The characters of a word."""
        return list(word)


# From word types to learn from, and their language.
SEGMENTERS: dict[str, Callable[[Iterable[str], str], Segmenter]] = {
    "characters": lambda words, language: Characters(),
    "morfessor": lambda words, language: Morfessor.train(words),
    "polyglot": lambda words, language: Polyglot(language),
}

DEFAULT_SEGMENTERS = {"zh": "characters", "en": "morfessor"}
