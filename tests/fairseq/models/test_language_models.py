"""Language models and masked ones as hosts of embeddings: tied, resumed, evaluated, refused."""

import re
import shutil

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.data import data_utils, indexed_dataset

from fairseq_see.cli.main import main
from fairseq_see.embeddings import Embedding, load
from fairseq_see.models.checkpoint import load_embeddings
from tests.fairseq import training
from tests.fairseq.training import BLOCKS, LM_OPTIONS, MASKED_OPTIONS, PLUGIN, SHORT, train
from tests.helpers import run_command

OPTIONS = {"lm": LM_OPTIONS, "masked": MASKED_OPTIONS}
UNTIED = {
    # The preset ties.
    "lm": ("--arch", "see_transformer_lm", "--decoder-layers", "2", "--decoder-embed-dim", "64"),
    "masked": ("--untie-weights-roberta",),
}


def build(data, host, *words):
    """A model as fairseq-train builds it, and its task."""
    return training.build(data, *words, options=OPTIONS[host])[:2]


TOKENS = torch.tensor([[0, 5, 6, 7, 2], [0, 8, 9, 2, 1]])


@pytest.mark.parametrize("host", ["lm", "masked"])
@pytest.mark.parametrize("tied", [True, False])
def test_the_output_is_the_embedding_matrix_or_one_of_its_own(mono, host, tied, monkeypatch):
    model, task = build(mono, host, *(() if tied else UNTIED[host]), "--see-ratio", "2")
    (embedding,) = {module for module in model.modules() if isinstance(module, Embedding)}
    rows = len(task.source_dictionary)
    matrices = [p for p in model.parameters() if p.dim() > 1 and p.shape[0] == rows]
    assert len(matrices) == (not tied)
    hidden = torch.randn(3, 2, 64)
    half = model.decoder if host == "lm" else model.encoder
    if host == "masked":
        head = half.lm_head
        expected = head.layer_norm(head.activation_fn(head.dense(hidden)))
        bias = head.bias.data.normal_()
    else:
        expected, bias = hidden, 0
    matrix = embedding.table() if tied else matrices[0]
    torch.testing.assert_close(half.output_layer(hidden), expected @ matrix.T + bias)

    built = []
    table = embedding.table
    monkeypatch.setattr(embedding, "table", lambda: built.append(1) or table())
    scores, _ = model(TOKENS)
    # One matrix for input and output; without a tie only the embeddings of the batch are made.
    assert len(built) == tied
    torch.nn.functional.cross_entropy(scores.flatten(0, 1), TOKENS.flatten()).backward()
    assert all(parameter.grad is not None for parameter in embedding.parameters())

    model.eval()
    with torch.no_grad():
        built.clear()
        cached = model(TOKENS)[0]
        model(TOKENS)
        assert len(built) == 1
        embedding.inference = "factored"
        torch.testing.assert_close(model(TOKENS)[0], cached)
        assert len(built) == 1


def evaluate(host, data, checkpoint, *words):
    """The perplexity that fairseq's own command reports."""
    if host == "lm":
        command = ("fairseq-eval-lm", data, *BLOCKS, "--batch-size", "8")
        found = r"Perplexity: ([\d.]+)"
    else:
        command = ("fairseq-validate", data, *BLOCKS, "--task", "masked_lm", "--batch-size", "8")
        found = r"valid on 'valid' subset \|.* ppl (\S+)"
    done = run_command(*command, *PLUGIN, "--path", checkpoint, *words)
    return float(re.search(found, done.stdout + done.stderr)[1])


