"""What an index makes of a word, and why: for a person to read."""

from dataclasses import dataclass

from fairseq_see.units.index import UnitIndex
from fairseq_see.units.languages import language_of
from fairseq_see.units.selection import SelectedSense, select
from fairseq_see.units.senses import Match, Sense, Senses
from fairseq_see.units.vocabulary import BPE_MARK, SENTENCEPIECE_MARK, Vocabulary


@dataclass(frozen=True)
class DescribedWord:
    """A word's senses in HowNet.

    Attributes:
        word: as it was asked for.
        language: in which it was looked up.
        match: how it was found.
        senses: all its senses, those that an index leaves out too.
    """

    word: str
    language: str
    match: Match
    senses: list[SelectedSense]


@dataclass(frozen=True)
class IndexedSymbol:
    """What an index holds for one symbol of its dictionary.

    Attributes:
        id: row of the embedding table.
        symbol: as the dictionary spells it.
        senses: names of sememes, without padding.
        morphemes: names, with padding.
    """

    id: int
    symbol: str
    senses: list[Sense]
    morphemes: tuple[str, ...]


def describe(word: str, senses: Senses, order: int, rank: int, language: str | None = None) -> DescribedWord:
    """Look a word up; without a language, the script tells it."""
    language = language or language_of(word)
    match = senses.lookup(word, language)
    return DescribedWord(word, language, match, select(match.senses, order, rank))


def indexed_symbols(word: str, vocabulary: Vocabulary, index: UnitIndex) -> list[IndexedSymbol]:
    """The symbols of the dictionary that spell a word: itself, and as a piece (``power``, ``power@@``)."""
    spellings = {
        "plain": (word,),
        "bpe": (word, word + BPE_MARK),
        "sentencepiece": (SENTENCEPIECE_MARK + word, word),
    }[vocabulary.scheme]
    ids = {symbol: i for i, symbol in enumerate(vocabulary.symbols)}
    return [_indexed(ids[symbol], symbol, index) for symbol in spellings if symbol in ids]


def made_from(index: UnitIndex) -> str:
    """What an index was made from and how, in a line; empty if its file does not tell."""
    return "; ".join(f"{key} {value}" for key, value in index.provenance.items())


def _indexed(row: int, symbol: str, index: UnitIndex) -> IndexedSymbol:
    slots = index.sense_groups[index.sense_offsets[row] : index.sense_offsets[row + 1]]
    senses = [tuple(index.sememes[i] for i in index.groups[slot] if i >= index.order) for slot in slots]
    return IndexedSymbol(row, symbol, senses, tuple(index.morphemes[i] for i in index.word_morphemes[row]))
