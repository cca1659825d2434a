import sys
from pathlib import Path

import pytest
from OpenHowNet import Download

from fairseq_see.cli.main import main
from fairseq_see.units import Senses, UnitIndex
from tests.helpers import ROOT, contents, run_command
from tests.openhownet import concept, concepts_of, write_resources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dictionary, and HowNet's files, which hold a lexicon of our own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/dict.zh.txt").write_text("银行 9\n打 8\n自行车 7\n人@@ 6\n", encoding="utf-8")
    write_resources(tmp_path / "hownet", concepts_of(Senses.load(ROOT / "data/senses.tsv")))
    return tmp_path


def index(folder: Path, *options: str) -> int:
    return main(["index", str(folder / "bin/dict.zh.txt"), *options])


def test_the_same_index_as_from_a_senses_file(folder: Path) -> None:
    assert index(folder, "--openhownet", str(folder / "hownet"), "--output", str(folder / "a/index.see")) == 0
    assert index(folder, "--senses", str(ROOT / "data/senses.tsv"), "--output", str(folder / "b.see")) == 0
    (file,) = (folder / "a").glob("openhownet-*.tsv")
    assert index(folder, "--senses", str(file), "--output", str(folder / "c.see")) == 0
    assert (folder / "a/index.see").read_bytes() == (folder / "c.see").read_bytes()
    # The other file has another name, which the file records.
    fingerprints = {UnitIndex.load(folder / name).fingerprint for name in ("a/index.see", "b.see")}
    assert len(fingerprints) == 1


def test_later_runs_do_not_need_the_package(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--openhownet", str(folder / "hownet"))
    assert index(folder, *options) == 0
    first = capsys.readouterr()
    (file,) = (folder / "bin").glob("openhownet-*.tsv")
    assert f"senses: OpenHowNet reads {folder / 'hownet'}; kept in {file}" in first.err
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "OpenHowNet", None)
        assert index(folder, *options) == 0
        later = capsys.readouterr()
        assert f"senses: {file}, which OpenHowNet read from" in later.err and later.out == first.out
    # Other files of HowNet have another senses file.
    write_resources(folder / "hownet", [concept("{beat|打}", zh="打")])
    assert index(folder, *options) == 0
    assert len(list((folder / "bin").glob("openhownet-*.tsv"))) == 2


def test_default_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder / "home"))
    write_resources(folder / "home/.openhownet", [concept("{beat|打}", zh="打")])
    done = run_command("fairseq-see", "index", folder / "bin/dict.zh.txt", "--openhownet")
    assert f"OpenHowNet reads {folder / 'home/.openhownet'}" in done.stderr
    assert "Initializing" not in done.stdout


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--openhownet", "{folder}/bin"], "no HowNet in {folder}/bin/resources: sememe_all, "),
        (["--openhownet", "{folder}/damaged"], "are damaged"),
        (["--openhownet", "{folder}/hownet", "--output", "{folder}/hownet/resources/sememe_all"], "one of the inputs"),
        (["--openhownet", "{folder}/absent", "--download"], "cannot download HowNet from http://127.0.0.1:1/"),
        (["--senses", "senses.tsv", "--download"], "--download belongs to --openhownet"),
    ],
)
def test_errors_leave_nothing_behind(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str], problem: str
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(Download, "OPENHOWNET_DATA_URL", "http://127.0.0.1:1/resources.zip")
    write_resources(folder / "damaged", [], sememe_all="not a dictionary")
    before = contents(folder)
    assert index(folder, *(option.format(folder=folder) for option in options)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [problem.format(folder=folder) in line for line in captured.err.splitlines() if "error: " in line] == [True]
    assert contents(folder) == before
