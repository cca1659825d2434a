"""Trials: read from their records, chosen among."""

import pytest

from experiments.paper_tables import read_hyperparameters
from experiments.run_record import RunRecord, write
from experiments.tune import main
from tests.helpers import read_table


def make(folder, method, rate, *perplexities, **fields):
    """RUN/train.json of a trial with these perplexities on the dev set."""
    overrides = {"optimization.lr": f"[{rate}]", "lr_scheduler.warmup_updates": "10"}
    curve = [[10 * (number + 1), value] for number, value in enumerate(perplexities)]
    record = RunRecord("x", config={"method": method}, overrides=overrides, curve=curve, updates=80, **fields)
    (folder / f"{method}-{rate}").mkdir()
    write(folder / f"{method}-{rate}", record, "train.json")
    return folder / f"{method}-{rate}/train.json"


def test_the_best_of_each_method_becomes_its_hyperparameters(tmp_path, capsys):
    paths = [
        make(tmp_path, "dense", 0.001, 9.0, 7.5),
        make(tmp_path, "dense", 0.002, 8.0, 7.0),
        make(tmp_path, "dense", 0.004, 7.9),
        make(tmp_path, "see", 0.001, 6.0, 6.5),
        make(tmp_path, "see", 0.002, 1.0, state="failed", reason="diverged: gradients are Nan/Inf"),
    ]
    main(str(tmp_path / "out"), *map(str, paths))
    printed = capsys.readouterr().out
    rows = read_table(printed)
    assert ["dense", "0.002", "10", "80", "7", "", "best"] in rows
    assert ["see", "0.002", "10", "80", "", "", "diverged: gradients are Nan/Inf"] in rows
    assert "- see: rate 0.001 is the lowest of those tried; the best may lie beyond it" in printed
    assert "- dense: rate" not in printed
    chosen = read_hyperparameters(tmp_path / "out/hyperparameters.yaml")
    assert chosen["dense"]["optimization.lr"] == "[0.002]" and chosen["see"]["optimization.lr"] == "[0.001]"
    assert list(chosen) == ["dense", "see"]


def test_a_method_whose_trials_all_diverged_has_no_best(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(str(tmp_path), str(make(tmp_path, "see", 0.1, state="failed", reason="diverged")))
    printed = capsys.readouterr()
    assert "- see: no trial finished" in printed.out and printed.err.startswith("error: no trial finished")
