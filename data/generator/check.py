"""Verifies a corpus that generate.py wrote with --pairs and prints its statistics: `python check.py DIR`."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from coverage import chinese_counts, english_tokens
from lexicon import Lexicon, load_lexicon

SPLITS = ("train", "dev", "test")
ENOUGH = 5
CHINESE_LINE = re.compile(r"[\u4e00-\u9fff，；]+[。？]")
ENGLISH_LINE = re.compile(r"[A-Z][A-Za-z0-9 ,;'.-]*[.?]")


@dataclass(frozen=True)
class Split:
    zh: list[str]
    en: list[str]
    pairs: list[set[str]]


def read_split(folder: Path, name: str) -> Split:
    zh, en, pairs = (
        (folder / f"{name}.{end}").read_text(encoding="utf-8").splitlines() for end in ("zh", "en", "pairs")
    )
    return Split(zh, en, [set(line.split()) for line in pairs])


def check_form(splits: dict[str, Split]) -> None:
    for name, split in splits.items():
        assert len(split.zh) == len(split.en) == len(split.pairs), f"{name}: the files differ in length"
        for zh, en in zip(split.zh, split.en, strict=True):
            assert CHINESE_LINE.fullmatch(zh), f"{name}: malformed Chinese {zh!r}"
            assert ENGLISH_LINE.fullmatch(en) and "  " not in en, f"{name}: malformed English {en!r}"
            assert 4 <= len(en.split()) <= 25, f"{name}: length of {en!r}"


def check_disjoint(splits: dict[str, Split]) -> None:
    for side in ("zh", "en"):
        everything = [line.lower() for split in splits.values() for line in getattr(split, side)]
        repeated = [line for line, count in Counter(everything).items() if count > 1]
        assert not repeated, f"repeated sentences: {repeated[:3]}"


def check_held_out(splits: dict[str, Split]) -> None:
    trained = set().union(*splits["train"].pairs)
    for name in ("dev", "test"):
        for pairs, zh in zip(splits[name].pairs, splits[name].zh, strict=True):
            assert pairs - trained, f"{name}: no new pair in {zh!r}"


def check_coverage(splits: dict[str, Split], lexicon: Lexicon) -> Counter[str]:
    """Test words are frequent in training, and training shows every lexicon word; returns its Chinese counts."""
    english = Counter(token for line in splits["train"].en for token in english_tokens(line))
    for name in ("dev", "test"):
        rare = {token for line in splits[name].en for token in english_tokens(line) if english[token] < ENOUGH}
        assert not rare, f"{name}: rare English words {sorted(rare)[:5]}"
    chinese = chinese_counts(splits["train"].zh, lexicon)
    tested = chinese_counts(splits["test"].zh + splits["dev"].zh, lexicon)
    rare = {word for word, count in tested.items() if count and chinese[word] < ENOUGH}
    assert not rare, f"rare Chinese words in dev or test: {sorted(rare)[:5]}"
    return chinese


def check_senses(folder: Path, lexicon: Lexicon) -> int:
    rows = [line.split("\t") for line in (folder / "senses.tsv").read_text(encoding="utf-8").splitlines()]
    assert all(len(row) == 4 for row in rows), "senses.tsv: not four columns"
    listed = {(row[0], row[1]) for row in rows}
    wanted = {("en", e.en) for e in lexicon.entries if e.en_senses} | {
        ("zh", e.zh) for e in lexicon.entries if e.zh_senses
    }
    assert wanted <= listed, f"senses.tsv lacks {sorted(wanted - listed)[:5]}"
    return len(rows)


def report(splits: dict[str, Split], chinese: Counter[str], senses: int) -> None:
    for name, split in splits.items():
        words = sum(len(line.split()) for line in split.en)
        characters = sum(map(len, split.zh))
        mean = f"{words / len(split.en):.1f} English words, {characters / len(split.zh):.1f} Chinese characters"
        print(f"{name}: {len(split.en)} pairs, on average {mean}")
    english = Counter(token for line in splits["train"].en for token in english_tokens(line))
    present = sum(1 for count in chinese.values() if count)
    print(f"train: {len(english)} English word types, {present} of {len(chinese)} Chinese lexicon words")
    rare = sorted(word for word, count in chinese.items() if count < ENOUGH)
    print(f"Chinese lexicon words in fewer than {ENOUGH} training sentences: {len(rare)}: {' '.join(rare)}")
    print(f"senses: {senses}")
    assert len(english) >= 1500 and present >= 1500, "too few word types in training"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lexicon", type=Path, default=Path(__file__).resolve().parents[1] / "lexicon")
    arguments = parser.parse_args()
    lexicon = load_lexicon(arguments.lexicon)
    splits = {name: read_split(arguments.folder, name) for name in SPLITS}
    check_form(splits)
    check_disjoint(splits)
    check_held_out(splits)
    chinese = check_coverage(splits, lexicon)
    senses = check_senses(arguments.folder, lexicon)
    report(splits, chinese, senses)


if __name__ == "__main__":
    main()
