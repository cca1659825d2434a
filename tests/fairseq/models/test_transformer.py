"""What fairseq may do to a model: share, tie, halve, checkpoint, copy, average, distribute."""

import copy
import math
import shutil
import socket

import pytest
import torch
import torch.multiprocessing as mp
from fairseq import checkpoint_utils, options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.models import ARCH_MODEL_REGISTRY
from torch.nn.parallel import DistributedDataParallel

from fairseq_see.embeddings import Embedding
from fairseq_see.models.checkpoint import load_embeddings
from fairseq_see.models.transformer import PRESETS
from tests.fairseq.models.conftest import RECIPE
from tests.helpers import ROOT, run_command


def build(data, *words):
    """Task, model, criterion and one training batch, built as fairseq-train builds them."""
    parser = options.get_training_parser()
    args = options.parse_args_and_arch(parser, [str(data), *RECIPE, *words])
    cfg = convert_namespace_to_omegaconf(args)
    torch.manual_seed(1)
    task = tasks.setup_task(cfg.task)
    model = task.build_model(cfg.model)
    task.load_dataset("train")
    batches = task.get_batch_iterator(task.dataset("train"), max_tokens=400, seed=1).next_epoch_itr(shuffle=False)
    return model, task.build_criterion(cfg.criterion), next(iter(batches))


def loss_of(model, criterion, sample):
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
    assert loss_of(model, criterion, sample).item() <= math.log(2072) + 1


