"""The symbols of a dictionary, looked up and segmented: what an index is built from, and what controls change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fairseq_see.units.languages import Language, find_languages
from fairseq_see.units.morpheme_inventory import name_special
from fairseq_see.units.morphology import Segmenter
from fairseq_see.units.senses import HOW, Match, SelectedSense, Sense, Senses, select
from fairseq_see.units.vocabulary import Vocabulary


@dataclass(frozen=True)
class Word:
    """One symbol of a dictionary.

    Attributes:
        count: running tokens, by the dictionary.
        special: whether it is no text.
        language: code of that in which its senses were found, or in which it was segmented.
        how: how it was found in the senses, one of HOW; None if it was not looked up.
        senses: all of its senses, those that an index drops too.
        morphemes: at least one, as many as its segmenter gave.
    """

    count: int
    special: bool
    language: str
    how: str | None
    senses: list[SelectedSense]
    morphemes: list[str]

    @property
    def kept(self) -> list[Sense]:
        """The senses that an index keeps."""
        return [sense.sememes for sense in self.senses if sense.kept]


def look_up(
    vocabulary: Vocabulary,
    senses: Senses | None,
    segmenters: Mapping[str, Segmenter],
    languages: Sequence[Language],
    order: int,
    rank: int,
    piece_senses: bool,
) -> list[Word]:
    """The senses and morphemes of every symbol of a dictionary; arguments as in ``build_index``."""
    words = []
    for symbol, count in zip(vocabulary.symbols, vocabulary.counts, strict=True):
        surface, mark = vocabulary.split(symbol)
        own = [language.code for language in find_languages(surface, languages)]
        if vocabulary.is_special(symbol):
            words.append(Word(count, True, own[0], None, [], [name_special(symbol)]))
            continue
        morphemes = (segmenters[own[0]].segment(surface) if surface else []) + [mark] * bool(mark)
        word = Word(count, False, own[0], None, [], morphemes)
        if not mark or (piece_senses and surface):
            code, match = find_senses(surface, senses, own)
            word = replace(word, language=code, how=match.how, senses=select(match.senses, order, rank))
        words.append(word)
    return words


def find_senses(word: str, senses: Senses | None, codes: Sequence[str]) -> tuple[str, Match]:
    """The language, of those a word may be of, in which its look-up finds it best (the first of equals); the match."""
    matches = [(code, senses.look_up(word, code) if senses else Match([], word, "none")) for code in codes]
    return min(matches, key=lambda found: HOW.index(found[1].how))
