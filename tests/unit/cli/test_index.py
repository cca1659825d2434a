import json
from pathlib import Path

import pytest

from fairseq_see.cli.main import main
from fairseq_see.units import UnitIndex, Vocabulary
from fairseq_see.units.controls import CONTROLS

SENSES = """\
en\tpower\t1\tAbility|能力 human|人
en\twalk\t1\twalk|走
zh\t打\t1\tbeat|打
"""
WORDS = ["power", "walk", "walks", "walking", "talk", "talks", "talking", "jump@@", "the"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "senses.tsv").write_text(SENSES, encoding="utf-8")
    lines = "".join(f"{word} {len(WORDS) - i}\n" for i, word in enumerate(WORDS))
    (tmp_path / "dict.en.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "dict.zh.txt").write_text("打 3\n中国 2\n", encoding="utf-8")
    (tmp_path / "dict.txt").write_text("打 3\nwalk 2\n", encoding="utf-8")
    return tmp_path


def index(folder: Path, dictionary: str, *options: str) -> int:
    return main(["index", str(folder / dictionary), "--senses", str(folder / "senses.tsv"), *options])


def test_english(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert index(folder, "dict.en.txt", "--json", str(folder / "coverage.json")) == 0
    built = UnitIndex.load(folder / "dict.en.see")
    built.check_dictionary(Vocabulary.load(folder / "dict.en.txt"))
    assert (built.order, built.rank, built.num_words) == (3, 5, 13)
    assert "walk" in built.morphemes and "@@" in built.morphemes
    coverage = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
    # power and walk as they are, walks and walking by their lemma.
    assert coverage["with_senses"] == {"types": 4, "tokens": 9 + 8 + 7 + 6}
    assert coverage["found"]["lemma"]["types"] == 2
    printed = capsys.readouterr()
    assert "with senses" in printed.out
    assert f"wrote {folder / 'dict.en.see'}" in printed.out
    assert "training morfessor on 8 en words" in printed.err
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".see", ".tsv", ".txt", ".txt", ".txt"]


def test_chinese_is_segmented_into_characters(folder: Path) -> None:
    assert index(folder, "dict.zh.txt", "--order", "2", "--rank", "2", "--output", str(folder / "new/index")) == 0
    built = UnitIndex.load(folder / "new/index")
    assert built.morphemes[6:] == ("打", "中", "国")
    assert built.sememes == ("<pad:1>", "<pad:2>", "beat|打")


def test_joined(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert index(folder, "dict.txt") == 2
    assert "give --lang" in capsys.readouterr().err
    assert index(folder, "dict.txt", "--lang", "zh,en") == 0
    assert len(UnitIndex.load(folder / "dict.see").sense_groups) == 2
    # A dictionary of one language may be called joined.
    assert index(folder, "dict.zh.txt", "--lang", "zh,en") == 0


def test_options_reach_the_builder(folder: Path) -> None:
    options = ("--morphology", "characters", "--max-morphemes", "16", "--piece-senses", "--order", "4")
    assert index(folder, "dict.en.txt", *options) == 0
    built = UnitIndex.load(folder / "dict.en.see")
    assert len(built.morphemes) == 16
    assert (built.provenance["piece senses"], built.provenance["max morphemes"]) == ("yes", 16)
    assert any(name.startswith("<rest:") for name in built.morphemes)


def test_controls(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = {}
    for control in CONTROLS:
        options = ("--control", control, "--seed", "5", "--morphology", "characters", "--json", f"{folder}/made.json")
        assert index(folder, "dict.en.txt", *options) == 0
        made[control] = UnitIndex.load(folder / "dict.en.see")
        provenance = json.loads((folder / "made.json").read_text(encoding="utf-8"))["provenance"]
        assert provenance == made[control].provenance and provenance["control"] == control
        assert capsys.readouterr().out.startswith(f"senses {provenance['senses']}; morphemes en: characters; control")
    assert "p" not in made["no-morphemes"].morphemes
    assert "p" in made["random-senses"].morphemes and len(made["no-senses"].sense_groups) == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--order", "17"], "order 17 is out of range; choose 2 to 16"),
        (["--control", "no-senses", "--seed", "-1"], "seed -1"),
        (["--max-morphemes", "3"], "3 morphemes are too few"),
        (["--corpus", "no-such-file"], "cannot read no-such-file"),
        (["--senses", "no-such-file"], "cannot read no-such-file"),
        (["--output", "{folder}/dict.en.txt"], "is one of the inputs"),
        (["--output", "{folder}/dict.zh.txt/index"], "cannot write"),
        (["--json", "{folder}/dict.en.see"], "is what --output writes"),
        (["--json", "{folder}/senses.tsv"], "is one of the inputs"),
        (["--output", "{folder}"], "is a folder; write a file"),
    ],
)
def test_errors_leave_nothing_behind(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert index(folder, "dict.en.txt", *(option.format(folder=folder) for option in options)) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert problem in errors[0]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["greek", "el=greek", "en=polyglot,"])
def test_unknown_morphology(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert index(folder, "dict.en.txt", "--morphology", name) == 2
    assert "choose characters, morfessor, polyglot, or LANG=NAME" in capsys.readouterr().err


def test_german_of_morphemes_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stems, endings = ("spiel", "mach", "lern", "kauf", "koch", "lach", "such", "frag"), ("", "en", "te", "end")
    words = [stem + ending for stem in stems for ending in endings]
    (folder / "train.de").write_text(" ".join(words) + "\n", encoding="utf-8")
    (folder / "dict.de.txt").write_text("".join(f"{word} 2\n" for word in words[1:8]), encoding="utf-8")
    assert main(["index", str(folder / "dict.de.txt"), "--corpus", str(folder / "train.de")]) == 0
    built = UnitIndex.load(folder / "dict.de.see")
    assert built.provenance == {"senses": "none", "morphemes": "de: morfessor"}
    assert built.num_words == 11 and len(built.sememes) == 3 and "spiel" in built.morphemes
    # A senses file of other languages has none of German, either.
    assert index(folder, "dict.de.txt", "--corpus", str(folder / "train.de")) == 0
    assert "senses.tsv has no de words" in capsys.readouterr().err
    assert (UnitIndex.load(folder / "dict.de.see").word_morphemes == built.word_morphemes).all()
