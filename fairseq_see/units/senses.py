"""HowNet's senses: the sememes that each sense of a word is annotated with."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines, replacing, shown_name
from fairseq_see.units.languages import LANGUAGES

Sense = tuple[str, ...]

HOW = ("exact", "case", "lemma", "none")

LONGEST_WORD = 1000

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Match(NamedTuple):
    """What a look-up found.

    Attributes:
        senses: in HowNet's order; empty if nothing was found.
        form: the entry that matched; the word itself if none did.
        how: one of HOW; ``case`` is the word in lower case.
    """

    senses: list[Sense]
    form: str
    how: str


class Senses:
    """The senses of Chinese (``zh``) and English (``en``) words.

    Args:
        entries: language -> word -> its senses, each the names of its sememes with the main one first.
        source: where they are from, as an index records it.
    """

    def __init__(self, entries: dict[str, dict[str, list[Sense]]], source: str = "unnamed") -> None:
        self.source = source
        self._entries: dict[str, dict[str, list[Sense]]] = {language: {} for language in LANGUAGES} | entries

    @classmethod
    def load(cls, path: str | Path) -> "Senses":
        """Read lines of language, word, sense number and sememes: tabs between them, spaces between sememes.

        Raises:
            SeeError: not such a file; the message has the line's number.
        """
        entries: dict[str, dict[str, list[Sense]]] = {language: {} for language in LANGUAGES}
        # Most senses occur many times: one tuple for each keeps 200K lines small.
        known: dict[str, Sense] = {}
        lines = read_lines(path)
        for number, line in enumerate(lines, 1):
            fields = line.split("\t")
            problem = _problem(line, fields)
            if problem:
                raise SeeError(f"{path}, line {number}: {problem}")
            language, word, _, text = fields
            sense = known.get(text)
            if sense is None:
                sense = known[text] = tuple(text.split())
                if not sense:
                    raise SeeError(f"{path}, line {number}: a sense without sememes")
                if any(sememe.startswith("<pad:") for sememe in sense):
                    raise SeeError(
                        f"{path}, line {number}: '<pad:' is kept for padding units, a sememe cannot begin so"
                    )
            entries[language].setdefault(word, []).append(sense)
        if not lines:
            raise SeeError(f"{path} is empty; expected lines of language, word, sense number and sememes")
        digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode("utf-8")).hexdigest()
        return cls(entries, f"{shown_name(path)} (sha256 {digest[:12]})")

    def save(self, path: str | Path) -> None:
        """Write the lines that ``load`` reads.

        Raises:
            SeeError: the file cannot be written.
        """
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            for language, words in self._entries.items():
                for word, senses in words.items():
                    for number, sense in enumerate(senses, 1):
                        file.write(f"{language}\t{word}\t{number}\t{' '.join(sense)}\n")

    def words(self, language: str) -> list[str]:
        """The words that have senses, in the file's order."""
        return list(self._entries[language])

    def of(self, word: str, language: str) -> list[Sense]:
        """The senses of exactly this word, in the file's order."""
        return self._entries[language].get(word, [])

    def lookup(self, word: str, language: str) -> Match:
        """The senses of a word; if it has no entry of its lower-cased form; if that has none (English) of its lemma.

        Only the word is lower-cased, never the entries: "it" must not become the entry "IT".
        """
        senses = self.of(word, language)
        if senses:
            return Match(senses, word, "exact")
        folded = word.casefold()
        senses = self.of(folded, language)
        if senses:
            return Match(senses, folded, "case")
        if language == "en":
            for lemma in _lemmas(word):
                senses = self.of(lemma, language)
                if senses:
                    return Match(senses, lemma, "lemma")
        return Match([], word, "none")


def can_be_entry(word: str) -> bool:
    """Whether the table of senses can hold a word."""
    return bool(word.strip()) and len(word) <= LONGEST_WORD and not _CONTROL.search(word) and "\t" not in word


def _problem(line: str, fields: list[str]) -> str | None:
    if len(fields) != 4:
        return f"{len(fields)} columns, expected 4: language, word, sense number, sememes"
    if _CONTROL.search(line):
        return "a control character; is this a text file?"
    language, word, sense_number, _ = fields
    if language not in LANGUAGES:
        return f"unknown language {language[:20]!r}, expected one of {', '.join(LANGUAGES)}"
    if not word.strip():
        return "an empty word"
    if len(word) > LONGEST_WORD:
        return f"a word of {len(word)} characters, longer than {LONGEST_WORD}"
    if not sense_number.isdecimal():
        return f"sense number {sense_number[:20]!r} is not a number"
    return None


def _lemmas(word: str) -> list[str]:
    """Lemmas to try, the one in the word's own case first ("Germans": "German", then "german").

    No lemma brings in capitals: simplemma's of "al" is "Al", of "me" is "I".
    """
    from simplemma import lemmatize

    if len(word) > LONGEST_WORD:
        return []
    folded = word.casefold()
    lemma = lemmatize(word, lang="en")
    lemmas = [lemma, lemma.casefold(), lemmatize(folded, lang="en")]
    return [lemma for lemma in lemmas if word != folded or lemma == lemma.casefold()]
