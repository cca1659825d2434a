"""Commands that read checkpoints: average, report."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["average", "MISSING", "-o", "OUT"], "cannot read"),
        (["average", "TRUNCATED", "-o", "OUT"], "not a whole checkpoint"),
        (["average", "GOOD", "TEXT", "-o", "OUT"], "not a whole checkpoint"),
        (["average", "GOOD", "UNSAFE", "-o", "OUT"], "loads safely"),
        (["average", "GOOD", "OTHER", "-o", "OUT"], "another unit index"),
        (["average", "GOOD", "FOREIGN", "-o", "OUT"], "of another model"),
    ],
)
def test_bad_input(tmp_path, capsys, words, message):
    good = checkpoint(tmp_path / "GOOD")
    checkpoint(tmp_path / "OTHER", other_senses=True)
    (tmp_path / "TRUNCATED").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "TEXT").write_text("no checkpoint")
    torch.save({"model": {}, "cfg": Exploding()}, tmp_path / "UNSAFE")
    torch.save({"model": {"x": torch.zeros(1)}, "cfg": {"model": {}}}, tmp_path / "FOREIGN")
    status = main([str(tmp_path / word) if word.isupper() else word for word in words])
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
