"""Reads the tab-separated lexicon files into typed, immutable entries."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Sense = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Entry:
    """What every lexicon row has: a word in each language and the senses of both; rows compare by identity."""

    en: str
    zh: str
    en_senses: tuple[Sense, ...]
    zh_senses: tuple[Sense, ...]

    @cached_property
    def key(self) -> str:
        """Identifies the row in usage counts."""
        return f"{self.zh}|{self.en}"


@dataclass(frozen=True, eq=False)
class Noun(Entry):
    plural: str
    measure: str
    cls: str

    @property
    def countable(self) -> bool:
        return self.plural != "-"


@dataclass(frozen=True, eq=False)
class Verb(Entry):
    past: str
    participle: str
    ing: str
    third: str
    subjects: frozenset[str]
    objects: tuple[str, ...]

    @property
    def transitive(self) -> bool:
        return bool(self.objects)


@dataclass(frozen=True, eq=False)
class Adjective(Entry):
    comparative: str
    nouns: tuple[str, ...]
    predicative: bool


@dataclass(frozen=True, eq=False)
class Adverb(Entry):
    kind: str
    before_verb: bool


@dataclass(frozen=True, eq=False)
class Name(Entry):
    kind: str


@dataclass(frozen=True, eq=False)
class FunctionWord(Entry):
    kind: str


@dataclass(frozen=True, eq=False)
class Lexicon:
    nouns: tuple[Noun, ...]
    verbs: tuple[Verb, ...]
    adjectives: tuple[Adjective, ...]
    adverbs: tuple[Adverb, ...]
    names: tuple[Name, ...]
    function: tuple[FunctionWord, ...]
    sememes: dict[str, str]

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        return (*self.nouns, *self.verbs, *self.adjectives, *self.adverbs, *self.names, *self.function)


def parse_senses(cell: str) -> tuple[Sense, ...]:
    """`InstitutePlace finance ; land waters` -> two senses; `-` and empty cells have none."""
    if cell.strip() in ("", "-"):
        return ()
    return tuple(tuple(part.split()) for part in cell.split(";") if part.strip())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _classes(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(",") if part.strip() not in ("", "-"))


def _common(row: dict[str, str]) -> dict[str, Any]:
    en_senses = parse_senses(row["en_senses"])
    zh_senses = en_senses if row["zh_senses"].strip() == "=" else parse_senses(row["zh_senses"])
    return {"en": row["en"], "zh": row["zh"], "en_senses": en_senses, "zh_senses": zh_senses}


def _noun(row: dict[str, str]) -> Noun:
    return Noun(**_common(row), plural=row["en_plural"], measure=row["measure"], cls=row["class"])


def _verb(row: dict[str, str]) -> Verb:
    return Verb(
        **_common(row),
        past=row["en_past"],
        participle=row["en_participle"],
        ing=row["en_ing"],
        third=row["en_3sg"],
        subjects=frozenset(_classes(row["subject_classes"])),
        objects=_classes(row["object_classes"]),
    )


def _adjective(row: dict[str, str]) -> Adjective:
    return Adjective(
        **_common(row),
        comparative=row["en_comparative"],
        nouns=_classes(row["noun_classes"]),
        predicative=row["predicative"] == "y",
    )


def _adverb(row: dict[str, str]) -> Adverb:
    return Adverb(**_common(row), kind=row["kind"], before_verb=row["zh_position"] == "before_verb")


def load_lexicon(folder: Path) -> Lexicon:
    sememe_rows = _rows(folder / "sememes.tsv")
    return Lexicon(
        nouns=tuple(map(_noun, _rows(folder / "nouns.tsv"))),
        verbs=tuple(map(_verb, _rows(folder / "verbs.tsv"))),
        adjectives=tuple(map(_adjective, _rows(folder / "adjectives.tsv"))),
        adverbs=tuple(map(_adverb, _rows(folder / "adverbs.tsv"))),
        names=tuple(Name(**_common(row), kind=row["kind"]) for row in _rows(folder / "names.tsv")),
        function=tuple(FunctionWord(**_common(row), kind=row["kind"]) for row in _rows(folder / "function.tsv")),
        sememes={row["en"]: row["zh"] for row in sememe_rows},
    )
