"""Embeddings in fairseq's own models: the README's architecture through the real commands, and what may be tied."""

import copy
import logging
import pickle
import re
import shutil

import pytest
import torch

from fairseq_see.embeddings import Embedding
from fairseq_see.models.checkpoint import load_embeddings
from fairseq_see.models.replace import replace_embeddings
from tests.fairseq import training
from tests.fairseq.training import TIED, generate, train
from tests.helpers import ROOT, run_command

OPTIMISER = (
    *("--criterion", "see_cross_entropy", "--optimizer", "adam", "--lr", "0.005", "--max-tokens", "400"),
    *("--update-epoch-batch-itr", "True", "--no-epoch-checkpoints", "--no-progress-bar", "--num-workers", "0"),
)


@pytest.fixture(scope="module")
def user_dir(tmp_path_factory):
    """The README's folder, as a reader writes it."""
    block = (ROOT / "examples/add_an_architecture.py").read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("user") / "my_lstm"
    folder.mkdir()
    (folder / "__init__.py").write_text(block, encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "inference"),
    [
        (("--see-ratio", "2"), ()),
        (("--see-method", "sememe_lstm"), ("--model-overrides", "{'see_inference': 'factored'}")),
    ],
)
def test_the_readmes_architecture_trains_resumes_and_generates(user_dir, toy, tmp_path, caplog, method, inference):
    caplog.set_level(logging.INFO, logger="fairseq")
    data, save_dir, user = tmp_path / "data-bin", tmp_path / "run", ("--user-dir", user_dir)
    shutil.copytree(toy / "data-bin", data)
    words = (*user, "--arch", "see_lstm_small", *OPTIMISER, *method)
    run_command("fairseq-train", data, *words, "--save-dir", save_dir, "--max-epoch", "1")
    train(data, save_dir, "--max-epoch", "2", options=words)
    assert re.search(r"Loaded checkpoint .*checkpoint_last.pt \(epoch 2 @", caplog.text)
    with pytest.raises(SystemExit, match=r"^error: .* were trained with other options than see 72 x"):
        train(data, save_dir, "--see-method", "see", "--see-ratio", "3", options=words)
    # The index travels inside the checkpoint.
    for index in data.glob("*.see"):
        index.unlink()
    generate(data, save_dir / "checkpoint_last.pt", *user, *inference)
    assert load_embeddings(save_dir / "checkpoint_last.pt").keys() == {"encoder", "decoder"}
    run_command("fairseq-see", "export", save_dir / "checkpoint_last.pt", "--output", tmp_path / "small")
    generate(data, tmp_path / "small/model.safetensors", *user, *inference)


def build(data, arch, *words, ratio=2):
    """A stock model with replaced embeddings, and its task."""
    model, task, cfg = training.build(data, "--arch", arch, *words, options=OPTIMISER)
    cfg.model.see_ratio = ratio
    return replace_embeddings(model, cfg.model, task), task


LSTM = ("lstm", "--encoder-embed-dim", "27", "--decoder-embed-dim", "27", "--decoder-out-embed-dim", "27")
LIGHTCONV = (
    *("lightconv_iwslt_de_en", "--encoder-layers", "1", "--decoder-layers", "1", "--encoder-embed-dim", "64"),
    *("--decoder-embed-dim", "64", "--encoder-kernel-size-list", "[3]", "--decoder-kernel-size-list", "[3]"),
)


@pytest.mark.parametrize(
    ("data", "words", "embeddings", "matrices"),
    [
        ("data-bin", LSTM, 2, 1),
        ("data-bin", (*LSTM, TIED), 2, 0),
        ("joined", (*LSTM, "--share-all-embeddings"), 1, 0),
        ("data-bin", LIGHTCONV, 2, 1),
        ("data-bin", (*LIGHTCONV, TIED), 2, 0),
        ("joined", (*LIGHTCONV, "--share-all-embeddings"), 1, 0),
    ],
)
def test_ties_are_kept_and_no_dense_matrix_stays(toy, data, words, embeddings, matrices):
    model, task = build(toy / data, *words)
    assert len({module for module in model.modules() if isinstance(module, Embedding)}) == embeddings
    rows = len(task.target_dictionary)
    assert sum(parameter.shape[:1] == (rows,) for parameter in model.parameters() if parameter.dim() > 1) == matrices
    tokens = torch.tensor([[5, 6, 7, 2], [8, 9, 10, 2]])
    scores, _ = model.eval()(tokens, torch.tensor([4, 4]), tokens)
    if not matrices:
        # Scores of a tied output lie in the span of the matrix's columns.
        table = model.decoder.embed_tokens.table().detach().double()
        projected = scores.double() @ table @ torch.linalg.pinv(table)
        torch.testing.assert_close(projected, scores.double(), atol=1e-5, rtol=0)
    torch.nn.functional.cross_entropy(scores.flatten(0, 1), tokens.flatten()).backward()
    for half in (model.encoder, model.decoder):
        assert all(parameter.grad is not None for parameter in half.embed_tokens.parameters())
    # What fairseq's moving average and its workers do.
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            for parameter in twin.decoder.embed_tokens.parameters():
                parameter.mul_(2)
        assert not torch.allclose(twin(tokens, torch.tensor([4, 4]), tokens)[0], scores)
        torch.testing.assert_close(model(tokens, torch.tensor([4, 4]), tokens)[0], scores)


@pytest.mark.parametrize(
    ("words", "ratio", "message"),
    [
        (LSTM, 3000, "'see' cannot compress 3000x here; nearest ratio: "),
        ((*LSTM, "--encoder-freeze-embed"), 2, "--encoder-freeze-embed does not go with --see-method; leave it out"),
        (
            ("fconv", "--share-input-output-embed", "--decoder-out-embed-dim", "512"),
            2,
            "this model ties its output in a way that cannot be replaced; leave it untied",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(toy, words, ratio, message):
    with pytest.raises(SystemExit, match=f"^error: {message}") as error:
        build(toy / "data-bin", *words, ratio=ratio)
    assert "\n" not in str(error.value)
