"""A fairseq dictionary, read without fairseq."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")

BPE_MARK = "@@"
SENTENCEPIECE_MARK = "▁"
CONTINUATION_MARK = "##"

MASK = "<mask>"

_CODE = r"[a-z]{2,3}(?:_[A-Za-z]{2,4})?"
_ADDED = rf"{MASK}|\[{_CODE}\]|__{_CODE}__"
SPECIAL = rf"<[^<>\s]+>|madeupword\d{{4,}}|{_ADDED}"


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of a fairseq dictionary in the order of their ids, the four that fairseq puts first included.

    ``Vocabulary(tuple(d.symbols), tuple(d.count))`` is the same thing made from a ``fairseq.data.Dictionary``.
    """

    symbols: tuple[str, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read ``dict.xx.txt``: a token and its count a line, optionally the flag ``#fairseq:overwrite``.

        SeeError, with the line's number, if it is another file.
        """
        symbols = list(SPECIALS)
        # fairseq counts its own symbols once each.
        counts = [1] * len(symbols)
        seen = set(symbols)
        lines = read_lines(path)
        for number, line in enumerate(lines, 1):
            fields = line.rstrip().rsplit(" ", 1)
            overwrite = fields[-1] == "#fairseq:overwrite"
            if overwrite:
                fields = fields[0].rsplit(" ", 1)
            # int() alone would take "1_000" and digits of other scripts.
            if len(fields) != 2 or not fields[0] or not re.fullmatch("[0-9]+", fields[1]):
                raise SeeError(f"{path}, line {number}: expected '<token> <count>', found {line[:60]!r}")
            token, count = fields[0], int(fields[1])
            if token in seen and not overwrite:
                raise SeeError(f"{path}, line {number}: duplicate token {token[:60]!r}")
            seen.add(token)
            symbols.append(token)
            counts.append(count)
        if not lines:
            raise SeeError(f"{path} is empty; expected a fairseq dictionary, '<token> <count>' a line")
        return cls(tuple(symbols), tuple(counts))

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the symbols joined by newlines: the identity of a dictionary."""
        return hashlib.sha256("\n".join(self.symbols).encode("utf-8")).hexdigest()

    @cached_property
    def scheme(self) -> str:
        """How subwords are marked: ``bpe`` (``pow@@ er``), ``sentencepiece`` (``▁pow er``) or ``plain``."""
        bpe = sum(symbol.endswith(BPE_MARK) for symbol in self.symbols)
        sentencepiece = sum(symbol.startswith(SENTENCEPIECE_MARK) for symbol in self.symbols)
        # Text has a ▁ of its own now and then, and every other word would pass for the rest of one. Even of Chinese
        # that nobody segmented, sentencepiece makes some subwords in a hundred that begin a sentence.
        if sentencepiece > bpe and 100 * sentencepiece >= len(self.symbols):
            return "sentencepiece"
        return "bpe" if bpe else "plain"

    def is_special(self, token: str) -> bool:
        """Whether a symbol is no text: ``<...>`` (also a byte of sentencepiece's), a filler, or a language tag."""
        return re.fullmatch(SPECIAL, token) is not None

    def is_added(self, token: str) -> bool:
        """Whether a symbol is one that tasks of fairseq add: ``<mask>``, ``[de_DE]``, ``__de__``."""
        return re.fullmatch(_ADDED, token) is not None

    def split(self, token: str) -> tuple[str, str]:
        """The text of a token, and the mark of a subword: ``@@`` (BPE), ``##`` or ``▁`` (sentencepiece) or nothing.

        ``power@@`` is ("power", "@@"). Sentencepiece marks the opposite: ``▁power`` is ("power", ""), ``er`` goes on
        with a word and is ("er", "##"). ``▁`` alone begins a word that the subwords after it spell, and is ("", "▁").
        """
        if self.scheme == "plain" or self.is_special(token):
            return token, ""
        if self.scheme == "bpe":
            surface = token.removesuffix(BPE_MARK)
            return (surface, BPE_MARK) if surface and surface != token else (token, "")
        surface = token.removeprefix(SENTENCEPIECE_MARK)
        if surface == token:
            return token, CONTINUATION_MARK
        return surface, "" if surface else SENTENCEPIECE_MARK
