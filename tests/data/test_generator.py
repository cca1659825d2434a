"""The demonstration corpus: regenerable, disjoint, with held-out word pairs and a sememe lexicon that fits it."""

import csv
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fairseq_see.units import Senses

DATA = Path(__file__).resolve().parents[2] / "data"
SPLITS = ("train", "dev", "test")
LEXICON_FILES = ("nouns", "verbs", "adjectives", "adverbs", "names", "function")


def lines(name: str, folder: Path = DATA) -> list[str]:
    return (folder / name).read_text(encoding="utf-8").splitlines()


def tokens(text: str) -> list[str]:
    return re.findall(r"[\w'.-]+\w|\w", text.lower())


def lexicon_words() -> dict[str, set[str]]:
    """The words of each language that the lexicon gives senses."""
    words: dict[str, set[str]] = {"en": set(), "zh": set()}
    for name in LEXICON_FILES:
        with (DATA / "lexicon" / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                for language in words:
                    if row[language] != "-":
                        words[language].add(row[language])
    return words


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    script = str(DATA / "generator" / "generate.py")
    env = {**os.environ, "PYTHONHASHSEED": "4321"}
    subprocess.run([sys.executable, script, "--out", str(folder), "--pairs"], env=env, check=True, timeout=300)
    return folder


@pytest.mark.slow
def test_the_committed_files_come_from_the_generator(regenerated: Path):
    names = [f"{split}.{language}" for split in SPLITS for language in ("zh", "en")]
    for name in (*names, "senses.tsv"):
        assert (regenerated / name).read_bytes() == (DATA / name).read_bytes(), name


@pytest.mark.slow
def test_each_held_out_sentence_combines_words_as_training_never_does(regenerated: Path):
    trained = {pair for line in lines("train.pairs", regenerated) for pair in line.split()}
    for split in ("dev", "test"):
        for line, zh in zip(lines(f"{split}.pairs", regenerated), lines(f"{split}.zh", regenerated), strict=True):
            assert set(line.split()) - trained, zh


@pytest.mark.slow
def test_the_check_script_agrees(regenerated: Path):
    script = str(DATA / "generator" / "check.py")
    done = subprocess.run([sys.executable, script, str(regenerated)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "9000 pairs" in done.stdout


@pytest.mark.parametrize("split", SPLITS)
def test_both_sides_have_a_line_for_each_sentence(split: str):
    zh, en = lines(f"{split}.zh"), lines(f"{split}.en")
    assert len(zh) == len(en) == (9000 if split == "train" else 400)
    assert all(zh) and all(en)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_sentence_occurs_twice(language: str):
    counts = Counter(line.lower() for split in SPLITS for line in lines(f"{split}.{language}"))
    assert [line for line, count in counts.items() if count > 1] == []


def test_training_has_enough_word_types():
    english = {token for line in lines("train.en") for token in tokens(line)}
    text = "\n".join(lines("train.zh"))
    chinese = {word for word in lexicon_words()["zh"] if word in text}
    assert len(english) >= 1500
    assert len(chinese) >= 1500


@pytest.mark.parametrize("split", ["dev", "test"])
def test_training_has_seen_every_token(split: str):
    english = {token for line in lines("train.en") for token in tokens(line)}
    assert {token for line in lines(f"{split}.en") for token in tokens(line)} <= english
    characters = set("".join(lines("train.zh")))
    assert set("".join(lines(f"{split}.zh"))) <= characters


def test_the_senses_cover_the_lexicon():
    Senses.load(DATA / "senses.tsv")
    rows = [line.split("\t") for line in lines("senses.tsv")]
    listed = Counter((language, word) for language, word, _, _ in rows)
    wanted = {(language, word) for language, words in lexicon_words().items() for word in words}
    assert len(wanted & set(listed)) >= 0.95 * len(wanted)
    for language in ("zh", "en"):
        several = [word for (key, word), count in listed.items() if key == language and count > 1]
        assert len(several) >= 100, language
