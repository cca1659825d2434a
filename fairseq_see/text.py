"""Raw text to a model's tokens, and a model's tokens back to text.

Source side: normalise, truncate words, segment into words (jieba for Chinese, Moses' rules for other languages), split
into subwords (BPE of subword-nmt, or sentencepiece). Target side: merge the subwords, detokenise. The corpora that
models are trained on are prepared by the same functions. jieba, sacremoses, subword-nmt and sentencepiece are imported
when they are needed.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from fairseq_see.errors import SeeError

# Full-width forms are their ASCII partners plus 0xFEE0.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_FULL_WIDTH_ALPHANUMERIC = {code: ascii for code, ascii in _FULL_WIDTH.items() if chr(ascii).isalnum()}

IDEOGRAPHS = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts written without spaces: Han with its extensions, Japanese kana; not Hangul, which has spaces."""

RUN = re.compile(rf"[^\s{IDEOGRAPHS}]+")
"""Characters without a space or an ideograph among them."""

MAX_WORD = 1000
"""Characters of the longest word; segmenters and BPE need quadratic time for longer ones."""

CODES = {"bpe": "codes.{}", "sentencepiece": "spm.{}.model"}
"""Name of the file that holds a language's subwords, by subword scheme."""


def normalise(line: str, language: str) -> str:
    """One line in one form: composed characters, single spaces, nothing invisible.

    Full-width letters and digits become ASCII. Full-width punctuation is proper Chinese and stays on the ``zh`` side;
    on any other side it becomes ASCII too. (NFKC would fold both, and ligatures and fractions besides.)
    """
    line = line.translate(_FULL_WIDTH_ALPHANUMERIC if language == "zh" else _FULL_WIDTH)
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


@cache
def _segmenter(language: str) -> Callable[[str], Iterable[str]]:
    if language == "zh":
        import jieba

        jieba.setLogLevel("ERROR")
        # It loads what it finds in the folder of temporary files, where anyone may have put it. (And saves no time.)
        with TemporaryDirectory() as jieba.dt.tmp_dir:
            jieba.initialize()
        return jieba.cut
    from sacremoses import MosesTokenizer

    moses = MosesTokenizer(lang=language)
    return lambda line: moses.tokenize(line, escape=False)


@cache
def _detokeniser(language: str) -> Callable[[str], str]:
    if language == "zh":
        return lambda line: line.replace(" ", "")
    from sacremoses import MosesDetokenizer

    moses = MosesDetokenizer(lang=language)
    return lambda line: moses.detokenize(line.split(), unescape=False)


def segment(line: str, language: str) -> str:
    """The words of a line, with one space between them."""
    return " ".join(" ".join(_segmenter(language)(line)).split())


def detokenise(line: str, language: str) -> str:
    """The line that people would write for words with spaces between them."""
    return _detokeniser(language)(line)


def segmenter_version(language: str) -> str:
    """The package that segments a language here, as ``jieba 0.42.1``."""
    package = "jieba" if language == "zh" else "sacremoses"
    return f"{package} {version(package)}"


def load_subwords(path: str | Path, scheme: str) -> Callable[[str], list[str]]:
    """A function from words with spaces between them to their subwords.

    Args:
        path: what ``subword-nmt learn-bpe`` wrote, or a sentencepiece model.
        scheme: ``bpe`` or ``sentencepiece``. What a sentencepiece model cannot spell is ``<unk>`` and not itself.

    Raises:
        SeeError: the file is missing, or another kind of file.
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
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    return lambda words: [pieces[i] for i in processor.encode(words)]


def merge_subwords(tokens: Sequence[str], scheme: str) -> str:
    """The words of subwords, with spaces between them, as fairseq's ``--remove-bpe`` gives them."""
    if scheme == "bpe":
        return f"{' '.join(tokens)} ".replace("@@ ", "").rstrip()
    return "".join(tokens).replace("▁", " ").strip()


def encode(line: str, language: str, subwords: Callable[[str], list[str]]) -> list[str]:
    """The tokens of a raw line; none if the line is blank."""
    return subwords(segment(truncate_words(normalise(line, language)), language))


def decode(tokens: Sequence[str], language: str, scheme: str) -> str:
    """The text of a translation's tokens."""
    return detokenise(merge_subwords(tokens, scheme), language)
