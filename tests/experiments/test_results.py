"""experiments/results.csv: whole, drawn by its script, and updated by ``report --results``."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml

from experiments.__main__ import main as laboratory
from experiments.figures import draw
from experiments.results import RESULTS, read_results
from experiments.run_record import read, write
from fairseq_see.errors import SeeError
from tests.experiments.report.conftest import make_run
from tests.helpers import ROOT


def test_every_row_says_what_made_it():
    rows = read_results(RESULTS).to_dict("records")
    scored = [row for row in rows if row["state"] == "scored"]
    assert len(rows) >= 163 and len(scored) >= 125  # Rows are added, never lost.
    for row in scored:
        checksums = json.loads(row["checksums"])
        assert row["method"] and row["seed"] and checksums["dict.en.txt"] and checksums["dict.zh.txt"]
        assert 0 <= float(row["short.bleu"]) <= 100 and row["short.bleu_signature"].startswith("BLEU|")
        dense, own = int(row["dense_parameters"]), int(row["embedding_parameters"])
        assert float(row["parameter_ratio"]) == pytest.approx(dense / own, abs=1e-4)
        assert float(row["byte_ratio"]) == pytest.approx(2 * dense / int(row["embedding_bytes"]), abs=1e-4)
    # Two were trained before commits were recorded.
    assert sum(len(row["commit"]) < 7 for row in rows) == 2
    # No place on the machine that trained.
    assert not re.search(r"""["'=]/""", RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", ["docs/trained.png", "docs/results/short-training.png"])
def test_figures_are_drawn_from_the_results(tmp_path, path):
    draw(tmp_path / Path(path).name)
    new, committed = (
        re.findall(rb"tEXtDescription\0([0-9a-f]{16})", each.read_bytes())
        for each in (tmp_path / Path(path).name, ROOT / path)
    )
    assert len(new) == 1 and new == committed, f"draw {path} anew"


def test_rows_are_added_and_replaced(tmp_path):
    table = tmp_path / "results.csv"
    first = make_run(tmp_path / "runs", "a", "matrix", 4, overrides={"optimization.lr": "[0.001]"})
    make_run(tmp_path / "runs", "b", seed=2)
    command = ["report", str(tmp_path / "runs"), "--results", str(table)]
    assert laboratory(command) == 0
    record = read(first)
    write(first, dataclasses.replace(record, updates=300, metrics=record.metrics | {"late": {"bleu": 7.5}}))
    make_run(tmp_path / "runs", "c", "matrix", 8)
    assert laboratory(command) == 0
    rows = read_results(table).to_dict("records")
    assert [(row["folder"], row["name"], row["ratio"], row["updates"]) for row in rows] == [
        ("runs", "a", "4", "300"),
        ("runs", "b", "", "100"),
        ("runs", "c", "8", "100"),
    ]
    assert rows[0]["late.bleu"] == "7.5" and rows[1]["late.bleu"] == ""
    assert json.loads(rows[0]["overrides"]) == record.overrides and json.loads(rows[0]["data"]) == {
        "training_pairs": 16
    }
    assert float(rows[0]["test.bleu"]) == record.metrics["test"]["bleu"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "has no columns"),
        ('"a\n', "EOF inside string"),
        ("", "as CSV: No columns"),
        (RESULTS.read_text(encoding="utf-8").splitlines()[0] + "\nshort,row\n", "fewer cells"),
    ],
)
def test_another_file_is_not_overwritten(tmp_path, capsys, text, message):
    table = tmp_path / "results.csv"
    table.write_text(text)
    with pytest.raises(SeeError, match=message):
        read_results(table)
    make_run(tmp_path, "a")
    assert laboratory(["report", str(tmp_path / "a"), "--results", str(table)]) == 2
    assert message in capsys.readouterr().err and table.read_text() == text


def test_the_frozen_hyper_parameters_are_those_of_the_rows():
    frozen = yaml.safe_load((ROOT / "configs/hyperparameters/short_small.yaml").read_text(encoding="utf-8"))
    rows = read_results(RESULTS).query("folder == 'short-small' and overrides != ''").to_dict("records")
    assert {row["method"] for row in rows} == frozen.keys()
    for row in rows:
        overrides = json.loads(row["overrides"])
        wanted = {key: str(value) for key, value in frozen[row["method"]].items()}
        assert wanted.items() <= overrides.items(), row["name"]
