import json
from pathlib import Path

import pytest

from experiments.corpus import summary
from experiments.corpus.clean import Limits, Report, clean


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The reports of a set of seven pairs, filtered to two of its fit ones, and unfiltered."""
    (tmp_path / "a.zh").write_text("一\n一\n\n二\n三\n四五六七\n八\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("one\none\nnothing\ntwo\nthree\nfour\n" + "x" * 1001 + "\n", encoding="utf-8")
    for name, options in (("train", {"max_pairs": 2, "limits": Limits(max_ratio=3)}), ("test", {"filtered": False})):
        report = clean(tmp_path / "a.zh", tmp_path / "a.en", tmp_path / name, **options)
        (tmp_path / f"{name}.json").write_text(json.dumps(report.as_dict()))
    return tmp_path


def printed(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setattr("sys.argv", ["summary", *words, str(folder), "train", "test"])
    summary.main()
    return capsys.readouterr().out


def test_the_table_accounts_for_every_pair(folder, capsys, monkeypatch):
    lines = printed(folder, capsys, monkeypatch).splitlines()
    assert len({len(line) for line in lines[:3]}) == 1
    #                                       read kept empty long word ratio duplicate beyond
    assert lines[1].split() == ["train", "7", "2", "1", "0", "1", "1", "1", "1"]
    assert lines[2].split() == ["test", "*", "7", "7", "1", "0", "1", "0", "1", "0"]
    assert lines[3].startswith("* nothing is dropped")


def test_json_has_the_reports_by_name(folder, capsys, monkeypatch):
    reports = json.loads(printed(folder, capsys, monkeypatch, "--json"))
    assert list(reports) == ["train", "test"]
    assert reports["train"] == json.loads((folder / "train.json").read_text())


def test_without_test_sets_there_is_no_note(folder):
    report = Report.from_dict(json.loads((folder / "train.json").read_text()))
    assert len(summary.render({"train": report}).splitlines()) == 2
