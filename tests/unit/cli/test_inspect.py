from pathlib import Path

import pytest

from fairseq_see.cli.main import main

SENSES = """\
en\tpower\t1\tPower|势力 politics|政 group|群体 human|人
en\tpower\t2\tAbility|能力 human|人
en\tpower\t3\tStrength|力量
en\tgossip\t1\ttalk|谈话 unimportant|不重要
en\tgossip\t2\ttalk|谈话 unimportant|不重要
zh\t打\t1\tbeat|打
"""


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A lexicon, a dictionary and its index."""
    (tmp_path / "senses.tsv").write_text(SENSES, encoding="utf-8")
    build(tmp_path, "power 3\npower@@ 2\ngossip 1\n", capsys)
    return tmp_path


def build(folder: Path, dictionary: str, capsys: pytest.CaptureFixture[str], *options: str) -> None:
    (folder / "dict.en.txt").write_text(dictionary, encoding="utf-8")
    command = ["index", f"{folder}/dict.en.txt", "--senses", f"{folder}/senses.tsv", "--rank", "3", *options]
    assert main([*command, "--morphology", "characters"]) == 0
    capsys.readouterr()


def inspect(folder: Path, *arguments: str) -> int:
    return main(["inspect", "--senses", str(folder / "senses.tsv"), *arguments])


def with_index(folder: Path) -> list[str]:
    return ["--index", str(folder / "dict.en.see"), "--dict", str(folder / "dict.en.txt")]


def rows(text: str) -> list[list[str]]:
    """Lines as lists of cells, which two spaces or more keep apart."""
    return [[cell for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_senses_and_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(folder, "--rank", "3", "power", "gossips", "打") == 0
    text = capsys.readouterr().out
    cells = [[cell.strip() for cell in row] for row in rows(text)]
    assert ["power (en): 3 senses"] in cells
    assert ["1", "Power|势力 politics|政 group|群体", "human|人", "yes"] in cells
    assert ["2", "Ability|能力 human|人", "yes"] in cells
    assert ["3", "Strength|力量", "no: rank 3 has room for 2"] in cells
    assert ["gossips (en): found by its lemma gossip, 2 senses"] in cells
    assert ["2", "talk|谈话 unimportant|不重要", "no: repeats sense 1"] in cells
    assert ["打 (zh): 1 sense"] in cells
    assert "give --index and --dict" in text
    assert "\x1b" not in text  # no colours in a pipe


def test_what_an_index_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(folder, *with_index(folder), "power") == 0
    text = capsys.readouterr().out
    assert "symbol 4  power\n  morphemes  p + o + wer\n  senses     the 2 kept above" in text
    assert "symbol 5  power@@\n  morphemes  p + o + wer@@\n  senses     none: a marked subword" in text
    assert inspect(folder, *with_index(folder), "gossip", "power@@", "<unk>", "nothing") == 0
    text = capsys.readouterr().out
    assert "senses     the 1 kept above" in text
    assert "symbol 5  power@@" in text
    assert "symbol 3  <unk>\n  morphemes  <unk> + <pad:2> + <pad:3>\n  senses     none" in text
    assert "not in the dictionary" in text


def test_the_embeddings_of_a_sentencepiece_dictionary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(folder, "▁power 3\npower 2\n▁ 1\n", capsys)
    assert inspect(folder, *with_index(folder), "power", "▁") == 0
    text = capsys.readouterr().out
    assert "symbol 4  ▁power\n  morphemes  p + o + wer\n  senses     the 2 kept above" in text
    assert "symbol 5  power\n  morphemes  p + o + wer##\n  senses     none: a marked subword" in text
    assert "symbol 6  ▁\n  morphemes  ▁ + <pad:2> + <pad:3>\n  senses     none" in text


def test_another_lexicon_than_the_index_was_built_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "senses.tsv").write_text("en\tpower\t1\tother|其他\n", encoding="utf-8")
    assert inspect(folder, *with_index(folder), "power") == 0
    assert "another senses file or --lang: Power|势力 politics|政 group|群体; Ability|能力" in capsys.readouterr().out


def test_controls_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(folder, "power 3\npower@@ 2\ngossip 1\n", capsys, "--control", "random-senses", "--seed", "3")
    assert inspect(folder, *with_index(folder), "gossip") == 0
    text = capsys.readouterr().out
    assert "morphemes en: characters; control random-senses; seed 3" in text
    # There are two words with senses.
    assert "senses     by the control random-senses: Power|势力 politics|政 group|群体; Ability|能力 human|人" in text
    build(folder, "power 2\npowers 1\n", capsys, "--control", "no-lemmas")
    assert inspect(folder, *with_index(folder), "powers", "power") == 0
    text = capsys.readouterr().out
    assert "senses     by the control no-lemmas: none" in text and "senses     the 2 kept above" in text


def test_words_in_neither(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(folder, "qwzx", "[bold]", "<unk>", "犇") == 0
    text = capsys.readouterr().out
    for word in ("qwzx (en)", "[bold] (en)", "<unk> (en)", "犇 (zh)"):
        assert f"{word}: no senses" in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--order", "0", "power"], "order 0 is out of range"),
        (["--index", "{folder}/dict.en.see", "power"], "--index and --dict belong together"),
        (["--index", "{folder}/senses.tsv", "--dict", "{folder}/dict.en.txt", "power"], "not a unit index"),
        (["--index", "{folder}/dict.en.see", "--dict", "{folder}/other.txt", "power"], "another dictionary"),
        (["--index", "{folder}/dict.en.see", "--dict", "{folder}/dict.en.txt", "--order", "4", "power"], "has order 3"),
        (["--senses", "{folder}/missing.tsv", "power"], "cannot read"),
    ],
)
def test_errors(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str) -> None:
    (folder / "other.txt").write_text("gossip 1\n", encoding="utf-8")
    assert inspect(folder, *(argument.format(folder=folder) for argument in arguments)) == 2
    captured = capsys.readouterr()
    assert problem in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
