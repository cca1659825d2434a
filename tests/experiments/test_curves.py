"""python -m experiments curves: logs to a picture."""

import os

import pytest

from experiments import curves
from experiments.__main__ import main as laboratory

LINE = (
    "[2026-01-02 03:04:05,678][valid][INFO] - epoch {0:03} | "
    "valid on 'valid' subset | loss 2 | ppl {1} | num_updates {2}\n"
)


def write_log(folder, *points):
    folder.mkdir()
    text = "".join(LINE.format(i, ppl, updates) for i, (updates, ppl) in enumerate(points, 1))
    (folder / "train.log").write_text("something else\n" + text)
    return str(folder)


def test_points_are_those_of_the_log_and_the_later_counts(tmp_path):
    write_log(tmp_path / "a", (100, 75.5), (200, 13.25), (100, 70.5))
    assert curves._perplexities(tmp_path / "a") == [(100, 70.5), (200, 13.25)]


@pytest.mark.parametrize(("form", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_is_written(tmp_path, form, magic):
    paths = [write_log(tmp_path / name, (100, 75.5), (200, 13.25)) for name in ("dense", "see20")]
    output = tmp_path / f"curves.{form}"
    assert laboratory(["curves", *paths, "--output", str(output)]) == 0
    assert output.read_bytes().startswith(magic)
    if form == "svg":
        assert all(f"<!-- {name} -->" in output.read_text() for name in ("dense", "see20", "updates"))


def test_names_of_folders_are_shown_as_they_are(tmp_path):
    paths = [write_log(tmp_path / name, (100, 75.5)) for name in ("_hidden", "a$^$", os.fsdecode(b"not\xffutf8"))]
    output = tmp_path / "curves.svg"
    assert laboratory(["curves", *paths, "--output", str(output)]) == 0
    assert all(f"<!-- {name} -->" in output.read_text("utf-8") for name in ("_hidden", "a$^$", "not\ufffdutf8"))


@pytest.mark.parametrize(
    ("name", "message"), [("x.gif", "must end in .png, .svg, .pdf"), ("x.png", "no validation in")]
)
def test_bad_input(tmp_path, capsys, name, message):
    (tmp_path / "run").mkdir()
    assert laboratory(["curves", str(tmp_path / "run"), "-o", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / name).exists()
