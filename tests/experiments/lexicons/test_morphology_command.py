"""A model for polyglot, and an index made with it, by the commands a user gives."""

import shlex
from pathlib import Path

import pytest

from experiments.__main__ import main as laboratory
from experiments.lexicons.morphology import write_model
from fairseq_see.cli.main import main
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex
from tests.unit.units.test_morphology import STEMS, WORDS


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


@pytest.mark.polyglot
def test_train_and_index(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--corpus", str(folder / "train.en"), "--lang", "en", "--output", str(folder / "models")]
    assert laboratory(["morphology", *options]) == 0
    trained = capsys.readouterr()
    assert "training morfessor on 50 words" in trained.err
    (line,) = trained.out.splitlines()
    load = pytest.importorskip("polyglot.load")
    export, setting = shlex.split(line)
    assert (export, setting) == ("export", f"POLYGLOT_DATA_PATH={folder}/models")
    # polyglot reads the variable when it is imported.
    monkeypatch.setattr(load, "polyglot_path", f"{folder}/models/polyglot_data")
    load.load_morfessor_model.cache.clear()

    index = ["index", "--senses", str(folder / "senses.tsv")]
    assert main([*index, str(folder / "dict.en.txt"), "--order", "4", "--morphology", "polyglot"]) == 0
    assert morphemes(UnitIndex.load(folder / "dict.en.see")) == [
        ["walk", "ing"],
        ["<Cap>", "walk", "ing"],
        ["<CAPS>", "walk", "s"],
        ["talk", "er", "s"],
        ["walk", "@@"],
    ]
    joined = ["--lang", "zh,en", "--morphology", "en=polyglot"]
    assert main([*index, str(folder / "dict.txt"), *joined]) == 0
    assert morphemes(UnitIndex.load(folder / "dict.see")) == [["walk", "ing"], ["中", "国"]]


def test_an_archive_of_the_same_words_has_the_same_bytes(tmp_path: Path) -> None:
    written = write_model(WORDS, tmp_path / "a", "en")
    assert written == tmp_path / "a/polyglot_data/morph2/en/morph2.en.tar.bz2"
    again = write_model({*reversed(WORDS)}, tmp_path / "b", "en")
    assert again.read_bytes() == written.read_bytes() != write_model(WORDS[5:], tmp_path / "b", "en").read_bytes()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == [written, again]


def test_nothing_is_written_of_what_cannot_be_trained_or_written(tmp_path: Path) -> None:
    written = write_model(WORDS, tmp_path / "data", "en")
    content = written.read_bytes()
    with pytest.raises(SeeError, match="no words"):
        write_model([], tmp_path / "data", "en")
    (tmp_path / "file").write_text("")
    with pytest.raises(SeeError, match=r"cannot write .*Not a directory; choose another folder"):
        write_model(WORDS, tmp_path / "file/folder", "en")
    written.with_name("older.tar.bz2").write_bytes(b"")
    with pytest.raises(SeeError, match=r"older\.tar\.bz2 is in the way"):
        write_model(WORDS, tmp_path / "data", "en")
    assert written.read_bytes() == content
