"""Trials: named, listed, read from their folders, chosen among."""

import json
import re
import sys

import pytest
import yaml

from experiments.hyperparameters import read_recipes
from experiments.run_list import read_yaml
from experiments.tune import Trial, best, grid, main, outcome, remarks, tried
from fairseq_see.errors import SeeError
from tests.helpers import ROOT

VALID = "[2026-01-01 12:00:02,1][valid][INFO] - epoch 001 | valid on 'valid' subset | ppl {} | num_updates {}\n"
TRAIN = "[2026-01-01 12:00:02,1][train][INFO] - epoch 001 | ppl 9 | num_updates 80 | wall 36\n"
CRASH = "Traceback (most recent call last):\nFloatingPointError: gradients are Nan/Inf\n"


def make(out, trial, *perplexities, done=True, end=""):
    """The folder of a trial whose validations said so."""
    run = out / trial.name
    run.mkdir(parents=True)
    lines = [VALID.format(value, 40 * number) for number, value in enumerate(perplexities, 1)]
    (run / "train.log").write_text("".join(lines) + TRAIN + end)
    (run / "train.settings").write_text("data abc\n")
    entry = {"commit": "c0ffee", "torch": "2", "fairseq": "0", "python": "3", "processor": "a chip"}
    (run / "provenance.json").write_text(json.dumps([entry]))
    if done:
        (run / "done").touch()
    return outcome(trial, run)


def call(monkeypatch, out, *words):
    command = ["search", out, "--data", out.parent / "real", "--config", "demo_zh_en", "--ratio", "20", "--seed", "2"]
    command += ["--updates", "80", "--rates", "0.001", "0.002", "--warmups", "10", *words]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    return main()


@pytest.mark.parametrize("rate", [0.002, 5e-5, 1e30, 1.0, 0.00123456789])
def test_a_folder_says_what_it_tries(rate, tmp_path):
    trial = Trial("word2ketxs", rate, 50, 600)
    assert Trial.named(trial.name) == trial
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", trial.name)
    for name in (trial.name, "see-20x-seed1"):
        (tmp_path / name).mkdir()
    assert tried(tmp_path, 600) == [trial] and tried(tmp_path, 500) == []


def test_every_method_has_the_same_trials(tmp_path, monkeypatch, capsys):
    trials = grid(["dense", "see"], [0.001, 0.002], [10, 20], 80)
    assert len(trials) == 8
    points = [[(t.rate, t.warmup) for t in trials if t.method == method] for method in ("dense", "see")]
    assert points[0] == points[1]
    with pytest.raises(SeeError, match="--warmups 80 leaves none of the 80"):
        grid(["dense"], [0.1], [80], 80)

    out = tmp_path / "out"
    make(out, Trial("see", 0.002, 10, 80), "nan", done=False)
    assert (
        call(monkeypatch, out, "--methods", "dense", "see", "--list", tmp_path / "list.yaml", "--overrides", "+a.b=c")
        == 0
    )
    # What diverged is not tried again.
    assert capsys.readouterr().out == "3\n"
    runs = read_yaml(tmp_path / "list.yaml", ROOT / "configs")
    assert [run.name for run in runs][-1] == "see-rate0.001-warmup10-updates80"
    assert runs[-1].overrides == [
        *("model.see_method=see", "model.see_ratio=20.0", "common.seed=2", "optimization.lr=[0.001]"),
        *("lr_scheduler._name=polynomial_decay", "lr_scheduler.warmup_updates=10"),
        *("optimization.max_update=80", "optimization.max_epoch=0", "+a.b=c"),
    ]
    assert not any("see_ratio" in override for override in runs[0].overrides)


def test_what_became_of_a_trial(tmp_path):
    trial = Trial("see", 0.002, 10, 80)
    assert outcome(trial, tmp_path / trial.name).state == "not started"
    found = make(tmp_path / "a", trial, 30, 20.5, 21)
    assert (found.state, found.note, found.perplexity, found.seconds) == ("finished", "", 20.5, 36)
    found = make(tmp_path / "b", trial, 30, done=False, end=CRASH)
    assert (found.state, found.note) == ("diverged", "gradients are Nan/Inf")
    found = make(tmp_path / "c", trial, 30, "inf")
    assert (found.state, found.note) == ("diverged", "the perplexity is no number")
    found = make(tmp_path / "d", trial, 30, done=False)
    assert (found.state, found.perplexity) == ("unfinished", 30)
    assert make(tmp_path / "e", trial, done=False, end="ValueError: 5\n").state == "failed"
    refusal = "error: m is too coarse; nearest ratio: 9.0x\n"
    assert make(tmp_path / "f", trial, done=False, end=refusal).state == "infeasible"


