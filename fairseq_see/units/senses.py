"""Senses: the sememes that each sense of a word is annotated with, and which senses of a word an index keeps."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fairseq_see.errors import SeeError
from fairseq_see.io import decode_name, read_lines, replace_file
from fairseq_see.units.languages import get_language

Sense = tuple[str, ...]

# How a look-up found a word, the best first.
HOW = ("exact", "case", "lemma", "none")

ORDERS = range(2, 17)
RANKS = range(1, 101)


class Match(NamedTuple):
    """What a look-up found: senses in the file's order, the entry that matched or the word itself, and one of HOW."""

    senses: list[Sense]
    form: str
    how: str


class Senses:
    """The senses of words, such as HowNet's.

    Args:
        entries: language code -> word -> its senses, each the names of its sememes with the main one first.
        source: where they are from, as an index records it.
    """

    def __init__(self, entries: dict[str, dict[str, list[Sense]]], source: str = "unnamed") -> None:
        self.source = source
        self._entries = entries

    @classmethod
    def load(cls, path: str | Path) -> "Senses":
        """Read lines of language, word, sense number and sememes: tabs between them, spaces between sememes.

        SeeError, with the line's number, if it is another file.
        """
        entries: dict[str, dict[str, list[Sense]]] = {}
        # Most senses occur many times: one tuple for each keeps 200K lines small.
        known: dict[str, Sense] = {}
        lines = read_lines(path)
        for number, line in enumerate(lines, 1):
            fields = line.split("\t")
            problem = _find_problem(fields)
            if problem:
                raise SeeError(f"{path}, line {number}: {problem}")
            code, word, _, sememes = fields
            sense = known.setdefault(sememes, tuple(sememes.split()))
            entries.setdefault(code, {}).setdefault(word, []).append(sense)
        if not lines:
            raise SeeError(f"{path} is empty; expected lines of language, word, sense number and sememes")
        digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode("utf-8")).hexdigest()
        return cls(entries, f"{decode_name(path)} (sha256 {digest[:12]})")

    def save(self, path: str | Path) -> None:
        """Write the lines that ``load`` reads."""
        with replace_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            for code, words in self._entries.items():
                for word, senses in words.items():
                    for number, sense in enumerate(senses, 1):
                        file.write(f"{code}\t{word}\t{number}\t{' '.join(sense)}\n")

    @property
    def languages(self) -> list[str]:
        """Codes of the languages that have words."""
        return [code for code, words in self._entries.items() if words]

    def list_words(self, code: str) -> list[str]:
        """The words of a language that have senses, in the file's order."""
        return list(self._entries.get(code, {}))

    def find(self, word: str, code: str) -> list[Sense]:
        """The senses of exactly this word, in the file's order."""
        return self._entries.get(code, {}).get(word, [])

    def look_up(self, word: str, code: str) -> Match:
        """The senses of a word; if it has no entry of its lower-cased form; if that has none of its lemma.

        Only the word is lower-cased, never the entries: "it" must not become the entry "IT".
        """
        forms = [("exact", word), ("case", word.lower())] if code in self._entries else []
        for how, form in forms:
            if senses := self.find(form, code):
                return Match(senses, form, how)
        for lemma in get_language(code).lemmatise(word) if forms else ():
            if senses := self.find(lemma, code):
                return Match(senses, lemma, "lemma")
        return Match([], word, "none")


def _find_problem(fields: list[str]) -> str | None:
    if len(fields) != 4:
        return f"{len(fields)} columns, expected 4: language, word, sense number, sememes"
    code, word, _, sememes = fields
    if not re.fullmatch("[a-z]{2,3}", code):
        return f"{code[:20]!r} is not a language code such as en"
    if not word.strip() or not sememes.strip():
        return "an empty word" if not word.strip() else "a sense without sememes"
    if " <pad:" in f" {sememes}":
        return "'<pad:' is kept for padding units, a sememe cannot begin so"
    return None


@dataclass(frozen=True)
class SelectedSense:
    """What becomes of one sense.

    Attributes:
        sememes: its first ``order`` sememes, or all if it has fewer.
        truncated: the sememes after them, which are dropped.
        duplicate_of: the number (from 1) of the earlier sense with the same ``sememes``, or None.
        beyond_rank: whether ``rank - 1`` senses before it are kept already.
    """

    sememes: Sense
    truncated: Sense
    duplicate_of: int | None
    beyond_rank: bool

    @property
    def kept(self) -> bool:
        """Whether the word gets a product for this sense."""
        return self.duplicate_of is None and not self.beyond_rank


def select(senses: Sequence[Sense], order: int, rank: int) -> list[SelectedSense]:
    """Truncate senses to ``order`` sememes (the first is the main one), drop repeats, keep the first ``rank - 1``."""
    selected = []
    first: dict[Sense, int] = {}
    for number, sense in enumerate(senses, 1):
        sememes = sense[:order]
        duplicate_of = first.get(sememes)
        # Without a repeat, as many distinct senses came before as `first` has.
        beyond_rank = duplicate_of is None and len(first) >= rank - 1
        selected.append(SelectedSense(sememes, sense[order:], duplicate_of, beyond_rank))
        first.setdefault(sememes, number)
    return selected


def check_order_and_rank(order: int, rank: int) -> None:
    """Raise SeeError unless an index can have this order and rank."""
    for name, value, allowed in (("order", order, ORDERS), ("rank", rank, RANKS)):
        if value not in allowed:
            raise SeeError(f"{name} {value} is out of range; choose {allowed[0]} to {allowed[-1]}")
