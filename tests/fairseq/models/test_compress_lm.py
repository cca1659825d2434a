"""``fairseq-see fit`` on language models and masked ones: tied, or the input side alone."""

import re

import pytest
import torch
from fairseq import checkpoint_utils

from fairseq_see.cli.main import main
from fairseq_see.models.checkpoint import load_embeddings
from tests.fairseq.models.test_language_models import TOKENS, evaluate

TABLE = {"lm": "decoder.embed_tokens.weight", "masked": "encoder.sentence_encoder.embed_tokens.weight"}
OUTPUT = {"lm": "decoder.output_projection.weight", "masked": "encoder.lm_head.weight"}
SIDE = {"lm": "decoder", "masked": "encoder"}


def fit(checkpoint, output, *words):
    assert main(["fit", str(checkpoint), "--output", str(output), *words]) == 0
    return torch.load(output, weights_only=True)


def score(path):
    (model,), _, _ = checkpoint_utils.load_model_ensemble_and_task([str(path)])
    with torch.no_grad():
        return model.eval()(TOKENS)[0]


@pytest.mark.parametrize("host", ["lm", "masked"])
@pytest.mark.parametrize("words", [(), ("--input-only",)])
def test_a_dense_matrix_changes_nothing(trained, tmp_path, host, words):
    """Whatever is compressed afterwards is the embedding's doing alone."""
    state = fit(trained(host), tmp_path / "out.pt", "--see-method", "dense", "--epochs", "0", *words)
    # Stock fairseq's padding embedding drifts under a tied softmax; ours is zero.
    before = torch.load(trained(host), weights_only=True)
    before["model"][TABLE[host]][1] = 0
    if not words:
        before["model"][OUTPUT[host]][1] = 0
    elif host == "lm":
        state["model"][OUTPUT[host]][1] = before["model"][OUTPUT[host]][1] = 0
        torch.save(state, tmp_path / "out.pt")
    torch.save(before, tmp_path / "before.pt")
    torch.testing.assert_close(score(tmp_path / "out.pt")[..., 2:], score(tmp_path / "before.pt")[..., 2:])


@pytest.mark.parametrize("host", ["lm", "masked"])
def test_tied_and_input_only_differ_in_the_output(trained, tmp_path, host):
    """The same fit of the same matrix."""
    words = ("--see-method", "low_rank", "--see-ratio", "2", "--epochs", "0")
    tied = fit(trained(host), tmp_path / "tied.pt", *words)["model"]
    alone = fit(trained(host), tmp_path / "alone.pt", *words, "--input-only")["model"]
    table = torch.load(trained(host), weights_only=True)["model"][TABLE[host]]
    assert alone.keys() - tied.keys() == {OUTPUT[host]} and alone[OUTPUT[host]].equal(table)
    assert all(value.equal(alone[name]) for name, value in tied.items())
    ((side, embedding),) = load_embeddings(tmp_path / "tied.pt").items()
    assert side == SIDE[host] and 2 <= table.numel() / embedding.footprint().parameters <= 2.06
    # A truncated SVD, up to the fraction of k: no other matrix of its rank is nearer.
    values = torch.linalg.svdvals(table[2:].double())
    k = embedding.config.rank
    bounds = [(values[int(rank) :].square().sum()).sqrt().item() for rank in (k, k + 1)]
    error = (embedding.table()[2:] - table[2:]).norm().item()
    assert 0.9 * bounds[1] <= error <= 1.1 * bounds[0]
    assert not torch.allclose(score(tmp_path / "tied.pt"), score(tmp_path / "alone.pt"))


@pytest.mark.slow
def test_fairseq_validates_what_was_made_of_one_of_ours(mono, trained, tmp_path):
    words = ["--see-method", "see", "--see-ratio", "2", "--epochs", "3", "--input-only"]
    state = fit(trained("masked-dense"), tmp_path / "out.pt", *words)
    dense = load_embeddings(trained("masked-dense"))["encoder"].table()
    assert state["model"][OUTPUT["masked"]].equal(dense)
    assert 1 < evaluate("masked", mono, tmp_path / "out.pt") < 1000


def test_what_cannot_be_fitted_is_refused_in_one_line(trained, tmp_path, capsys):
    state = torch.load(trained("lm"), weights_only=True)
    vectors = state["model"].pop(TABLE["lm"])
    state["model"]["decoder.embed_tokens.embeddings.0.0.weight"] = vectors
    torch.save(state, tmp_path / "adaptive.pt")
    state["model"] = {"decoder.convolutions.0.weight": vectors}
    torch.save(state, tmp_path / "other.pt")
    for name, message in (
        ("adaptive", f"holds no {TABLE['lm']}"),
        ("other", "is of no model whose embedding matrices can be"),
    ):
        assert main(["fit", str(tmp_path / f"{name}.pt"), "-o", str(tmp_path / "o.pt"), "--see-method", "dense"]) == 2
        errors = re.findall("^error: .*", capsys.readouterr().err, re.M)
        assert len(errors) == 1 and message in errors[0] and not (tmp_path / "o.pt").exists()
