"""What cuts the words of a dictionary, trained on them where it has to learn."""

from collections.abc import Callable, Mapping, Set

from fairseq_see.units.languages import LANGUAGES, language_of
from fairseq_see.units.morphology import DEFAULT_SEGMENTERS, SEGMENTERS, Segmenter
from fairseq_see.units.vocabulary import Vocabulary


def segmenters_for(
    vocabulary: Vocabulary,
    language: str,
    names: Mapping[str, str] = DEFAULT_SEGMENTERS,
    words: Set[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Segmenter]:
    """A segmenter for each language of a dictionary.

    Args:
        vocabulary: the dictionary.
        language: ``zh``, ``en`` or ``joined``.
        names: language -> one of SEGMENTERS.
        words: what to learn from (default: the dictionary's unmarked words).
        progress: told what is going on.
    """
    report = progress or (lambda message: None)
    if words is None:
        plain = (vocabulary.split(symbol) for symbol in vocabulary.symbols if not vocabulary.is_special(symbol))
        words = {surface for surface, mark in plain if not mark}
    segmenters: dict[str, Segmenter] = {}
    for spoken in LANGUAGES if language == "joined" else (language,):
        name = names[spoken]
        own = {word for word in words if language_of(word) == spoken} if language == "joined" else words
        if name == "morfessor" and not own:
            report(f"no {spoken} words to train {name} on: cutting into characters")
            name = "characters"
        elif name == "morfessor":
            report(f"training {name} on {len(own):,} {spoken} words (about a minute per 40,000)")
        segmenters[spoken] = SEGMENTERS[name](own, spoken)
    return segmenters
