"""The vocabulary of a Hugging Face tokenizer as the symbols that a unit index is built from.

Tokenizers mark the pieces of words in three ways. All are rewritten to sentencepiece's, which ``Vocabulary`` reads:

    byte-level BPE (GPT-2, Llama 3)        Ġpower   er      each character stands for a byte, Ġ for the space before
    sentencepiece (T5, Llama 2, Phi-3)     ▁power   er
    WordPiece (BERT)                       power    ##er

A token that begins a word is a word, and takes the senses of the word it spells; one that goes on with a word does not.
Without a space before it, the first word of a text looks like a piece to the first two: so it is treated.
"""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fairseq_see import units
from fairseq_see.errors import SeeError
from fairseq_see.units import Senses, UnitIndex, Vocabulary, extension
from fairseq_see.units.morphology import train_segmenters
from fairseq_see.units.vocabulary import CONTINUATION_MARK, SENTENCEPIECE_MARK

logger = logging.getLogger(__name__)

# What GPT-2's alphabet of bytes has for a space.
BYTE_LEVEL_SPACE = "Ġ"

KINDS = ("word", "piece", "byte", "special", "unused")

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_UNUSED = re.compile(r"[\[<]unused\d+[\]>]")


def read_vocabulary(
    tokenizer: Any, rows: int | None = None, counts: Sequence[int] | None = None
) -> tuple[Vocabulary, Counter[str]]:
    """The tokens of a tokenizer, by id, as symbols of a dictionary.

    Args:
        tokenizer: of transformers, fast or slow.
        rows: V, rows of the model's table, which may be more than the tokenizer has tokens (padded vocabularies) but
            not fewer (default: as many).
        counts: (V,) how often each id occurs in running text, none below 0 (default: all alike).

    Returns:
        the vocabulary; how many of its symbols are of each of KINDS. Bytes that are no whole character, special tokens
        and rows that no token has (``madeupword...``) are fillers to an index: a morpheme of their own, no senses.

    Raises:
        SeeError: there are fewer rows than tokens, or counts for another number of them.
    """
    tokens = {token_id: token for token, token_id in tokenizer.get_vocab().items()}
    rows = rows or max(tokens) + 1
    if max(tokens) >= rows:
        raise SeeError(
            f"the tokenizer has ids up to {max(tokens)}, the table {rows} rows; give the tokenizer of this model"
        )
    if counts is not None and len(counts) != rows:
        raise SeeError(f"there are counts for {len(counts)} ids, but the table has {rows} rows")
    special = {*tokenizer.all_special_ids, *(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)}
    added = set(tokenizer.added_tokens_decoder)
    scheme = _scheme(token for token_id, token in tokens.items() if token_id not in added)
    kinds: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    symbols = []
    for row in range(rows):
        token = tokens.get(row)
        if token is None or _UNUSED.fullmatch(token):
            kind, symbol = "unused", f"madeupword{row:04d}"
        elif row in special and not _BYTE.fullmatch(token):
            kind, symbol = "special", _as_special(token)
        else:
            # Tokens added by a user are written as they are.
            kind, symbol = _symbol(token, "plain" if row in added else scheme)
        kinds[kind] += 1
        symbols.append(symbol)
    return Vocabulary(tuple(symbols), (1,) * rows if counts is None else tuple(map(int, counts))), kinds


def build_index(
    tokenizer: Any,
    rows: int | None = None,
    senses: Senses | str | Path | None = None,
    *,
    counts: Sequence[int] | None = None,
    language: str = "zh,en",
    order: int = 3,
    rank: int = 5,
    piece_senses: bool = False,
    max_morphemes: int | None = None,
    morphology: dict[str, str] | None = None,
) -> UnitIndex:
    """The units of every token of a tokenizer; what it covers goes to the log.

    Args:
        tokenizer: of transformers.
        rows: V, rows of the model's table (default: as many as the tokenizer has tokens).
        senses: a table of senses, or its file: HowNet's, or WordNet's as ``python -m experiments lexicon`` makes
            it; None for morphemes alone.
        counts: (V,) how often each id occurs in running text (default: all alike). The units used most own the
            vectors of a fraction of m.
        language: code of the language, or several with commas between them, told apart by the script of a token.
        order: o, units in a group.
        rank: r, groups in a word: at most r - 1 senses, and the morphemes.
        piece_senses: whether tokens that go on with a word get the senses of the word they spell.
        max_morphemes: keep that many morphemes at most.
        morphology: language -> what segments its words, as ``fairseq-see index --morphology``.

    Raises:
        SeeError: an argument is out of range, or the table of senses cannot be read.
    """
    vocabulary, kinds = read_vocabulary(tokenizer, rows, counts)
    index, coverage = units.build_index(
        vocabulary,
        senses if isinstance(senses, Senses | None) else Senses.load(senses),
        train_segmenters(vocabulary, language, morphology, progress=logger.info),
        order=order,
        rank=rank,
        language=language,
        piece_senses=piece_senses,
        max_morphemes=max_morphemes,
        progress=logger.info,
    )
    logger.info(f"rows: {', '.join(f'{n:,} {kind}' for kind, n in kinds.items())}\n{coverage.render()}")
    return index