@pytest.mark.parametrize(
    ("data", "words", "embeddings"),
    [
        ("data-bin", (), 2),
        ("joined", (), 2),
        ("joined", ("--share-all-embeddings",), 1),
        ("data-bin", ("--see-method", "dense"), 2),
        ("data-bin", ("--see-method", "morph_lstm"), 2),
    ],
)
def test_sides_own_their_tables_unless_they_share(toy, data, words, embeddings):
    extra = () if "--see-method" in words else ("--see-ratio", "2")
    model, criterion, sample = build(toy / data, *words, *extra)
    assert len({id(module) for module in model.modules() if isinstance(module, Embedding)}) == embeddings
    assert (model.encoder.embed_tokens is model.decoder.embed_tokens) == (embeddings == 1)
    loss_of(model, criterion, sample).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_index_is_found_beside_the_data_by_its_name(toy, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(toy / "data-bin", data)
    (data / "other").mkdir()
    for side in ("zh", "en"):
        (data / f"dict.{side}.see").rename(data / "other" / f"dict.{side}.see")
    model, _, _ = build(data, "--see-args", "vectors=2", "--see-index", "other")
    assert model.encoder.embed_tokens.method == "see"


def test_untied_output_has_a_matrix_of_its_own(toy):
    """The presets tie; what unties them is asking for an architecture without a preset."""
    words = ("--arch", "see_transformer", "--encoder-layers", "1", "--decoder-layers", "1", "--see-ratio", "3")
    model, criterion, sample = build(toy / "data-bin", *words)
    assert model.decoder.output_projection.weight.shape == (72, 512)
    loss_of(model, criterion, sample).backward()
    assert model.decoder.output_projection.weight.grad.any()


@pytest.mark.parametrize(
    ("words", "normalised"),
    [
        ((), True),
        (("--see-method", "see_paper"), False),
        (("--see-method", "see_paper", "--see-args", "layernorm=true"), True),
        (("--see-args", "layernorm=false"), False),
        (("--see-method", "word2ketxs"), False),
    ],
)
def test_see_normalises_embeddings_and_the_papers_does_not(toy, words, normalised):
    model, _, _ = build(toy / "data-bin", "--see-ratio", "2", *words)
    for side in (model.encoder, model.decoder):
        assert any(isinstance(part, torch.nn.LayerNorm) for part in side.embed_tokens.modules()) == normalised


@pytest.mark.parametrize("preset", ["see_transformer_iwslt_zh_en", "see_transformer_wmt_zh_en"])
def test_presets_have_the_papers_shape(toy, preset):
    assert preset in PRESETS and preset in ARCH_MODEL_REGISTRY
    model, _, _ = build(toy / "data-bin", "--arch", preset, "--see-args", "vectors=1")
    for side in (model.encoder, model.decoder):
        assert len(side.layers) == 6 and side.embed_tokens.embedding_dim == 512
        assert side.layers[0].fc1.out_features == 1024 and side.layers[0].self_attn.num_heads == 4


def test_output_equals_a_dense_model_with_the_same_table(toy):
    """The plugin changes the embedding and nothing else."""
    see, criterion, sample = build(toy / "data-bin", "--see-ratio", "2", "--dropout", "0")
    dense, _, _ = build(toy / "data-bin", "--see-method", "dense", "--dropout", "0")
    rest = {name: value for name, value in see.state_dict().items() if "embed_tokens" not in name}
    dense.load_state_dict(rest, strict=False)
    for side in ("encoder", "decoder"):
        getattr(dense, side).embed_tokens.vectors.data.copy_(getattr(see, side).embed_tokens.table())
    torch.testing.assert_close(loss_of(see, criterion, sample), loss_of(dense, criterion, sample))


def test_no_tensor_of_the_graph_stays_on_a_module(toy):
    model, criterion, sample = build(toy / "data-bin", "--see-ratio", "2")
    loss_of(model, criterion, sample).backward()
    for module in model.modules():
        for name, value in vars(module).items():
            assert not (isinstance(value, torch.Tensor) and value.grad_fn is not None), name
    twin = copy.deepcopy(model)
    torch.testing.assert_close(twin.decoder.embed_tokens.table(), model.decoder.embed_tokens.table())


def test_a_failing_forward_leaves_no_table_behind(toy):
    model, _, sample = build(toy / "data-bin", "--see-ratio", "2")
    with pytest.raises(TypeError):
        model.decoder(sample["net_input"]["prev_output_tokens"], encoder_out=3)
    assert model.decoder.embed_tokens._matrices.held is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(toy, dtype):
    model, criterion, sample = build(toy / "data-bin", "--see-ratio", "2", "--dropout", "0")
    expected = loss_of(model, criterion, sample).item()
    model = model.to(dtype)
    loss = loss_of(model, criterion, sample)
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
def test_trains_and_loads_with(toy, tmp_path, train, words):
    state = train(toy / "data-bin", tmp_path, "--see-ratio", "2", *words)
    checkpoint_utils.load_model_ensemble([str(tmp_path / "checkpoint_best.pt")])
    loss = state["extra_state"]["val_loss"]
    assert math.isfinite(loss)


def test_eval_bleu_inside_training_builds_one_table_a_validation(toy, tmp_path, train, monkeypatch):
    from fairseq_see.embeddings import SEEEmbedding

    built, table = [], SEEEmbedding.table
    monkeypatch.setattr(SEEEmbedding, "table", lambda self: built.append(self.training) or table(self))
    words = ("--eval-bleu", "--eval-bleu-args", '{"beam": 2, "max_len_b": 10}', "--eval-bleu-detok", "space")
    state = train(toy / "data-bin", tmp_path / "bleu", "--see-ratio", "2", *words, "--best-checkpoint-metric", "bleu")
    plain = train(toy / "data-bin", tmp_path / "plain", "--see-ratio", "2")
    # Two epochs and a dry run of two validation batches before them, encoder and decoder each.
    assert 0 < built.count(False) <= 2 * 2 * (2 + 2)
    for name, value in plain["model"].items():
        assert value.equal(state["model"][name]), f"{name}: validation changed training"


def test_averages_and_ensembles(toy, tmp_path, train):
    checkpoints = []
    for seed in ("1", "2"):
        state = train(toy / "data-bin", tmp_path / seed, "--see-ratio", "3", "--seed", seed)
        checkpoints.append((tmp_path / seed / "checkpoint_best.pt", state["model"]))
    mean = tmp_path / "mean.pt"
    run_command("fairseq-see", "average", *(path for path, _ in checkpoints), "--output", mean)
    averaged = torch.load(mean, weights_only=True)["model"]
    for name, value in averaged.items():
        first, second = (torch.load(path, weights_only=True)["model"][name] for path, _ in checkpoints)
        expected = (first + second) / 2 if value.is_floating_point() else first
        torch.testing.assert_close(value, expected.to(value.dtype))
    assert load_embeddings(mean)["encoder"].config.vectors
    data = ("fairseq-generate", toy / "data-bin", "--user-dir", ROOT / "fairseq_see", "--beam", "2", "--path")
    assert "BLEU4" in run_command(*data, mean).stdout
    both = ":".join(str(path) for path, _ in checkpoints)
    assert "BLEU4" in run_command(*data, both).stdout


def _two_processes(rank, port, data, words, path):
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    model, _, sample = build(data, *words)
    parallel = DistributedDataParallel(model)
    for _ in range(2):
        model.zero_grad()
        half = {name: value[rank::2] for name, value in sample["net_input"].items()}
        scores, _ = parallel(**half)
        scores.square().mean().backward()
    if rank == 0:
        torch.save({name: parameter.grad for name, parameter in model.named_parameters()}, path)
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("method", [("--see-ratio", "3"), ("--see-method", "dense"), ("--see-method", "sememe_lstm")])
def test_two_processes_train_without_find_unused_parameters(toy, tmp_path, method):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = (*method, "--dropout", "0")
    mp.spawn(_two_processes, (port, toy / "data-bin", words, tmp_path / "grads.pt"), nprocs=2)
    together = torch.load(tmp_path / "grads.pt")
    model, _, sample = build(toy / "data-bin", *words)
    loss = sum(
        model(**{name: value[rank::2] for name, value in sample["net_input"].items()})[0].square().mean() / 2
        for rank in range(2)
    )
    loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(together[name], parameter.grad, rtol=1e-4, atol=1e-6)
