"""A model for polyglot, and an index made with it, by the commands a user gives."""

import shlex
from pathlib import Path

import pytest

from experiments.__main__ import main as laboratory
from fairseq_see.cli.main import main
from fairseq_see.units import UnitIndex
from tests.helpers import run_command

STEMS = ["walk", "talk", "work", "play", "jump", "help", "call", "look", "kick", "wash"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    lines = "".join(f"{stem} {stem}s {stem.upper()}ED {stem.title()}ing {stem}er\n" for stem in STEMS)
    (folder / "train.en").write_text(lines, encoding="utf-8")
    (folder / "dict.en.txt").write_text("walking 5\nWalking 4\nWALKS 3\ntalkers 2\nwalk@@ 1\n", encoding="utf-8")
    (folder / "dict.txt").write_text("walking 5\n中国 4\n", encoding="utf-8")
    (folder / "senses.tsv").write_text("en\twalk\t1\twalk|走\n", encoding="utf-8")
    return folder


def morphemes(index: UnitIndex) -> list[list[str]]:
    """Of every word, padding and fairseq's specials left out."""
    names = [[index.morphemes[unit] for unit in word] for word in index.word_morphemes[4:]]
    return [[name for name in word if not name.startswith("<pad:")] for word in names]


def test_train_and_index(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--corpus", str(folder / "train.en"), "--lang", "en", "--output", str(folder / "models")]
    assert laboratory(["morphology", *options]) == 0
    trained = capsys.readouterr()
    assert "training morfessor on 50 words" in trained.err
    (line,) = trained.out.splitlines()
    export, setting = shlex.split(line)
    assert (export, setting) == ("export", f"POLYGLOT_DATA_PATH={folder}/models")
    monkeypatch.setenv(*setting.split("=", 1))

    index = ["fairseq-see", "index", folder / "dict.en.txt", "--hownet", folder / "senses.tsv", "--order", "4"]
    run_command(*index, "--morphology", "polyglot")
    assert morphemes(UnitIndex.load(folder / "dict.en.see")) == [
        ["walk", "ing"],
        ["<Cap>", "walk", "ing"],
        ["<CAPS>", "walk", "s"],
        ["talk", "er", "s"],
        ["walk", "@@"],
    ]
    joined = ["fairseq-see", "index", folder / "dict.txt", "--hownet", folder / "senses.tsv", "--lang", "joined"]
    run_command(*joined, "--morphology", "en=polyglot")
    assert morphemes(UnitIndex.load(folder / "dict.see")) == [["walk", "ing"], ["中", "国"]]


def test_corpus_without_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").write_text("\n\n", encoding="utf-8")
    options = ["--lang", "en", "--output", str(folder / "models")]
    assert laboratory(["morphology", "--corpus", str(folder / "empty"), *options]) == 2
    assert laboratory(["morphology", "--corpus", str(folder / "missing"), *options]) == 2
    printed = capsys.readouterr()
    assert "error: no words" in printed.err
    assert "error: cannot read" in printed.err
    assert printed.out == ""
    assert not [path for path in folder.rglob("models/*")]


def test_a_seed_is_an_option(folder: Path) -> None:
    options = ["--corpus", str(folder / "train.en"), "--lang", "en"]
    for seed in ("1", "2"):
        assert laboratory(["morphology", *options, "--output", str(folder / seed), "--seed", seed]) == 0
    first, second = (next((folder / seed).rglob("*.bz2")).read_bytes() for seed in ("1", "2"))
    assert first != second


@pytest.mark.parametrize("name", ["greek", "en=greek", "el=morfessor", "en=polyglot,", "en", "auto=auto"])
def test_unknown_morphology(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit):
        main(["index", str(folder / "dict.en.txt"), "--hownet", str(folder / "senses.tsv"), "--morphology", name])
    assert "choose auto, characters, morfessor, polyglot, or LANG=NAME" in capsys.readouterr().err
