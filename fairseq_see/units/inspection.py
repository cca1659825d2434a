"""What an index holds, by name."""

from typing import NamedTuple

from fairseq_see.units.index import UnitIndex
from fairseq_see.units.senses import Sense
from fairseq_see.units.vocabulary import BPE_MARK, SENTENCEPIECE_MARK, Vocabulary


class IndexedSymbol(NamedTuple):
    """What an index holds for one symbol: names of sememes without padding, names of morphemes with it."""

    id: int
    symbol: str
    senses: list[Sense]
    morphemes: tuple[str, ...]


def find_symbols(word: str, vocabulary: Vocabulary, index: UnitIndex) -> list[IndexedSymbol]:
    """The symbols of the dictionary that spell a word: itself, and as a subword (``power``, ``power@@``)."""
    spellings = {
        "plain": (word,),
        "bpe": (word, word + BPE_MARK),
        "sentencepiece": (SENTENCEPIECE_MARK + word, word),
    }[vocabulary.scheme]
    ids = {symbol: i for i, symbol in enumerate(vocabulary.symbols)}
    return [read_symbol(ids[symbol], symbol, index) for symbol in spellings if symbol in ids]


def describe_provenance(index: UnitIndex) -> str:
    """What an index was made from and how, in a line."""
    return "; ".join(f"{key} {value}" for key, value in index.provenance.items())


def read_symbol(row: int, symbol: str, index: UnitIndex) -> IndexedSymbol:
    """What an index holds for the symbol ``row``."""
    senses = [tuple(index.sememes[i] for i in sense if i >= index.order) for sense in index.read_senses(row)]
    return IndexedSymbol(row, symbol, senses, tuple(index.morphemes[i] for i in index.word_morphemes[row]))
