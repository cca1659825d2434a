"""Why a cell is empty."""

import json
from dataclasses import replace

import pytest

from experiments.report.missing import Planner, unscored, unstarted
from experiments.report.runs import read_results
from tests.experiments.report.conftest import LOG, make_run, write

SETTINGS = ["configuration x", "override model.see_method=matrix", "override +model.see_ratio=20"]


@pytest.mark.parametrize(
    ("log", "kind", "reason"),
    [
        ("", "unfinished", "before its first update"),
        (LOG.format(1, 9, 550), "unfinished", "550 of 1,000 updates"),
        ("x\nerror: 'matrix' cannot compress 20x here; nearest ratio: 12x\n", "infeasible", "nearest ratio: 12x"),
        ("x\nerror: no unit index at dict.zh.see\n", "failed", "no unit index"),
        (
            "FloatingPointError: gradients are Nan/Inf\n\nDuring handling of the above exception, another exception "
            "occurred:\n" + "  File\n" * 60 + "StopIteration\n",
            "diverged",
            "gradients are Nan/Inf",
        ),
        ("Traceback\n  File\ntorch.OutOfMemoryError: CUDA out of memory\n", "failed", "CUDA out of memory"),
    ],
)
def test_a_run_that_did_not_end(tmp_path, log, kind, reason):
    write(tmp_path / "run/train.settings", [*SETTINGS, "override optimization.max_update=1000"])
    (tmp_path / "run/train.log").write_text(log)
    missing = unscored(tmp_path / "run")
    assert (missing.name, missing.method, missing.ratio, missing.kind) == ("run", "matrix", 20, kind)
    assert reason in missing.reason


def test_a_run_that_nobody_scored(tmp_path):
    write(tmp_path / "run/train.settings", ["override model.see_ratio=null"])
    write(tmp_path / "run/done", [])
    missing = unscored(tmp_path / "run")
    assert (missing.method, missing.ratio, missing.kind) == ("see", None, "not scored")


@pytest.mark.parametrize("index", ["no-senses", "runs/real/no-senses", "no-senses-seed3"])
def test_a_control_is_known_by_the_name_of_its_index(tmp_path, index):
    write(tmp_path / "run/train.settings", [f"override +model.see_index={index}"])
    assert unscored(tmp_path / "run").method == "see, no-senses"


def test_a_list_says_what_was_never_started(tmp_path):
    runs = [{"name": f"see-{r}", "config": "c", "overrides": [f"model.see_ratio={r}"]} for r in (10, 20)]
    (tmp_path / "methods.runs.json").write_text(json.dumps(runs))
    (missing,) = unstarted(tmp_path, ["see-10"])
    assert (missing.name, missing.ratio, missing.kind) == ("see-20", 20, "not run")
    assert "methods.runs.json" in missing.reason


def test_the_planner_knows_what_is_out_of_reach(data):
    planner = Planner(read_results(make_run(data, "dense")))
    # A word of three vectors of three numbers: 27 of them are three times smaller at most.
    out_of_reach = planner.reason("word2ket", 40)
    assert out_of_reach.kind == "infeasible, nearest 3x" and "nearest ratio" in out_of_reach.reason
    assert planner.reason("matrix", 4).kind == "not run"
    # Nobody ran a method with an index, so nobody knows how many units there are.
    assert planner.reason("see", 400).kind == "not run"


def test_the_planner_plans_on_the_tables_that_most_runs_have(data):
    results = [result for seed in (1, 2) for result in read_results(make_run(data, f"dense-{seed}", seed=seed))]
    small = replace(results[0], tables=((60, 2), (60, 2)))
    assert Planner([small, *results]).reason("word2ketxs", 12) == Planner(results).reason("word2ketxs", 12)
    assert Planner([small]).reason("word2ketxs", 12).kind.startswith("infeasible")


def test_the_planner_takes_no_index_of_a_control(data):
    (dense,) = read_results(make_run(data, "dense"))
    planner = Planner([dense, replace(dense, method="see, no-senses")])
    assert planner.reason("see", 400).kind == "not run"


def test_a_model_that_was_trained_without_our_scripts(data):
    run = make_run(data, "plain", "matrix", 4, hypotheses=None)
    (run / "train.settings").unlink()
    missing = unscored(run, read_results(run))
    assert (missing.method, missing.ratio, missing.kind) == ("matrix", 4, "not scored")
