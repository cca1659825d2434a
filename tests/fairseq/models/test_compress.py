"""``fairseq-see fit`` on models that fairseq trained: what it writes, translates; what it reads, stays as it is."""

import dataclasses
import json
import math
import re
import shutil
from itertools import pairwise

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.models.transformer import TransformerConfig
from safetensors.torch import load_file

from fairseq_see.cli.main import main
from fairseq_see.embeddings import load
from fairseq_see.errors import SeeError
from fairseq_see.models.architectures import HOSTS
from fairseq_see.models.checkpoint import count_updates, load_checkpoint, load_embeddings
from tests.fairseq.training import generate, train
from tests.helpers import contents, run_command


@pytest.mark.parametrize("option", [{"cross_self_attention": True}, {"decoder_xformers_att_config": "{}"}])
def test_what_would_compute_another_thing_is_refused(option):
    with pytest.raises(SeeError, match=f"trained with {next(iter(option))}, which see_transformer does not have"):
        HOSTS[0].convert({"encoder_layers": 2, **option})


def fit(checkpoint, output, *words):
    before = checkpoint.read_bytes()
    assert main(["fit", str(checkpoint), "--output", str(output), *words]) == 0
    assert checkpoint.read_bytes() == before
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    return torch.load(output, weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stock", "untied", "shared"])
def test_dense_matrices_of_a_stock_model_translate_alike(toy, trained, tmp_path, name):
    """Nothing is lost in turning it into ours; whatever is compressed afterwards is the embeddings' doing alone."""
    data, checkpoint = toy / ("joined" if name == "shared" else "data-bin"), trained(name)
    state = fit(checkpoint, tmp_path / "out.pt", "--see-method", "dense", "--epochs", "0")
    # Stock fairseq's padding embedding drifts under a tied softmax; ours is zero.
    before = torch.load(checkpoint, weights_only=True)
    for key, value in before["model"].items():
        if "embed_tokens" in key or (name != "untied" and "output_projection" in key):
            value[1] = 0
        else:
            assert value.equal(state["model"][key]), key
    torch.save(before, tmp_path / "without_padding.pt")
    expected, found = generate(data, tmp_path / "without_padding.pt"), generate(data, tmp_path / "out.pt")
    assert {number: text for number, (text, _) in found.items()} == {n: text for n, (text, _) in expected.items()}
    assert [score for _, score in found.values()] == pytest.approx([s for _, s in expected.values()], abs=1e-4)
    assert "last_optimizer_state" not in state and before["extra_state"]["previous_training_time"] > 0
    assert state["extra_state"]["previous_training_time"] == 0
    assert {**state["cfg"], "model": 0} == {**before["cfg"], "model": 0}


DIRECTION = ("--encoder", "linear", "--see-args", "bias=true", "--loss", "direction")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("see", "--see-ratio", "2", "--see-args", "layernorm=false", "--loss", "mse:1,cosine:0.1"),
        ("low_rank", "--see-ratio", "3", *DIRECTION),
        ("tensor_train", "--see-ratio", "2", "--weights", "frequency"),
        ("product_quantised", "--see-ratio", "3", "--loss", "mse"),
    ],
)
def test_a_compressed_model_generates_and_can_be_tuned(toy, trained, tmp_path, capsys, words):
    words = ("--see-method", *words)
    checkpoint, output = trained("dense"), tmp_path / "fit/out.pt"
    state = fit(checkpoint, output, *words, "--epochs", "4", "--batch-rows", "16", "--json")
    sides = json.loads(capsys.readouterr().out)
    generate(toy / "data-bin", output)
    before = load_embeddings(checkpoint)
    for side, (name, embedding) in zip(sides, load_embeddings(output).items(), strict=True):
        rows, ratio = torch.arange(embedding.num_embeddings) != 1, float(words[3])
        assert side["side"] == name and ratio <= side["ratio"] <= 1.03 * ratio
        assert side["parameters"] == embedding.footprint().parameters
        error = (embedding.table() - before[name].table())[rows].square().mean()
        assert side["bands"][0]["mse"] == pytest.approx(error.item(), rel=1e-4)
        assert min(side["losses"]) == side["losses"][side["epoch"]]
    assert state["cfg"]["model"]["_name"] == "see_transformer"

    taken = [word for pair in pairwise(words) if pair[0].startswith("--see") for word in pair]
    # So small a rate that its initialisation shows.
    tuning = ("--finetune-from-model", output, "--max-epoch", "1", "--lr", "1e-9")
    end = train(toy / "data-bin", tmp_path / "tuned", *tuning, *taken)
    for key, value in end["model"].items():
        torch.testing.assert_close(value, state["model"][key], atol=1e-6, rtol=1e-5)


