"""Words -> morphemes. SEGMENTERS has what segments them, by the names of ``fairseq-see index --morphology``."""

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Protocol

from fairseq_see.errors import SeeError
from fairseq_see.units.languages import find_languages, parse_languages
from fairseq_see.units.morphology.case import ALL_CAPITALS, CAPITALISED
from fairseq_see.units.morphology.morfessor import Morfessor
from fairseq_see.units.morphology.polyglot import Polyglot
from fairseq_see.units.vocabulary import Vocabulary

__all__ = [
    "ALL_CAPITALS",
    "CAPITALISED",
    "SEGMENTERS",
    "Characters",
    "Morfessor",
    "Polyglot",
    "Segmenter",
    "train_segmenters",
]


class Segmenter(Protocol):
    """Segments words into morphemes."""

    def segment(self, word: str) -> list[str]:
        """The morphemes of a word, at least one."""


class Characters:
    """Every character is a morpheme, as is nearly so in Chinese."""

    def segment(self, word: str) -> list[str]:
        """The characters of a word."""
        return list(word)


# From word types to learn from, and their language's code.
SEGMENTERS: dict[str, Callable[[Iterable[str], str], Segmenter]] = {
    "characters": lambda words, language: Characters(),
    "morfessor": lambda words, language: Morfessor.train(words),
    "polyglot": lambda words, language: Polyglot(language),
}


def train_segmenters(
    vocabulary: Vocabulary,
    languages: str,
    names: Mapping[str, str] | None = None,
    words: Set[str] | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> dict[str, Segmenter]:
    """A segmenter for each language of a dictionary; languages of one script share theirs, trained on all their words.

    Args:
        vocabulary: the dictionary.
        languages: a code, or several with commas between them.
        names: language -> one of SEGMENTERS (default: the language's).
        words: what to learn from (default: the dictionary's unmarked words).
        progress: gets a line on what is going on.

    Raises:
        SeeError: a segmenter is unknown, or languages of one script were given two.
    """
    if words is None:
        plain = (vocabulary.split(symbol) for symbol in vocabulary.symbols if not vocabulary.is_special(symbol))
        words = {surface for surface, mark in plain if not mark}
    spoken = parse_languages(languages)
    segmenters: dict[str, Segmenter] = {}
    for script in dict.fromkeys(language.script for language in spoken):
        own = [language for language in spoken if language.script == script]
        chosen = {language.code: (names or {}).get(language.code, language.default_morphology) for language in own}
        (code, name), *others = chosen.items()
        if different := [other for other in others if other[1] != name]:
            raise SeeError(
                f"{code} and {different[0][0]} have one script: give them one morphology, not {name} and "
                f"{different[0][1]}"
            )
        types = {word for word in words if find_languages(word, spoken)[0] == own[0]}
        if name == "morfessor" and not types:
            progress(f"no {code} words to train {name} on: segmenting into characters")
            name = "characters"
        elif name == "morfessor":
            progress(f"training {name} on {len(types):,} {code} words (about a minute per 40,000)")
        segmenters |= dict.fromkeys(chosen, SEGMENTERS[name](types, code))
    return segmenters
