"""python -m experiments curves: run records and logs to a picture."""

import os

import pytest

from experiments.__main__ import main as laboratory
from experiments.run_record import RunRecord, write

CURVE = [[100, 75.5], [200, 13.25]]


def make_run(folder, curve):
    folder.mkdir()
    write(folder, RunRecord(name="any", curve=curve))
    return str(folder)


@pytest.mark.parametrize(("form", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_is_written(tmp_path, form, magic):
    log = tmp_path / "running.log"
    log.write_text('{"epoch": 1, "valid_ppl": "9.5", "valid_num_updates": "100"}\n')
    output = tmp_path / f"curves.{form}"
    assert laboratory(["curves", make_run(tmp_path / "see20", CURVE), str(log), "--output", str(output)]) == 0
    assert output.read_bytes().startswith(magic)
    if form == "svg":
        assert all(f"<!-- {name} -->" in output.read_text() for name in ("see20", "running.log", "updates"))


def test_names_of_folders_are_shown_as_they_are(tmp_path):
    paths = [make_run(tmp_path / name, CURVE) for name in ("_hidden", "a$^$", os.fsdecode(b"not\xffutf8"))]
    output = tmp_path / "curves.svg"
    assert laboratory(["curves", *paths, "--output", str(output)]) == 0
    assert all(f"<!-- {name} -->" in output.read_text("utf-8") for name in ("_hidden", "a$^$", "not\ufffdutf8"))


def test_a_log_of_something_else_ends_in_one_line(tmp_path, capsys):
    (tmp_path / "log").write_text('{"valid_ppl": [9], "valid_num_updates": "100"}\n')
    assert laboratory(["curves", str(tmp_path / "log"), "-o", str(tmp_path / "x.png")]) == 2
    assert "log is no log of fairseq" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "curve", "message"),
    [
        ("x.gif", CURVE, "must end in .png, .svg, .pdf"),
        ("x.png", [], "no validation in"),
        ("x.png", "[[", "run.json is no run record"),
        ("x.png", '{"name": "a", "curve": {}}', "curve is {}"),
        ("x.png", '{"name": "a", "curve": [[1, NaN]]}', "NaN is no number"),
    ],
)
def test_bad_input_ends_in_one_line(tmp_path, capsys, name, curve, message):
    run = make_run(tmp_path / "run", [] if isinstance(curve, str) else curve)
    if isinstance(curve, str):
        (tmp_path / "run/run.json").write_text(curve)
    assert laboratory(["curves", run, "-o", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / name).exists()
