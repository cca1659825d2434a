"""Checkpoints: of version 0.1, averaged, damaged."""

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
from tests.unit.embeddings.conftest import random_index


def save_model(path, seed=0, other_senses=False):
    """What fairseq saves of a model, as far as our commands read it; the decoder's output is tied."""
    torch.manual_seed(seed)
    resolved: dict = {"ratio": None}
    index = random_index()
    if other_senses:
        index = replace(index, groups=np.ascontiguousarray(index.groups[::-1]))
    model = {"decoder.version": torch.tensor([3.0])}
    for side in ("encoder", "decoder"):
        embedding = build("see", 60, 27, 1, index=index, vectors=2, frequent_share=0.0, layernorm=False)
        resolved[side] = embedding.describe()
        model |= {f"{side}.embed_tokens.{name}": value for name, value in embedding.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "cfg": {"model": {"see_resolved": json.dumps(resolved)}},
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


def test_embeddings_are_read_as_they_serve():
    """Normalised codes are others in training mode, and so would be the matrices of --to-dense."""
    torch.manual_seed(0)
    embedding = build("dpq", 60, 12, 1, subvectors=4, centroids=8, response="sx")
    with torch.no_grad():
        embedding.keys.add_(1)
        embedding.table()
        shipped = embedding.ship().table()
    state = {
        "cfg": {"model": {"see_resolved": json.dumps({"encoder": embedding.describe()})}},
        "model": {f"encoder.embed_tokens.{name}": value for name, value in embedding.state_dict().items()},
    }
    with torch.no_grad():
        assert load_embeddings("x.pt", state)["encoder"].table().equal(shipped)
        assert not embedding.train().table().equal(shipped)


def average(capsys, *paths, output):
    status = main(["average", *map(str, paths), "--output", str(output)])
    return status, *capsys.readouterr()


def test_average_is_the_mean_and_keeps_the_index(tmp_path, capsys):
    paths = [save_model(tmp_path / f"{seed}.pt", seed) for seed in range(3)]
    # Copies of a checkpoint count once, and so does one that is named twice.
    copies = [shutil.copy(paths[1], tmp_path / f"checkpoint_{name}.pt") for name in ("best", "last")]
    status, out, err = average(capsys, *paths, *copies, *paths[::2], output=tmp_path / "mean.pt")
    assert not status and "mean of 3 checkpoints" in out
    assert f"{copies[1]} has the weights of {paths[1]}: counted once" in err
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
    status, _, err = average(capsys, *paths, output=paths[0])
    assert status == 2 and "is one of the inputs" in err and paths[0].read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["MISSING"], "cannot read"),
        (["TRUNCATED"], "TRUNCATED is not a whole checkpoint: truncated, or another file"),
        (["GOOD", "TEXT"], "TEXT is not a whole checkpoint: truncated, or another file"),
        (["GOOD", "UNSAFE"], "loads safely"),
        (["GOOD", "OTHER"], "another unit index"),
        (["GOOD", "FOREIGN"], "of another model"),
        (["GOOD", "NAN"], "vectors has values that are NaN or infinite"),
        (["GOOD", "INFINITE"], "vectors has values that are NaN or infinite"),
    ],
)
def test_bad_input(tmp_path, capsys, words, message):
    good = save_model(tmp_path / "GOOD")
    save_model(tmp_path / "OTHER", other_senses=True)
    (tmp_path / "TRUNCATED").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "TEXT").write_text("no checkpoint")
    torch.save({"model": {}, "cfg": Exploding()}, tmp_path / "UNSAFE")
    torch.save({"model": {"x": torch.zeros(1)}, "cfg": {"model": {}}}, tmp_path / "FOREIGN")
    state = torch.load(good, weights_only=True)
    for name, value in (("NAN", math.nan), ("INFINITE", math.inf)):
        state["model"][next(name for name in state["model"] if name.endswith("vectors"))].view(-1)[3] = value
        torch.save(state, tmp_path / name)
    before = sorted(tmp_path.iterdir())
    status, out, err = average(capsys, *(tmp_path / word for word in words), output=tmp_path / "OUT")
    error = [line for line in err.splitlines() if line.startswith("error: ")]
    assert status == 2 and not out and len(error) == 1 and message in error[0]
    assert sorted(tmp_path.iterdir()) == before


class Exploding:
    """Would run code when unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))