def extend_index(
    index: UnitIndex | str | Path, tokenizer: Any, senses: Senses | str | Path | None = None, **options: Any
) -> UnitIndex:
    """The unit index of a trained model with the tokens that its tokenizer has got since; units stay.

    Of a sense all sememes must exist, and a morpheme that does not shares the unit of another, by a hash. New tokens
    take the embeddings that no token had, then further ones.

    Args:
        index: the one that the model was compressed with, or its file.
        tokenizer: of transformers, after ``add_tokens``.
        senses: as :func:`build_index` takes it.
        **options: other arguments of :func:`build_index`.

    Raises:
        SeeError: the index or the senses cannot be read.
    """
    index = index if isinstance(index, UnitIndex) else UnitIndex.load(index)
    rows = max(index.num_words, max(tokenizer.get_vocab().values()) + 1)
    longer = build_index(tokenizer, rows, senses, order=index.order, rank=index.rank, **options)
    symbols = read_vocabulary(tokenizer, rows)[0].symbols
    unused = {f"madeupword{row:04d}": row for row in range(index.num_words)}
    filled = [
        row
        for row, unit in enumerate(index.word_morphemes[:, 0])
        if unused.get(index.morphemes[unit]) == row and symbols[row] not in unused
    ]
    return extension.extend_index(index, longer, filled)


def _scheme(tokens: Any) -> str:
    """The mark that most tokens begin with, or ``plain``."""
    marks = (BYTE_LEVEL_SPACE, SENTENCEPIECE_MARK, CONTINUATION_MARK)
    begin = Counter({mark: 0 for mark in marks})
    for token in tokens:
        begin.update(mark for mark in marks if token.startswith(mark))
    mark, n = begin.most_common(1)[0]
    return mark if n else "plain"


def _symbol(token: str, scheme: str) -> tuple[str, str]:
    """The kind of an ordinary token, and its symbol in sentencepiece's marks."""
    if _BYTE.fullmatch(token):
        return "byte", token
    if scheme == BYTE_LEVEL_SPACE:
        content = _bytes(token)
        if content is None:
            return "piece", token
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return "byte", f"<0x{content.hex().upper()}>"
        if not re.search(r"\s", text.removeprefix(" ")):
            # Other tokens with spaces inside, indentation mostly, stay as they are written.
            token = SENTENCEPIECE_MARK + text[1:] if text.startswith(" ") else text
    elif scheme == CONTINUATION_MARK:
        begins = not token.startswith(CONTINUATION_MARK) or token == CONTINUATION_MARK
        token = SENTENCEPIECE_MARK + token if begins else token.removeprefix(CONTINUATION_MARK)
    elif scheme == "plain":
        token = SENTENCEPIECE_MARK + token
    return "word" if token.removeprefix(SENTENCEPIECE_MARK) not in (token, "") else "piece", token


def _as_special(token: str) -> str:
    """The token as ``Vocabulary`` knows special symbols: ``<...>``."""
    return token if re.fullmatch(r"<[^<>\s]+>", token) else "<" + re.sub(r"[<>\s]", "_", token) + ">"


def _bytes(token: str) -> bytes | None:
    """What a token of GPT-2's byte alphabet stands for; None if it is not written in it."""
    alphabet = _byte_alphabet()
    return bytes(alphabet[c] for c in token) if all(c in alphabet for c in token) else None


@cache
def _byte_alphabet() -> dict[str, int]:
    """Character -> byte. Printable bytes are themselves, the others the characters from 256 on (GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