def test_a_preset_is_its_options_and_those_given_win(trained, tmp_path):
    spelled = ("--see-method", "matrix", *DIRECTION, "--batch-rows", "32")
    common = ("--see-ratio", "2", "--epochs", "1")
    one = fit(trained("stock"), tmp_path / "a/out.pt", "--preset", "direction", *common)
    other = fit(trained("stock"), tmp_path / "b/out.pt", *spelled, *common)
    assert "1 epochs of direction, linear encoder" in one["cfg"]["model"]["see_resolved"]
    assert one["cfg"]["model"]["see_args"] == {"bias": True}
    assert one["model"].keys() == other["model"].keys()
    assert all(value.equal(other["model"][key]) for key, value in one["model"].items())
    svd = fit(trained("stock"), tmp_path / "c/out.pt", "--preset", "svd", "--see-ratio", "2")
    assert "in closed form" in svd["cfg"]["model"]["see_resolved"]


def test_quantised_matrices_average_and_ship_in_a_byte_a_code(trained, tmp_path):
    fit(trained("stock"), tmp_path / "a/out.pt", "--see-method", "int8", "--epochs", "0")
    full, mean = str(tmp_path / "a/out.pt"), str(tmp_path / "mean.pt")
    assert main(["average", full, "-o", mean]) == 0
    assert main(["export", mean, "-o", str(tmp_path / "small")]) == 0
    shipped = load_file(tmp_path / "small/model.safetensors")
    for side, embedding in load_embeddings(tmp_path / "a/out.pt").items():
        packed = shipped[f"{side}.embed_tokens.codes_version_1.codes.packed"]
        assert packed.dtype == torch.uint8 and len(packed) == 16 + embedding.codes_version_1.codes.numel()
        assert load(tmp_path / "small", side).table().equal(embedding.table())
        table = load_embeddings(mean)[side].table()
        stock = torch.load(trained("stock"), weights_only=True)["model"][f"{side}.embed_tokens.weight"]
        stock[1] = 0
        assert ((table - stock).abs() <= 0.51 * stock.abs().amax(1, keepdim=True) / 127 + 1e-9).all()


def test_the_nested_configuration_of_fairseq_hydra_train_is_read_too(trained, tmp_path):
    state = torch.load(trained("stock"), weights_only=True)
    nested = dataclasses.asdict(TransformerConfig.from_namespace(state["cfg"]["model"]))
    assert nested["encoder"]["embed_dim"] == 64
    plain = {name: value for name, value in nested.items() if isinstance(value, (dict, str, int, float))}
    plain["encoder"].pop("quant_noise", None)
    state["cfg"]["model"] = {**plain, "activation_fn": "relu", "_name": "transformer"}
    (tmp_path / "nested").mkdir()
    torch.save(state, tmp_path / "nested/model.pt")
    words = ["--see-method", "matrix", "--see-ratio", "2", "--epochs", "0"]
    flat = fit(trained("stock"), tmp_path / "a/out.pt", *words)
    found = fit(tmp_path / "nested/model.pt", tmp_path / "b/out.pt", *words)
    assert found["cfg"]["model"]["encoder_ffn_embed_dim"] == 128
    assert flat["model"].keys() == found["model"].keys()
    assert all(value.equal(found["model"][key]) for key, value in flat["model"].items())