def test_the_best_and_where_it_lies(tmp_path):
    perplexities = {
        (0.001, 10): 30,
        (0.002, 10): 20,
        (0.004, 10): 25,
        (0.001, 20): 28,
        (0.002, 20): 20,
        (0.004, 20): 19,
    }
    see = [make(tmp_path, Trial("see", *point, 80), value) for point, value in perplexities.items()]
    crashed = make(tmp_path, Trial("see", 0.008, 20, 80), 1, done=False, end=CRASH)
    assert best(see[:-1])["see"] == see[1]  # the first of two
    chosen = best([*see, crashed])
    assert chosen == {"see": see[-1]}
    # A higher rate was tried and diverged; only the warm-up is at the edge.
    (said,) = remarks([*see, crashed], chosen)
    assert said == "see: warm-up 20 is the highest of those tried; the best may lie beyond it"
    assert any("rate 0.004 is the highest" in line for line in remarks(see, chosen))
    # One value has no edge.
    assert remarks(see[:1], best(see[:1])) == []
    dense = make(tmp_path, Trial("dense", 0.001, 10, 80), done=False, end=CRASH)
    said = remarks([dense, *see], chosen)
    assert "the methods have not had the same trials (dense 1, see 6, of 6 different ones)" in said
    assert "dense: no trial finished, so it has no recipe" in said


def test_table_and_recipes(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    for method in ("dense", "see"):
        make(out, Trial(method, 0.001, 10, 80), 30)
    make(out, Trial("see", 0.002, 10, 80), 12.34)
    make(out, Trial("see", 0.002, 10, 90), 1)  # of another length, which is another search
    methods = ("--methods", "see", "dense", "--overrides", "+a.b=c")
    with pytest.raises(SystemExit):
        call(monkeypatch, out, *methods)
    printed = capsys.readouterr()
    assert "of 4 trials 1 have not ended, dense-rate0.002-warmup10-updates80 among them" in printed.err
    assert "| dense | 0.002 | 10 | 80 |  |  | not started |" in printed.out and not (out / "recipes.yaml").exists()

    make(out, Trial("dense", 0.002, 10, 80), done=False, end=CRASH.replace("gradients", "a|b"))
    assert call(monkeypatch, out, *methods) == 0
    text = capsys.readouterr().out
    assert text == (out / "trials.md").read_text()
    assert [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line.startswith("| ")][1:] == [
        *("see", "see", "dense", "dense")
    ]
    assert "| see | 0.001 | 10 | 80 | 30 | 36 |  |" in text and "| see | 0.002 | 10 | 80 | 12.34 | 36 | best |" in text
    assert r"| dense | 0.002 | 10 | 80 |  | 36 | diverged: a\|b are Nan/Inf |" in text
    recipe = {"lr_scheduler._name": "polynomial_decay", "lr_scheduler.warmup_updates": 10, "+a.b": "c"}
    assert read_recipes(out / "recipes.yaml") == {
        "see": {"optimization.lr": [0.002]} | recipe,
        "dense": {"optimization.lr": [0.001]} | recipe,
    }
    head = [line for line in (out / "recipes.yaml").read_text().splitlines() if line.startswith("#")]
    command = "scripts/search.sh real out --methods 'see dense' --ratio 20 --rates '0.001 0.002' --warmups 10"
    assert f"# command: bash {command} --updates 80 --seed 2 --config demo_zh_en +a.b=c" in head
    assert "# data: real, checksum abc" in head and "# commit: c0ffee" in head and str(tmp_path) not in "".join(head)
    assert yaml.safe_load((out / "recipes.yaml").read_text()).keys() == {"see", "dense"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--methods", "sea"), "unknown embedding method 'sea'"),
        (("--methods", "int8"), "int8 is made of a trained model"),
        (("--methods", "see", "--warmups", "100"), "--warmups 100 leaves none"),
        (("--methods", "see", "--overrides", "optimization.max_update=5"), "is no part of a recipe"),
        (("--methods", "see", "--overrides", "+optimization.lr=[1]"), "optimization.lr is set already, to [0.001]"),
    ],
)
def test_what_cannot_be_searched_is_told(tmp_path, monkeypatch, capsys, words, message):
    with pytest.raises(SystemExit) as end:
        call(monkeypatch, tmp_path / "out", *words, "--list", tmp_path / "list.yaml")
    printed = capsys.readouterr()
    assert end.value.code == 2 and message in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert not list(tmp_path.iterdir())
