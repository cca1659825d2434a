"""The vocabulary of a Hugging Face tokenizer as the symbols that a unit index is built from.

Tokenizers mark subwords in three ways. All are rewritten to sentencepiece's, which ``Vocabulary`` reads:

    byte-level BPE (GPT-2, Llama 3)        Ġpower   er      each character stands for a byte, Ġ for the space before
    sentencepiece (T5, Llama 2, Phi-3)     ▁power   er
    WordPiece (BERT)                       power    ##er

A token that begins a word takes the senses of the word it spells; one that goes on with a word does not. Without a
space before it, the first word of a text is written as if it went on with one in the first two, and so it is treated.
"""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

from fairseq_see import units
from fairseq_see.errors import SeeError
from fairseq_see.units import Senses, UnitIndex, Vocabulary, extension
from fairseq_see.units.morphology import train_segmenters
from fairseq_see.units.vocabulary import CONTINUATION_MARK, SENTENCEPIECE_MARK

logger = logging.getLogger(__name__)

# What GPT-2's alphabet of bytes has for a space.
BYTE_LEVEL_SPACE = "Ġ"

KINDS = ("word", "subword", "byte", "special", "unused")

# GPT-2's alphabet: character -> byte.
BYTES = {character: byte for byte, character in bytes_to_unicode().items()}

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_UNUSED = re.compile(r"[\[<]unused\d+[\]>]")


def read_vocabulary(
    tokenizer: Any, rows: int | None = None, counts: Sequence[int] | None = None
) -> tuple[Vocabulary, Counter[str]]:
    """The tokens of a tokenizer, by id, as symbols of a dictionary, and how many are of each of KINDS.

    Bytes that are no whole character, special tokens and ids that no token has (``madeupword...``) have a morpheme each
    and no senses.

    Args:
        tokenizer: of transformers, fast or slow.
        rows: V, the model's embeddings, which may be more than the tokenizer's tokens (default: as many).
        counts: (V,) how often each id occurs in running text (default: all alike).

    Raises:
        SeeError: no tokenizer, more tokens than embeddings, or counts for another number of them.
    """
    if not hasattr(tokenizer, "get_vocab"):
        kind = type(tokenizer).__name__
        raise SeeError(f"the tokenizer is a {kind}; give what transformers' AutoTokenizer.from_pretrained returns")
    tokens = {token_id: token for token, token_id in tokenizer.get_vocab().items()}
    rows = rows or max(tokens) + 1
    if max(tokens) >= rows:
        raise SeeError(f"the tokenizer has ids up to {max(tokens)}, the model {rows} embeddings; give the model's own")
    if counts is not None and len(counts) != rows:
        raise SeeError(f"there are counts for {len(counts)} ids, but the matrix has {rows} embeddings")
    special = {*tokenizer.all_special_ids, *(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)}
    added = set(tokenizer.added_tokens_decoder)
    scheme = _find_scheme(token for token_id, token in tokens.items() if token_id not in added)
    kinds: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    symbols = []
    for row in range(rows):
        token = tokens.get(row)
        if token is None or _UNUSED.fullmatch(token):
            kind, symbol = "unused", f"madeupword{row:04d}"
        elif row in special and not _BYTE.fullmatch(token):
            kind, symbol = "special", _mark_special(token)
        else:
            # Tokens added by a user are written as they are.
            kind, symbol = _read_token(token, "plain" if row in added else scheme)
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
    morphology: dict[str, str] | None = None,
    **options: Any,
) -> UnitIndex:
    """The units of every token of a tokenizer; what it covers goes to the log.

    Args:
        tokenizer: of transformers.
        rows: V, the model's embeddings (default: as many as the tokenizer has tokens).
        senses: a table of senses, or its file: HowNet's, or WordNet's as ``python -m experiments lexicon`` writes
            it; None for morphemes alone.
        counts: (V,) how often each id occurs in running text (default: all alike); orders the units.
        language: code of the language, or several with commas between them, distinguished by a token's script.
        morphology: language -> what segments its words, as ``fairseq-see index --morphology``.
        **options: ``order``, ``rank``, ``piece_senses`` and others of :func:`fairseq_see.units.build_index`.

    Raises:
        SeeError: an argument is out of range, or the table of senses cannot be read.
    """
    vocabulary, kinds = read_vocabulary(tokenizer, rows, counts)
    index, coverage = units.build_index(
        vocabulary,
        senses if isinstance(senses, Senses | None) else Senses.load(senses),
        train_segmenters(vocabulary, language, morphology, progress=logger.info),
        language=language,
        progress=logger.info,
        **options,
    )
    logger.info(f"tokens: {', '.join(f'{n:,} {kind}' for kind, n in kinds.items())}\n{coverage.render()}")
    return index


def extend_index(
    index: UnitIndex | str | Path, tokenizer: Any, senses: Senses | str | Path | None = None, **options: Any
) -> UnitIndex:
    """The unit index that a model was compressed with, or its file, extended by tokens that were added since.

    New tokens are made of units that exist: of a sense all sememes must, and an unknown morpheme shares the unit of
    another, by a hash. They take the embeddings that no token had, then further ones. ``senses`` and ``options`` are
    those of :func:`build_index`.
    """
    index = index if isinstance(index, UnitIndex) else UnitIndex.load(index)
    rows = max(index.num_words, len(read_vocabulary(tokenizer)[0]))
    longer = build_index(tokenizer, rows, senses, order=index.order, rank=index.rank, **options)
    symbols = read_vocabulary(tokenizer, rows)[0].symbols
    unused = {f"madeupword{row:04d}": row for row in range(index.num_words)}
    filled = [
        row
        for row, unit in enumerate(index.word_morphemes[:, 0])
        if unused.get(index.morphemes[unit]) == row and symbols[row] not in unused
    ]
    return extension.extend_index(index, longer, filled)


def _find_scheme(tokens: Any) -> str:
    """The mark that most tokens begin with, or ``plain``."""
    marks = (BYTE_LEVEL_SPACE, SENTENCEPIECE_MARK, CONTINUATION_MARK)
    begins = Counter(mark for token in tokens for mark in marks if token.startswith(mark))
    return max(begins, key=lambda mark: begins[mark], default="plain")


def _read_token(token: str, scheme: str) -> tuple[str, str]:
    """The kind of an ordinary token, and its symbol in sentencepiece's marks."""
    if _BYTE.fullmatch(token):
        return "byte", token
    if scheme == BYTE_LEVEL_SPACE:
        if not BYTES.keys() >= set(token):
            return "subword", token
        content = bytes(BYTES[character] for character in token)
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
    return "word" if token.removeprefix(SENTENCEPIECE_MARK) not in (token, "") else "subword", token


def _mark_special(token: str) -> str:
    """The token as ``Vocabulary`` knows special symbols: ``<...>``."""
    return token if re.fullmatch(r"<[^<>\s]+>", token) else "<" + re.sub(r"[<>\s]", "_", token) + ">"