def test_a_tied_output_may_stay_what_it_was(trained, tmp_path):
    state = fit(trained("stock"), tmp_path / "out.pt", "--see-method", "matrix", "--see-ratio", "2", "--input-only")
    table = torch.load(trained("stock"), weights_only=True)["model"]["decoder.embed_tokens.weight"]
    assert state["model"]["decoder.output_projection.weight"].equal(table)
    (model,), _, _ = checkpoint_utils.load_model_ensemble_and_task([str(tmp_path / "out.pt")])
    assert model.decoder.output_projection.weight.equal(table) and model.decoder.embed_tokens.method == "low_rank"


def test_shared_matrices_are_fitted_once(trained, tmp_path, capsys):
    fit(trained("shared"), tmp_path / "out.pt", "--see-method", "matrix", "--see-ratio", "2", "--json")
    (side,) = json.loads(capsys.readouterr().out)
    assert side["side"] == "encoder" and 2 <= side["ratio"] <= 2.06
    (model,), _, _ = checkpoint_utils.load_model_ensemble_and_task([str(tmp_path / "out.pt")])
    assert model.encoder.embed_tokens is model.decoder.embed_tokens


def test_the_report_is_of_the_embeddings_that_serve(trained, tmp_path, capsys):
    """Normalised codes are others in training mode."""
    words = ("--see-method", "dpq", "--see-ratio", "2", "--see-args", "response=sx", "--epochs", "1", "--json")
    fit(trained("stock"), tmp_path / "out.pt", *words)
    for side in json.loads(capsys.readouterr().out):
        matrix = load_checkpoint(trained("stock"))["model"][f"{side['side']}.embed_tokens.weight"]
        embedding = load_embeddings(tmp_path / "out.pt")[side["side"]]
        real = torch.arange(len(matrix)) != embedding.padding_idx
        with torch.no_grad():
            error = (embedding.eval().table()[real] - matrix[real]).square().mean()
        assert side["bands"][0]["mse"] == pytest.approx(error.item(), rel=1e-5)


