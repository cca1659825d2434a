"""Commands that read checkpoints: average, report."""

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.__main__ import main as laboratory
from fairseq_see.cli.main import main
from fairseq_see.embeddings import build
from fairseq_see.models.checkpoint import load_embeddings
from tests.helpers import full_disk
from tests.unit.embeddings.conftest import random_index


def checkpoint(path, seed=0, other_senses=False, dropout=0.1, provenance=None, data="a"):
    """What fairseq saves of a model, as far as our commands read it; the decoder's output is tied."""
    torch.manual_seed(seed)
    resolved: dict = {"ratio": None}
    index = replace(random_index(), provenance=provenance or {})
    if other_senses:
        index = replace(index, groups=np.ascontiguousarray(index.groups[::-1]))
    model = {"decoder.version": torch.tensor([3.0])}
    for side in ("encoder", "decoder"):
        embedding = build("see", 60, 27, 1, index=index, vectors=2, frequent_share=0.0, layernorm=False)
        resolved[side] = embedding.describe()
        model |= {f"{side}.embed_tokens.{name}": value for name, value in embedding.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "cfg": {
            "model": {"see_resolved": json.dumps(resolved), "dropout": dropout},
            "common": {"seed": 7 + seed},
            "task": {"data": data},
        },
        "model": model,
        "last_optimizer_state": {"step": 1},
        "optimizer_history": [{"num_updates": 1234}],
    }
    torch.save(state, path)
    return path


# Method and hyper-parameters as version 0.1 recorded them, and those of today.
FORMER = [
    ("see", {"m": 2.5, "head": 0.2, "layernorm": True, "gain": 3.0}, {"vectors": 2.5, "output_scale": 3.0}),
    (
        *("see", {"m": [2.0, 1.0], "layernorm": False, "gain": 3.0}),
        {"vectors": (2, 1), "output_scale": 3.0, "layernorm": False, "frequent_share": 0.0},
    ),
    ("morphte", {"rank": 2.5, "layernorm": True, "gain": 3.0}, {"vectors": 2.5, "output_scale": 3.0}),
    ("matrix", {"k": 4.5, "bias": True}, {"rank": 4.5, "bias": True}),
    ("sememe_lstm", {"gain": 3.0}, {"output_scale": 3.0}),
    ("product_quantised", {"codes": 4, "centroids": 8}, {"subvectors": 4, "centroids": 8}),
    ("dense", {}, {}),
]


@pytest.mark.parametrize(("method", "former", "options"), FORMER)
def test_checkpoints_of_version_0_1_are_read(tmp_path, method, former, options):
    embedding = build(method, 60, 27, 1, index=random_index(), **options).eval()
    sizes = embedding.describe().get("index")
    table = {"rows": 60, "columns": 27, "padding": 1, "settings": former | ({"shape": sizes} if sizes else {})}
    record = {"request": {"method": method, "ratio": None}, "encoder": table}
    weights = {name: value for name, value in embedding.state_dict().items() if name != "config_version"}
    if method == "sememe_lstm":
        embedding.lstm.bias_hh_l0.data.zero_()
        names = {"vectors": "lstm.vectors", "lstm.weight_ih_l0": "lstm.input", "lstm.weight_hh_l0": "lstm.recurrent"}
        names |= {"lstm.bias_ih_l0": "lstm.bias"}
        weights = {names.get(name, name): value for name, value in weights.items() if name != "lstm.bias_hh_l0"}
    model = {f"encoder.embed_tokens.{name}": value for name, value in weights.items()}
    torch.save({"cfg": {"model": {"see_resolved": json.dumps(record)}}, "model": model}, tmp_path / "old.pt")
    loaded = load_embeddings(tmp_path / "old.pt")["encoder"].eval()
    with torch.no_grad():
        assert loaded.config == embedding.config and loaded.table().equal(embedding.table())


def test_average_is_the_mean_and_keeps_the_index(tmp_path, capsys):
    paths = [checkpoint(tmp_path / f"{seed}.pt", seed) for seed in range(3)]
    assert main(["average", *map(str, paths), "--output", str(tmp_path / "mean.pt")]) == 0
    mean = torch.load(tmp_path / "mean.pt", weights_only=True)
    assert "last_optimizer_state" not in mean
    parts = [torch.load(path, weights_only=True)["model"] for path in paths]
    for name, value in mean["model"].items():
        expected = parts[0][name]
        if value.is_floating_point():
            expected = sum(part[name].double() for part in parts) / 3
        torch.testing.assert_close(value, expected.to(value.dtype))
        assert value.dtype == parts[0][name].dtype
    before = paths[0].read_bytes()
    assert main(["average", *map(str, paths), "--output", str(paths[0])]) == 2
    assert "is one of the inputs" in capsys.readouterr().err and paths[0].read_bytes() == before


