"""Raw text to a model's tokens, and a model's tokens back to text.

Source side: normalise, truncate words, segment into words (jieba for Chinese, Moses' rules for other languages), split
into subwords (BPE of subword-nmt, or sentencepiece). Target side: merge the subwords, detokenise. The corpora that
models are trained on are prepared by the same functions. jieba, sacremoses, subword-nmt and sentencepiece are imported
when they are needed.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from fairseq_see.errors import SeeError
from fairseq_see.units.languages import HAN, KANA, MAX_WORD, get_language

# Full-width forms are their ASCII partners plus 0xFEE0.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_FULL_WIDTH_ALPHANUMERIC = {code: ascii for code, ascii in _FULL_WIDTH.items() if chr(ascii).isalnum()}

IDEOGRAPHS = HAN + KANA
"""Scripts written without spaces: Han with its extensions, Japanese kana; not Hangul, which has spaces."""

RUN = re.compile(rf"[^\s{IDEOGRAPHS}]+")
"""Characters without a space or an ideograph among them."""

CODES = {"bpe": "codes.{}", "sentencepiece": "spm.{}.model"}
"""Name of the file that holds a language's subwords, by subword scheme."""


def normalise(line: str, code: str) -> str:
    """One line in one form: composed characters, single spaces, nothing invisible.

    Full-width letters and digits become ASCII. Full-width punctuation is proper Chinese and stays on the ``zh`` side;
    on any other side it becomes ASCII too. (NFKC would fold both, and ligatures and fractions besides.)
    """
    line = line.translate(_FULL_WIDTH_ALPHANUMERIC if get_language(code).code == "zh" else _FULL_WIDTH)
    if not line.isascii() or not line.isprintable():
        line = "".join(" " if c.isspace() else c for c in line if c.isspace() or not _invisible(c))
    # Last: a letter and its accent may have had something invisible between them, or the letter been full-width.
    return unicodedata.normalize("NFC", " ".join(line.split()))


def _invisible(character: str) -> bool:
    # Cc: control characters. Cf: zero-width marks, soft hyphens, writing directions. Noncharacters, but not all of Cn,
    # which has the characters that are younger than this Python.
    code = ord(character)
    noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
    return noncharacter or unicodedata.category(character) in ("Cc", "Cf")


def truncate_words(line: str) -> str:
    """The line with every word longer than ``MAX_WORD`` truncated to that."""
    return RUN.sub(lambda run: run.group()[:MAX_WORD], line)


def segment(line: str, code: str, whole: Collection[str] = ()) -> str:
    """The words of a line, with one space between them; jieba leaves those of ``whole`` whole."""
    return " ".join(get_language(code).segment(line, tuple(whole)))


def detokenise(line: str, code: str) -> str:
    """The line that people would write for words with spaces between them."""
    return get_language(code).join(line.split())


def name_segmenter(code: str) -> str:
    """The package that segments a language here, as ``jieba 0.42.1``."""
    package = {"jieba": "jieba", "moses": "sacremoses"}.get(get_language(code).segmenter)
    return f"{package} {version(package)}" if package else get_language(code).segmenter


def load_subwords(path: str | Path, scheme: str) -> Callable[[str], list[str]]:
    """A function from words with spaces between them to their subwords.

    ``path`` is what ``subword-nmt learn-bpe`` wrote (``scheme`` ``bpe``) or a ``sentencepiece`` model; what that cannot
    spell is ``<unk>`` and not itself. SeeError if the file is missing, or another kind of file.
    """
    if scheme == "bpe":
        from subword_nmt.apply_bpe import BPE

        try:
            with open(path, encoding="utf-8") as file:
                bpe = BPE(file)
        # subword-nmt ends the program at a line that is no merge.
        except (OSError, ValueError, SystemExit) as error:
            raise SeeError(f"{path} holds no BPE codes, or cannot be read") from error
        return lambda words: bpe.segment(words).split()
    from sentencepiece import SentencePieceProcessor

    try:
        processor = SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise SeeError(f"{path} is no sentencepiece model, or cannot be read") from error
    subwords = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    return lambda words: [subwords[i] for i in processor.encode(words)]


def merge_subwords(tokens: Sequence[str], scheme: str) -> str:
    """The words of subwords, with spaces between them, as fairseq's ``--remove-bpe`` gives them."""
    if scheme == "bpe":
        return f"{' '.join(tokens)} ".replace("@@ ", "").rstrip()
    return "".join(tokens).replace("▁", " ").strip()


def mark_word(word: str, scheme: str) -> str:
    """The symbol of a dictionary that is a whole word."""
    return f"▁{word}" if scheme == "sentencepiece" else word


def keep_whole(subwords: Callable[[str], list[str]], whole: Collection[str], scheme: str) -> Callable[[str], list[str]]:
    """A function like ``subwords`` that leaves some words whole, and the others as they are without these."""
    kept = frozenset(whole)

    def split(line: str) -> list[str]:
        tokens = []
        for known, run in groupby(line.split(), kept.__contains__):
            words = list(run)
            tokens += [mark_word(word, scheme) for word in words] if known else subwords(" ".join(words))
        return tokens

    return split if kept else subwords


def encode(line: str, code: str, subwords: Callable[[str], list[str]], whole: Collection[str] = ()) -> list[str]:
    """The tokens of a raw line; none if the line is blank. jieba leaves the words of ``whole`` whole."""
    return subwords(segment(truncate_words(normalise(line, code)), code, whole))


def decode(tokens: Sequence[str], code: str, scheme: str) -> str:
    """The text of a translation's tokens."""
    return detokenise(merge_subwords(tokens, scheme), code)