def test_a_compression_goes_on_from_half_a_checkpoint_and_ends(toy, trained, tmp_path, capsys):
    checkpoint, last = trained("stock"), tmp_path / "checkpoints/checkpoint_last.pt"
    last.parent.mkdir()
    last.write_bytes(checkpoint.read_bytes()[:2000])
    words = ("--data", toy / "data-bin", "--output", tmp_path, "--updates", "2", "--max-tokens", "512", "--ratio", "2")
    done = run_command("fairseq-see", "compress", checkpoint, *words)
    assert count_updates(load_checkpoint(last)) == 2
    # It may have been another program's.
    assert last.with_name("checkpoint_last.pt.unreadable").read_bytes() == checkpoint.read_bytes()[:2000]
    # Losses, but neither the whole configuration nor a warning of codes that have been fitted.
    assert re.search(r"INFO:train:epoch 001 \| loss [0-9.]+ ", done.stderr)
    assert "criterion" not in done.stderr and "random" not in done.stderr
    before = contents(tmp_path / "checkpoints")
    assert "after 2 updates" in run_command("fairseq-see", "compress", checkpoint, *words).stdout
    assert contents(tmp_path / "checkpoints") == before
    for path, other, message in (
        (checkpoint, ("--ratio", "3"), "was fitted with see_ratio 2.0, not 3.0; choose another --output"),
        (checkpoint, ("--see-method", "dpq"), "was fitted with see_method product_quantised, not dpq"),
        (checkpoint, ("--see-args", "centroids=4"), "was fitted with see_args {}, not {'centroids': 4}"),
        (trained("dense"), (), f"was not fitted to {trained('dense')}"),
        (checkpoint, ("--lr", "0.01"), "was trained with --lr 0.001, not 0.01; choose another --output"),
        (checkpoint, ("--seed", "2"), "was trained with --seed 1, not 2; choose another --output"),
        (checkpoint, ("--data", toy / "joined"), f"trained with --data {toy}/data-bin, not {toy}/joined; choose"),
    ):
        assert main(["compress", *map(str, (path, *words, *other))]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(("split", "word"), [("train", "--trainpref"), ("valid", "--validpref")])
def test_data_that_lack_a_set_are_refused_before_the_work(toy, trained, tmp_path, capsys, split, word):
    shutil.copytree(toy / "data-bin", tmp_path / "data", ignore=shutil.ignore_patterns(f"{split}*"))
    words = ("--data", tmp_path / "data", "--output", tmp_path / "out", "--ratio", "2")
    assert main(["compress", *map(str, (trained("stock"), *words))]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/data has no {split}*.bin; prepare one with fairseq-preprocess {word}\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_batches_that_no_sentence_fits_are_refused_before_the_work(toy, trained, tmp_path, capsys):
    words = ("--data", toy / "data-bin", "--output", tmp_path / "out", "--ratio", "2", "--max-tokens", "7")
    assert main(["compress", *map(str, (trained("stock"), *words))]) == 2
    # Seven words, and the end of the sentence.
    assert capsys.readouterr().err == (
        f"error: --max-tokens is 7, but a sentence of the validation set in {toy}/data-bin has 8\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("fit", "--see-ratio", "2"), ("compress", "--ratio", "2")])
def test_weights_that_are_not_finite_are_refused(toy, trained, tmp_path, capsys, command):
    state = torch.load(trained("stock"), weights_only=True)
    state["model"]["encoder.layers.0.fc1.bias"][3] = math.nan
    torch.save(state, tmp_path / "nan.pt")
    name, *ratio = command
    words = ("--data", toy / "data-bin", "--output", tmp_path / "out", "--see-method", "low_rank", *ratio)
    assert main([name, *map(str, (tmp_path / "nan.pt", *words))]) == 2
    assert "encoder.layers.0.fc1.bias has values that are NaN or infinite" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["nan.pt"]


SEE, MATRIX, DENSE = (("--see-method", name, "--see-ratio", "2") for name in ("see", "matrix", "dense"))


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("stock", ("--see-ratio", "2"), "give --see-method METHOD, or --preset NAME"),
        ("stock", ("--preset", "autoencoder"), "unknown preset 'autoencoder'; there are: svd, direction"),
        ("stock", ("--preset", "direction", *SEE), "goes with --see-method low_rank"),
        ("stock", ("--see-method", "sea"), "unknown embedding method 'sea'"),
        ("stock", MATRIX[:2], "needs 'rank', or a ratio"),
        ("stock", (*MATRIX, "--loss", "huber"), "'huber' is unknown"),
        ("stock", (*SEE, "--see-index", "NONE"), "no unit index at"),
        ("stock", (*DENSE[:2], "--data", "NONE"), "give the model's data folder with --data"),
        ("stock", (*DENSE[:2], "--data", "SMALLER"), "give the data folder of its training"),
        ("stock", (*DENSE[:2], "--output", "CHECKPOINT"), "is one of the inputs"),
        ("stock", (*DENSE[:2], "--output", "FOLDER"), "is a folder; write a file"),
        ("lstm", DENSE[:2], "is of no model whose embedding matrices can be replaced"),
        ("shared", (*DENSE[:2], "--input-only"), "shares one matrix between"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(toy, trained, tmp_path, capsys, name, words, message):
    smaller = tmp_path / "smaller"
    shutil.copytree(toy / "data-bin", smaller)
    text = (smaller / "dict.en.txt").read_bytes()
    (smaller / "dict.en.txt").write_bytes(text.partition(b"\n")[2])
    checkpoint, output = trained(name), tmp_path / "out/out.pt"
    before = checkpoint.read_bytes()
    places = {"NONE": tmp_path / "none", "SMALLER": smaller, "CHECKPOINT": checkpoint, "FOLDER": smaller}
    command = ["fit", checkpoint, "--output", output, *(places.get(word, word) for word in words)]
    capsys.readouterr()
    assert main(list(map(str, command))) == 2
    printed = capsys.readouterr()
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0] and not printed.out
    assert not output.parent.exists() or not list(output.parent.iterdir())
    assert checkpoint.read_bytes() == before