def test_copies_of_a_checkpoint_count_once(tmp_path, capsys):
    paths = [checkpoint(tmp_path / f"checkpoint{seed}.pt", seed) for seed in (1, 2)]
    copies = [shutil.copy(paths[1], tmp_path / f"checkpoint_{name}.pt") for name in ("best", "last")]
    assert main(["average", *map(str, [*paths, *copies]), "--output", str(tmp_path / "mean.pt")]) == 0
    printed = capsys.readouterr()
    assert "mean of 2 checkpoints" in printed.out
    assert f"{copies[1]} has the weights of {paths[1]}: counted once" in printed.err
    assert main(["average", *map(str, paths), "--output", str(tmp_path / "other.pt")]) == 0
    means = [torch.load(tmp_path / name, weights_only=True)["model"] for name in ("mean.pt", "other.pt")]
    assert all(value.equal(means[1][name]) for name, value in means[0].items())


def test_a_mean_is_another_setting_than_what_it_is_of(tmp_path, capsys):
    best = checkpoint(tmp_path / "run/checkpoints/checkpoint_best.pt", 1)
    (tmp_path / "mean/checkpoints").mkdir(parents=True)
    words = ["average", str(best), str(checkpoint(tmp_path / "2.pt", 2)), "--output"]
    assert main([*words, str(tmp_path / "mean/checkpoints/checkpoint_best.pt")]) == 0
    runs = [str(tmp_path / name) for name in ("run", "mean")]
    assert laboratory(["report", *runs, "--over-seeds", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert [row["made"] for row in rows] == ["trained", "trained, mean of 2 checkpoints"]
    (tmp_path / "again/checkpoints").mkdir(parents=True)
    shutil.copy(best, tmp_path / "again/checkpoints")
    assert laboratory(["report", *runs, str(tmp_path / "again"), "--over-seeds"]) == 2
    said = f"{tmp_path}/run and {tmp_path}/again have the same settings and seed; leave one of them out"
    assert said in capsys.readouterr().err


def test_report_counts_what_the_checkpoint_holds(tmp_path, capsys):
    checkpoint(tmp_path / "run/checkpoints/checkpoint_best.pt")
    scores = {"test": "news", "bleu": 12.34, "chrf": 45.67, "tokenised_bleu": 11.0, "signature": "BLEU|x"}
    (tmp_path / "run/news.scores.json").write_text(json.dumps(scores))
    assert laboratory(["report", str(tmp_path / "run"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    index = random_index()
    parameters = 2 * (len(index.sememes) + len(index.morphemes)) * 3 * 2
    assert row["parameters"] == parameters and row["dense_parameters"] == 2 * 60 * 27
    assert row["bytes"] == 2 * parameters + 2 * len(index.packed())
    assert row["bleu"] == 12.34 and row["test"] == "news"
    assert laboratory(["report", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "12.3" in out and "45.7" in out and f"{parameters:,}" in out and "BLEU|x" in out
    made = {"commit": "abc1234", "torch": "2.0", "fairseq": "0.12", "python": "3.11", "processor": "8 cores of Z80"}
    (tmp_path / "run/provenance.json").write_text(json.dumps([made]))
    assert laboratory(["report", str(tmp_path / "run"), "--markdown"]) == 0
    out = capsys.readouterr().out
    assert f"| run | see | news | 1,234 | {parameters:,} |" in out and "| 12.3 | 45.7 |" in out
    assert "- BLEU|x" in out and "- seed 7; trained at commit abc1234\n" in out
    assert "- torch 2.0, fairseq 0.12, Python 3.11, 8 cores of Z80\n" in out


def test_report_over_seeds_takes_means_of_runs_that_differ_in_nothing_else(tmp_path, capsys):
    for name, seed, dropout, bleu in (("see-1", 1, 0.1, 10.0), ("see-2", 2, 0.1, 13.0), ("other", 1, 0.3, 20.0)):
        checkpoint(tmp_path / name / "checkpoints/checkpoint_best.pt", seed, dropout=dropout)
        scores = {"test": "news", "bleu": bleu, "chrf": 40.0, "tokenised_bleu": None, "signature": "BLEU|x"}
        (tmp_path / name / "news.scores.json").write_text(json.dumps(scores))
    paths = [str(tmp_path / name) for name in ("see-1", "see-2", "other")]
    assert laboratory(["report", *paths, "--over-seeds", "--markdown"]) == 0
    out = capsys.readouterr().out
    assert "| see-1 and 1 more | see | news |" in out and "| 11.5 (10.0-13.0) | 40.0 |" in out
    assert "| other | see | news |" in out and "| 20.0 | 40.0 |" in out
    assert "seed 8, 9; trained at commit not recorded" in out
    assert laboratory(["report", paths[0], paths[0], "--over-seeds"]) == 2
    assert "have the same settings and seed" in capsys.readouterr().err


def test_report_over_seeds_keeps_apart_what_was_trained_on_other_data(tmp_path, capsys):
    paths = [str(tmp_path / name) for name in ("a", "b")]
    for seed, path in enumerate(paths):
        checkpoint(Path(path, "checkpoints/checkpoint_best.pt"), seed, data=path)
    assert laboratory(["report", *paths, "--over-seeds", "--json"]) == 0
    assert [row["run"] for row in json.loads(capsys.readouterr().out)] == paths


def test_report_over_seeds_has_no_mean_of_some_scores(tmp_path, capsys):
    paths = [str(tmp_path / name) for name in ("a", "b")]
    for seed, (path, bleu) in enumerate(zip(paths, (10.0, None), strict=True)):
        checkpoint(Path(path, "checkpoints/checkpoint_best.pt"), seed)
        scores = {"test": "news", "bleu": bleu, "chrf": 40.0, "signature": "BLEU|x"}
        Path(path, "news.scores.json").write_text(json.dumps(scores))
    assert laboratory(["report", *paths, "--over-seeds", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["bleu"], row["chrf"]) == (None, 40.0)


def test_report_warns_of_scores_of_an_earlier_checkpoint(tmp_path, capsys):
    best = checkpoint(tmp_path / "run/checkpoints/checkpoint_best.pt")
    scores = tmp_path / "run/news.scores.json"
    scores.write_text(json.dumps({"test": "news", "bleu": 1.0, "chrf": 2.0, "signature": "BLEU|x"}))
    assert laboratory(["report", str(tmp_path / "run")]) == 0
    assert "warning" not in capsys.readouterr().err
    os.utime(scores, (best.stat().st_mtime - 60,) * 2)
    assert laboratory(["report", str(tmp_path / "run")]) == 0
    assert f"warning: {scores} is older than" in capsys.readouterr().err


def test_report_says_which_control_a_run_is(tmp_path, capsys):
    checkpoint(tmp_path / "run/checkpoints/checkpoint_best.pt", provenance={"control": "random-senses", "seed": 1})
    assert laboratory(["report", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["method"] == "see, random-senses"


def test_a_run_without_scores_is_still_reported(tmp_path, capsys):
    checkpoint(tmp_path / "run/checkpoints/checkpoint_best.pt")
    assert laboratory(["report", str(tmp_path / "run")]) == 0
    assert "see" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["average", "MISSING", "-o", "OUT"], "cannot read"),
        (["average", "TRUNCATED", "-o", "OUT"], "not a whole checkpoint"),
        (["average", "GOOD", "TEXT", "-o", "OUT"], "not a whole checkpoint"),
        (["average", "GOOD", "UNSAFE", "-o", "OUT"], "loads safely"),
        (["average", "GOOD", "OTHER", "-o", "OUT"], "another unit index"),
        (["average", "GOOD", "FOREIGN", "-o", "OUT"], "of another model"),
        (["report", "NORUN"], "train the run first"),
        (["report", "STOCK"], "does not hold a model with an embedding of fairseq_see"),
    ],
)
def test_bad_input(tmp_path, capsys, words, message):
    good = checkpoint(tmp_path / "GOOD")
    checkpoint(tmp_path / "OTHER", other_senses=True)
    (tmp_path / "TRUNCATED").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "TEXT").write_text("no checkpoint")
    torch.save({"model": {}, "cfg": Exploding()}, tmp_path / "UNSAFE")
    torch.save({"model": {"x": torch.zeros(1)}, "cfg": {"model": {}}}, tmp_path / "FOREIGN")
    stock = tmp_path / "STOCK/checkpoints"
    stock.mkdir(parents=True)
    torch.save({"model": {}, "cfg": {"model": {"_name": "transformer"}}}, stock / "checkpoint_best.pt")
    program = laboratory if words[0] == "report" else main
    status = program([str(tmp_path / word) if word.isupper() else word for word in words])
    printed = capsys.readouterr()
    assert status == 2 and not printed.out
    error = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1 and message in error[0]
    assert not (tmp_path / "OUT").exists()
    assert not list(tmp_path.glob(".OUT*"))


def test_a_full_disk_ends_in_one_line(tmp_path, capsys):
    paths = [str(checkpoint(tmp_path / f"GOOD{seed}", seed)) for seed in (1, 2)]
    with full_disk():
        assert main(["average", *paths, "-o", str(tmp_path / "mean.pt")]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: cannot write {tmp_path}/mean.pt: ") and error.endswith("; is the disk full?")
    assert sorted(map(str, tmp_path.iterdir())) == paths


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_mean_of_what_is_no_number_is_refused(tmp_path, capsys, value):
    paths = [checkpoint(tmp_path / f"{seed}.pt", seed) for seed in (1, 2)]
    state = torch.load(paths[1], weights_only=True)
    name = next(name for name in state["model"] if name.endswith("vectors"))
    state["model"][name].view(-1)[3] = value
    torch.save(state, paths[1])
    assert main(["average", *map(str, paths), "-o", str(tmp_path / "mean.pt")]) == 2
    assert f"error: {name} has values that are NaN or infinite" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == paths


class Exploding:
    """Would run code when unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))
