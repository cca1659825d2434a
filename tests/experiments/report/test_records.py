"""A small JSON of each run."""

import json
import shutil

import pytest

from experiments.__main__ import main as laboratory
from experiments.report import provenance
from experiments.report.records import portable
from tests.experiments.report.conftest import REFERENCES, make_run, write


def records(data, *more):
    status = laboratory(["report", str(data.parent / "runs"), *more, "--records", str(data.parent / "records")])
    folder = data.parent / "records"
    return status, {path.stem: path for path in folder.iterdir()} if folder.is_dir() else {}


def test_a_record_tells_what_a_run_was_and_what_came_of_it(data, capsys):
    run = make_run(data, "matrix-4x-seed7", "matrix", 4, seed=7)
    with (run / "train.settings").open("a") as file:
        file.write("configuration c0de\noverride optimization.lr=[0.002]\noverride +optimization.lr=[0.001]\n")
        file.write(f"override criterion.teacher='{data.parent}/runs/dense/checkpoints/checkpoint_best.pt'\n")
    write(run / "dict.zh.txt", ["a 1"])
    write(run / "train.indexes", ["1dec5"])
    write(run / "test.ref", REFERENCES)
    scores = json.loads((run / "test.scores.json").read_text()) | {"chrf_signature": "chrF2|x", "test": "other"}
    (run / "other.scores.json").write_text(json.dumps(scores))
    provenance.add(run / "provenance.json")
    make_run(data, "unscored", hypotheses=None)

    status, found = records(data)
    printed = capsys.readouterr()
    assert status == 0 and list(found) == ["matrix-4x-seed7"] and printed.out.strip() == str(found["matrix-4x-seed7"])
    assert printed.err == "warning: no record of unscored: trained, not scored (scripts/score.sh)\n"
    text = found["matrix-4x-seed7"].read_text()
    assert len(text.encode()) < 4096 and str(data.parent) not in text
    record = json.loads(text)
    dense = 2 * 60 * 27
    assert dense / 4 >= record["parameters"] >= dense / 4 / 1.03
    assert record["ratio"] == pytest.approx(dense / record["parameters"], abs=1e-4) and record["asked_ratio"] == 4
    # 50 numbers are outside the tables; all have two bytes.
    assert record["model_parameters"] == record["parameters"] + 50
    assert record["bytes"] == 2 * record["parameters"] and record["model_bytes"] == 2 * record["model_parameters"]
    expected = {"seed": 7, "updates": 100, "trained_updates": 100, "dev_perplexity": 45, "configuration": "c0de"}
    assert {name: record[name] for name in expected} == expected
    assert record["overrides"] == {
        "model.see_method": "matrix",
        "model.see_ratio": "4",
        "optimization.lr": "[0.001]",
        "criterion.teacher": "'dense/checkpoints/checkpoint_best.pt'",
    }
    assert record["data"] == {
        "name": "data",
        "checksum": "abc",
        "training_pairs": 16,
        "tables": [[60, 27], [60, 27]],
        "dictionaries": {"dict.zh.txt": record["data"]["dictionaries"]["dict.zh.txt"]},
        "indexes": "1dec5",
    }
    assert record["scores"]["test"]["bleu"] == pytest.approx(100) and len(record["scores"]["test"]["references"]) == 8
    assert record["scores"]["other"]["chrf_signature"] == "chrF2|x"
    assert record["trained"] == [provenance.facts()]


def test_what_was_fitted_has_a_record_too(data):
    run = make_run(data, "int8-seed1", "int8", fitted="dense-seed1")
    write(
        run / "fit.settings",
        ["checkpoint abc", "option --see-method", "option int8", "option --data", f"option {data}"],
    )
    status, found = records(data)
    record = json.loads(found["int8-seed1"].read_text())
    assert status == 0 and record["made"] == "fitted to dense-seed1 in closed form"
    assert record["fit"] == ["--see-method", "int8", "--data", "data"]
    assert record["overrides"] == {} and record["dev_perplexity"] is None and record["seconds"] is None
    # As scripts/distil.sh leaves it.
    write(run / "valid.log", ["x | INFO | valid | valid on 'valid' subset | loss 5 | ppl 23.5 | wps 9"])
    assert json.loads(records(data)[1]["int8-seed1"].read_text())["dev_perplexity"] == 23.5


def test_a_run_that_is_named_by_a_dot_has_a_name(data, monkeypatch):
    monkeypatch.chdir(make_run(data, "dense-seed1"))
    assert laboratory(["report", ".", "--records", str(data.parent / "here")]) == 0
    assert [path.name for path in (data.parent / "here").iterdir()] == ["dense-seed1.json"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("[0.002]", "[0.002]"),
        ("a/b", "a/b"),
        ("/x/y/data-bin", "data-bin"),
        ("'/x y/zh.see:/x y/en.see'", "'zh.see:en.see'"),
        ("['/x/run/checkpoints/checkpoint_best.pt']", "['run/checkpoints/checkpoint_best.pt']"),
    ],
)
def test_paths_of_this_machine_are_cut(value, expected):
    assert portable(value) == expected


def test_bad_input(data, capsys):
    shutil.copytree(make_run(data, "run"), data.parent / "more/run")
    for words, message in (
        (["--over-seeds"], "leave --over-seeds out"),
        ([str(data.parent / "more")], "two runs are named run"),
        ([str(data.parent / "absent")], "cannot read"),
    ):
        status, found = records(data, *words)
        printed = capsys.readouterr()
        assert status == 2 and message in printed.err and printed.err.count("\n") == 1 and not found