@pytest.mark.slow
@pytest.mark.parametrize("host", ["lm", "masked"])
def test_resuming_is_exact_and_nothing_else_is_needed_to_evaluate(mono, tmp_path, host):
    data = tmp_path / "data-bin"
    shutil.copytree(mono, data)
    words = ("--see-ratio", "2")
    straight = train(data, tmp_path / "straight", *words, options=OPTIONS[host])
    train(data, tmp_path / "stopped", *words, "--max-epoch", "1", options=OPTIONS[host])
    with pytest.raises(SystemExit, match=r"^error: the weights were trained with other options than see 7[23] x 64, "):
        train(data, tmp_path / "stopped", "--see-ratio", "3", options=OPTIONS[host])
    resumed = train(data, tmp_path / "stopped", *words, options=OPTIONS[host])
    (data / "dict.see").unlink()
    assert straight["model"].keys() == resumed["model"].keys()
    assert all(value.equal(resumed["model"][name]) for name, value in straight["model"].items())
    checkpoint = tmp_path / "stopped/checkpoint_last.pt"
    ((side, embedding),) = load_embeddings(checkpoint).items()
    rows = {"lm": 72, "masked": 73}[host]
    assert side == {"lm": "decoder", "masked": "encoder"}[host] and embedding.num_embeddings == rows
    assert 2 <= rows * 64 / embedding.footprint().parameters <= 2.06
    words = ("--model-overrides", "{'see_inference': 'factored'}")
    assert 1 < evaluate(host, data, checkpoint, *words) < rows

    small = tmp_path / "small"
    assert main(["export", str(checkpoint), "--output", str(small)]) == 0
    assert {path.name for path in small.iterdir()} == {"config.json", "model.safetensors", "dict.txt"}
    torch.testing.assert_close(load(small, side).table(), embedding.table(), atol=0.01, rtol=0.01)
    paths = [str(checkpoint), str(small / "model.safetensors")]
    models, _, _ = checkpoint_utils.load_model_ensemble_and_task(paths)
    theirs, ours = (model.eval()(TOKENS)[0] for model in models)
    torch.testing.assert_close(ours, theirs, atol=0.05, rtol=0.05)


RATIO = ("--see-ratio", "2")


@pytest.mark.parametrize(
    ("host", "words", "message"),
    [
        ("lm", (*RATIO, "--adaptive-softmax-cutoff", "9"), "--adaptive-softmax-cutoff does not go with see_transfo"),
        ("lm", (*RATIO, "--adaptive-input", "--adaptive-input-cutoff", "9"), "--adaptive-input does not go with"),
        ("lm", (*RATIO, "--character-embeddings"), "--character-embeddings does not go with"),
        (
            "lm",
            (*RATIO, "--decoder-input-dim", "27"),
            "needs --decoder-output-dim equal to --decoder-input-dim, not 64",
        ),
        ("masked", (*RATIO, "--see-index", "nowhere.see"), "no unit index at nowhere.see"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(mono, host, words, message):
    with pytest.raises(SystemExit, match=rf"^error: [^\n]*{message}[^\n]*$"):
        build(mono, host, *words)


def write_labels(folder, sentences):
    """Labels of a set as fairseq's sentence_prediction reads them: whether the first word's id is even."""
    folder.mkdir(exist_ok=True)
    (folder / "dict.txt").write_text("even 1\nodd 1\n")
    for split, rows in sentences.items():
        builder = indexed_dataset.make_builder(str(folder / f"{split}.bin"), impl="mmap", vocab_size=6)
        for row in rows:
            builder.add_item(torch.tensor([4 + row[0].item() % 2, 2]))
        builder.finalize(str(folder / f"{split}.idx"))


def test_a_classifier_is_fine_tuned_from_a_masked_model(mono, tmp_path):
    train(mono, tmp_path / "masked", "--see-ratio", "2", "--max-epoch", "1", options=MASKED_OPTIONS)
    shutil.copytree(mono, tmp_path / "data/input0")
    sets = {split: data_utils.load_indexed_dataset(str(mono / split)) for split in ("train", "valid")}
    write_labels(tmp_path / "data/label", sets)
    options = (
        *(*SHORT, "--arch", "see_roberta_tiny", "--task", "sentence_prediction", "--criterion", "sentence_prediction"),
        *("--num-classes", "2", "--init-token", "0", "--max-positions", "32"),
        *("--finetune-from-model", str(tmp_path / "masked/checkpoint_last.pt")),
        *("--see-index", str(mono)),
    )
    with pytest.raises(SystemExit, match=r"^error: the weights were trained with other options than see 7[23] x 64, "):
        train(tmp_path / "data", tmp_path / "other", "--see-ratio", "3", options=options)
    # So small a rate that its initialisation shows.
    words = ("--see-ratio", "2", "--lr", "1e-9", "--max-epoch", "1")
    start = train(tmp_path / "data", tmp_path / "start", *words, options=options)["model"]
    masked = torch.load(tmp_path / "masked/checkpoint_last.pt", weights_only=True)["model"]
    assert {name.split(".")[0] for name in start.keys() - masked.keys()} == {"classification_heads"}
    for name, value in masked.items():
        torch.testing.assert_close(start[name], value, atol=1e-6, rtol=1e-5)
    end = train(tmp_path / "data", tmp_path / "end", "--see-ratio", "2", "--max-epoch", "8", options=options)
    assert end["extra_state"]["val_loss"] < 0.5
