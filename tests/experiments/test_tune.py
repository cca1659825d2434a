"""Trials: read from their records, chosen among."""

import json
from dataclasses import asdict

import yaml

from experiments.paper_tables import read_hyperparameters
from experiments.run_record import RunRecord
from experiments.tune import choose_best, main, read_trial, remarks


def make(folder, method, rate, *perplexities, **fields):
    """RUN/train.json of a trial with these perplexities on the dev set."""
    overrides = {"optimization.lr": f"[{rate}]", "lr_scheduler.warmup_updates": "10"}
    curve = [[10 * (number + 1), value] for number, value in enumerate(perplexities)]
    record = RunRecord("x", config={"method": method}, overrides=overrides, curve=curve, updates=80, **fields)
    path = folder / f"{method}-{rate}" / "train.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(asdict(record)))
    return path


def test_the_best_of_each_method_becomes_its_hyperparameters(tmp_path, monkeypatch, capsys):
    paths = [
        make(tmp_path, "dense", 0.001, 9.0, 7.5),
        make(tmp_path, "dense", 0.002, 8.0, 7.0),
        make(tmp_path, "dense", 0.004, 7.9),
        make(tmp_path, "see", 0.001, 6.0, 6.5),
        make(tmp_path, "see", 0.002, 1.0, state="failed", reason="diverged: gradients are Nan/Inf"),
    ]
    monkeypatch.setattr("sys.argv", ["tune", str(tmp_path / "out"), *map(str, paths)])
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert "| dense | 0.002 | 10 | 80 | 7 |  | best |" in lines
    assert "| see | 0.002 | 10 | 80 |  |  | diverged: gradients are Nan/Inf |" in lines
    assert "- see: rate 0.001 is the lowest of those tried; the best may lie beyond it" in lines
    assert not any(line.startswith("- dense: rate") for line in lines)
    chosen = read_hyperparameters(tmp_path / "out/hyperparameters.yaml")
    assert chosen["dense"]["optimization.lr"] == "[0.002]" and chosen["see"]["optimization.lr"] == "[0.001]"
    assert list(yaml.safe_load((tmp_path / "out/hyperparameters.yaml").read_text())) == ["dense", "see"]


def test_a_method_whose_trials_all_diverged_has_no_best(tmp_path):
    trials = [read_trial(make(tmp_path, "see", 0.1, state="failed", reason="diverged"))]
    assert choose_best(trials) == {} and remarks(trials, {}) == ["see: no trial finished"]
