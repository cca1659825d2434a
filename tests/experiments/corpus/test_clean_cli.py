import json
import subprocess
import sys

import pytest

from experiments.__main__ import main as laboratory


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.zh").write_text("你好\n你好\n\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("Hello\nHello\nNothing\n", encoding="utf-8")
    return [str(tmp_path / "a.zh"), str(tmp_path / "a.en"), "--output", str(tmp_path / "sub/out")]


def test_clean_writes_both_sides_a_table_and_a_report(files, tmp_path, capsys):
    assert laboratory(["clean", *files, "--report", str(tmp_path / "report.json")]) == 0
    assert (tmp_path / "sub/out.zh").read_text(encoding="utf-8") == "你好\n"
    assert (tmp_path / "sub/out.en").read_text(encoding="utf-8") == "Hello\n"
    printed = capsys.readouterr().out
    assert "dropped: empty" in printed
    assert "dropped: duplicate" in printed
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["read"], report["kept"], report["faults"]["duplicate"]) == (3, 1, 1)


def test_a_report_over_a_text_is_refused(files, tmp_path, capsys):
    for text, what in (("a.zh", "one of the inputs"), ("sub/out.en", "what the en text writes")):
        assert laboratory(["clean", *files, "--report", str(tmp_path / text)]) == 2
        assert f"--report {tmp_path / text} is {what}; write it to another file" in capsys.readouterr().err
    assert (tmp_path / "a.zh").read_text(encoding="utf-8").startswith("你好") and not (tmp_path / "sub").exists()


@pytest.mark.parametrize("option", [["--max-words", "0"], ["--max-ratio", "inf"], ["--max-pairs", "0"]])
def test_senseless_limits_are_refused(files, option, capsys):
    assert laboratory(["clean", *files, *option]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_files_given_the_wrong_way_round_are_pointed_out(files, capsys):
    files[0], files[1] = files[1], files[0]
    assert laboratory(["clean", *files]) == 0
    assert "no Chinese character" in capsys.readouterr().err


def test_cleaning_needs_neither_torch_nor_fairseq():
    code = "import sys, experiments.corpus.clean_cli; print({'torch', 'fairseq'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
