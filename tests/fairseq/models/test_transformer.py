"""What fairseq may do to a model: share, tie, halve, checkpoint, copy, average, distribute."""

import copy
import math
import shutil

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.models import ARCH_MODEL_REGISTRY

from fairseq_see.cli.main import main
from fairseq_see.embeddings import Embedding, SEEEmbedding
from fairseq_see.models.checkpoint import load_embeddings
from fairseq_see.models.transformer import PRESETS
from tests.fairseq import training
from tests.fairseq.training import generate, train
from tests.helpers import run_command


def build(data, *words):
    """Model, criterion and one training batch, built as fairseq-train builds them."""
    model, task, cfg = training.build(data, *words)
    task.load_dataset("train")
    batches = task.get_batch_iterator(task.dataset("train"), max_tokens=400, seed=1).next_epoch_itr(shuffle=False)
    return model, task.build_criterion(cfg.criterion), next(iter(batches))


def compute_loss(model, criterion, sample):
    loss, size, _ = criterion(model, sample)
    return loss / size


@pytest.mark.parametrize("words", [(), ("--see-method", "see_paper")])
def test_first_loss_of_a_tied_model(toy, tmp_path, words):
    """At most ln V + 1, on a vocabulary large enough that the tokens a model sees are few of it."""
    shutil.copytree(toy / "data-bin", tmp_path / "data-bin")
    for lang in ("zh", "en"):
        dictionary = tmp_path / f"data-bin/dict.{lang}.txt"
        with dictionary.open("a", encoding="utf-8") as file:
            file.writelines(f"filler{number} 1\n" for number in range(2000))
        run_command("fairseq-see", "index", dictionary, "--senses", toy / "senses.tsv", "--morphology", "characters")
    model, criterion, sample = build(tmp_path / "data-bin", "--see-args", "vectors=3", *words)
    criterion.eps = 0
    assert compute_loss(model, criterion, sample).item() <= math.log(2072) + 1


ALONE = ("--arch", "see_transformer", "--encoder-layers", "1", "--decoder-layers", "1", "--see-ratio", "3")


@pytest.mark.parametrize(
    ("data", "words", "embeddings", "untied"),
    [
        ("data-bin", ("--see-ratio", "2"), 2, 0),
        ("joined", ("--see-ratio", "2"), 2, 0),
        ("joined", ("--see-ratio", "2", "--share-all-embeddings"), 1, 0),
        ("data-bin", ("--see-method", "dense"), 2, 0),
        ("data-bin", ("--see-method", "morph_lstm"), 2, 0),
        # The presets tie; what unties them is asking for an architecture without a preset.
        ("data-bin", ALONE, 2, 1),
    ],
)
def test_sides_own_their_matrices_unless_they_share(toy, data, words, embeddings, untied):
    model, criterion, sample = build(toy / data, *words)
    assert len({id(module) for module in model.modules() if isinstance(module, Embedding)}) == embeddings
    assert (model.encoder.embed_tokens is model.decoder.embed_tokens) == (embeddings == 1)
    assert [p.shape for name, p in model.named_parameters() if "output_projection" in name] == [(72, 512)] * untied
    compute_loss(model, criterion, sample).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_index_is_found_beside_the_data_by_its_name(toy, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(toy / "data-bin", data)
    (data / "other").mkdir()
    for side in ("zh", "en"):
        (data / f"dict.{side}.see").rename(data / "other" / f"dict.{side}.see")
    model, _, _ = build(data, "--see-args", "vectors=2", "--see-index", "other")
    assert model.encoder.embed_tokens.method == "see"


@pytest.mark.parametrize("preset", ["see_transformer_iwslt_zh_en", "see_transformer_wmt_zh_en"])
def test_presets_have_the_papers_shape(toy, preset):
    assert preset in PRESETS and preset in ARCH_MODEL_REGISTRY
    model, _, _ = build(toy / "data-bin", "--arch", preset, "--see-args", "vectors=1")
    for side in (model.encoder, model.decoder):
        assert len(side.layers) == 6 and side.embed_tokens.embedding_dim == 512
        assert side.layers[0].fc1.out_features == 1024 and side.layers[0].self_attn.num_heads == 4


def test_no_tensor_of_the_graph_stays_on_a_module(toy):
    model, criterion, sample = build(toy / "data-bin", "--see-ratio", "2")
    compute_loss(model, criterion, sample).backward()
    for module in model.modules():
        for name, value in vars(module).items():
            assert not (isinstance(value, torch.Tensor) and value.grad_fn is not None), name
    twin = copy.deepcopy(model)
    torch.testing.assert_close(twin.decoder.embed_tokens.table(), model.decoder.embed_tokens.table())
    with pytest.raises(TypeError):
        model.decoder(sample["net_input"]["prev_output_tokens"], encoder_out=3)
    assert model.decoder.embed_tokens._matrices.held is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(toy, dtype):
    model, criterion, sample = build(toy / "data-bin", "--see-ratio", "2", "--dropout", "0")
    expected = compute_loss(model, criterion, sample).item()
    model = model.to(dtype)
    loss = compute_loss(model, criterion, sample)
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=0.02)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    "words",
    [
        ("--update-freq", "2"),
        ("--checkpoint-activations",),
        ("--store-ema", "--ema-decay", "0.9"),
        ("--see-args", "layernorm=false,init=xavier"),
        ("--arch", "see_transformer", "--encoder-layers", "1", "--decoder-layers", "1", "--encoder-embed-dim", "64",
         "--decoder-embed-dim", "27", "--decoder-attention-heads", "3", "--encoder-normalize-before"),
    ],
)  # fmt: skip
def test_trains_and_loads_with(toy, tmp_path, words):
    state = train(toy / "data-bin", tmp_path, "--see-ratio", "2", *words, "--max-epoch", "1")
    checkpoint_utils.load_model_ensemble([str(tmp_path / "checkpoint_best.pt")])
    assert math.isfinite(state["extra_state"]["val_loss"])


def test_eval_bleu_inside_training_builds_one_matrix_a_validation(toy, trained, tmp_path, monkeypatch):
    built, table = [], SEEEmbedding.table
    monkeypatch.setattr(SEEEmbedding, "table", lambda self: built.append(self.training) or table(self))
    words = ("--eval-bleu", "--eval-bleu-args", '{"beam": 2, "max_len_b": 10}', "--eval-bleu-detok", "space")
    words += ("--best-checkpoint-metric", "bleu", "--max-epoch", "6", "--validate-interval", "3")
    state = train(toy / "data-bin", tmp_path, "--see-ratio", "3", *words)
    # Two validations and a dry run of two validation batches before them, encoder and decoder each.
    assert 0 < built.count(False) <= 2 * 2 * (2 + 2)
    for name, value in torch.load(trained("see"), weights_only=True)["model"].items():
        assert value.equal(state["model"][name]), f"{name}: validation changed training"


def test_averages_and_ensembles(toy, trained, tmp_path):
    paths, mean = [trained("see"), trained("see-2")], tmp_path / "mean.pt"
    assert main(["average", *map(str, paths), "--output", str(mean)]) == 0
    tables = [load_embeddings(path)["decoder"].table() for path in (*paths, mean)]
    assert not any(tables[2].equal(table) for table in tables[:2])
    assert generate(toy / "data-bin", mean) != generate(toy / "data-bin", ":".join(map(str, [*paths, mean])))
