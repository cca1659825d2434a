import os
from pathlib import Path

import pytest

from fairseq_see.errors import SeeError
from fairseq_see.units import Senses
from fairseq_see.units.senses import SelectedSense, select


def test_senses_keep_the_order_of_the_file(senses: Senses) -> None:
    assert senses.find("打", "zh") == [("beat|打",), ("attack|攻打", "military|军"), ("buy|买",)]
    assert senses.find("打", "en") == []
    assert senses.find("nothing", "en") == []


@pytest.mark.parametrize(
    ("word", "language", "form", "how", "count"),
    [
        ("power", "en", "power", "exact", 5),
        ("POWER", "en", "power", "case", 5),
        ("china", "en", "china", "none", 0),  # only the word is lower-cased, never the entry
        ("it", "en", "it", "none", 0),
        ("IT", "en", "IT", "exact", 1),
        ("abilities", "en", "ability", "lemma", 1),
        ("Abilities", "en", "ability", "lemma", 1),
        ("al", "en", "al", "none", 0),  # whose lemma is the entry "Al"
        ("Chinas", "en", "China", "lemma", 1),
        ("powers", "zh", "powers", "none", 0),  # lemmas are for English
        ("中国", "zh", "中国", "exact", 1),
        ("x" * 5000, "en", "x" * 5000, "none", 0),
    ],
)
def test_lookup(senses: Senses, word: str, language: str, form: str, how: str, count: int) -> None:
    match = senses.look_up(word, language)
    assert (match.form, match.how, len(match.senses)) == (form, how, count)


def test_any_language(tmp_path: Path) -> None:
    path = tmp_path / "senses.tsv"
    path.write_text("de\tHaus\t1\thouse\nqu\twasi\t1\thouse\n", encoding="utf-8")
    senses = Senses.load(path)
    assert senses.languages == ["de", "qu"]
    assert senses.look_up("Häuser", "de").how == "lemma"
    assert senses.look_up("Wasi", "qu").how == "case"
    assert senses.look_up("maison", "fr").senses == senses.list_words("fr") == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("en\tpower\tAbility|能力", "line 2: 3 columns"),
        ("", "line 2: 1 columns"),
        ("French\tpouvoir\t1\tAbility|能力", "line 2: 'French' is not a language code"),
        ("en\tpower\t1\t  ", "line 2: a sense without sememes"),
        ("en\t\t1\ta|b", "line 2: an empty word"),
        ("en\tpower\t1\t<pad:1>", "line 2: '<pad:'"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_text(f"en\tgossip\t1\ttalk|谈话\n{line}\n", encoding="utf-8")
    with pytest.raises(SeeError, match=r"bad\.tsv, ") as error:
        Senses.load(path)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_files(lexicon: Path, tmp_path: Path) -> None:
    Senses.load(lexicon).save(tmp_path / "saved.tsv")
    assert (tmp_path / "saved.tsv").read_bytes() == lexicon.read_bytes()
    path = tmp_path / os.fsdecode(b"s\xe9.tsv")
    path.write_text("en\tgossip\t1\ttalk|谈话\n", encoding="utf-8")
    assert Senses.load(path).source.startswith("s\ufffd.tsv (sha256 ")
    path.write_bytes(b"")
    with pytest.raises(SeeError, match="is empty"):
        Senses.load(path)


def test_select_by_hand() -> None:
    senses = [("a", "b", "c"), ("a", "b"), ("d",), ("e",), ("a", "b", "x"), ("e", "f"), ("e",)]
    assert select(senses, order=2, rank=3) == [
        SelectedSense(("a", "b"), ("c",), None, False),
        SelectedSense(("a", "b"), (), 1, False),
        SelectedSense(("d",), (), None, False),
        SelectedSense(("e",), (), None, True),
        SelectedSense(("a", "b"), ("x",), 1, False),
        SelectedSense(("e", "f"), (), None, True),
        SelectedSense(("e",), (), 4, False),
    ]
    assert [sense.kept for sense in select(senses, order=2, rank=3)] == [True, False, True, *[False] * 4]
    assert not any(sense.kept for sense in select(senses, order=2, rank=1))
