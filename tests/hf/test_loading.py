"""save_pretrained and from_pretrained: no dense copy, and whatever transformers can do with a stock model."""

import copy
import json
import pickle
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertForMaskedLM,
    Trainer,
    TrainingArguments,
    modeling_utils,
)
from transformers.quantizers import auto
from transformers.utils import hub

from fairseq_see.embeddings import REGISTRY
from fairseq_see.embeddings.buffers import CodeBuffer
from fairseq_see.errors import SeeError
from fairseq_see.hf import compress_embeddings, get_compressed_embeddings, materialise, ship, surgery
from tests.hf.conftest import compute_logits, make_batch, make_tiny
from tests.hf.test_compress import OPTIONS, TIED


@pytest.fixture
def compressed(family, small):
    return small(family)


@pytest.fixture
def saved(small, tmp_path):
    """The folder of a compressed GPT-2."""
    small("gpt2").save_pretrained(tmp_path)
    return tmp_path


def test_round_trip_without_a_dense_copy(family, compressed, batch, tmp_path):
    compressed.save_pretrained(tmp_path)
    tensors, embedding = load_file(tmp_path / "model.safetensors"), compressed.get_input_embeddings()
    dense = [name for name, tensor in tensors.items() if tensor.shape == embedding.weight.shape]
    assert dense == ([] if family in TIED else ["lm_head.weight"])
    assert family not in TIED or compressed.get_output_embeddings().embedding is embedding
    # Each tensor is stored once.
    parameters = sum(tensor.numel() for name, tensor in tensors.items() if "version" not in name)
    assert parameters == sum(parameter.numel() for parameter in compressed.parameters())
    again, info = type(compressed).from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert compute_logits(again, batch).equal(compute_logits(compressed, batch))
    again.save_pretrained(tmp_path / "again")
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("method", sorted(set(REGISTRY) - {"dense", "random"}))
def test_files_take_the_bytes_of_the_footprint(method, indexes, tmp_path):
    """In half precision; beside them are a header for codes, and the number that binds config and weights."""
    index, options = indexes["llama-tied"], OPTIONS.get(method, {})
    model = compress_embeddings(make_tiny("llama-tied"), method=method, index=index, ratio=None, **options)
    embedding = ship(model.to(torch.float16)).get_input_embeddings()
    wanted = embedding.table()
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        tensors = [file.get_tensor(name) for name in file.keys() if "embed_tokens" in name]  # noqa: SIM118
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    extra = 16 if any(isinstance(module, CodeBuffer) for module in embedding.modules()) or method == "low_bit" else 0
    assert size == embedding.footprint().bytes + 8 + extra
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float16)
    assert again.get_input_embeddings().table().equal(wanted)
    card = (tmp_path / "README.md").read_text()
    assert f"| input | `{embedding.method}` | 408 x 32 | {embedding.ratio:.2f}x of " in card
    assert f"| {size:,} | {408 * 32 * 2:,} |" in card and "import fairseq_see.hf" in card
    # A card that a person wrote stays.
    (tmp_path / "README.md").write_text("mine")
    model.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize("side", ["input", "output"])
def test_an_untied_model_is_saved_as_it_is(family, model, batch, side, tmp_path):
    """PEFT's modules_to_save leaves a trained copy in the place of a module."""
    compress_embeddings(model, method="low_rank", ratio=4)
    module = model.get_input_embeddings() if side == "input" else model.get_output_embeddings()
    model.set_submodule(surgery.find_name(model, module), copied := copy.deepcopy(module))
    for parameter in copied.parameters():
        parameter.data.mul_(1.5)
    if family == "t5" and side == "input":
        with pytest.raises(SeeError, match=r"encoder\.embed_tokens had the input embedding and now has another"):
            model.save_pretrained(tmp_path)
        assert not list(tmp_path.iterdir())
        return
    if family == "bert":
        # PEFT declares the embeddings untied; the biases stay tied.
        model.config.tie_word_embeddings = False
    wanted = compute_logits(model, batch)
    model.save_pretrained(tmp_path)
    again, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and compute_logits(again, batch).equal(wanted)
    torch.testing.assert_close(compute_logits(materialise(again), batch), wanted)
    torch.testing.assert_close(compute_logits(materialise(model), batch), wanted)


@pytest.mark.parametrize("family", TIED)
def test_a_tied_model_that_is_declared_untied(family, compressed, batch, tmp_path):
    """As PEFT leaves it when it merges an adapter."""
    wanted = compute_logits(compressed, batch)
    compressed.config.tie_word_embeddings = False
    compressed.save_pretrained(tmp_path / "small")
    again = type(compressed).from_pretrained(tmp_path / "small")
    assert compute_logits(again, batch).equal(wanted)
    again.config.tie_word_embeddings = False
    materialise(again).save_pretrained(tmp_path / "stock")
    torch.testing.assert_close(compute_logits(type(again).from_pretrained(tmp_path / "stock"), batch), wanted)


def test_a_replaced_output_layer_is_saved_as_it_is(family, model, batch, tmp_path):
    compress_embeddings(model, method="low_rank", ratio=4)
    bias = getattr(model.get_output_embeddings(), "bias", None) is not None
    model.set_output_embeddings(torch.nn.Linear(32, model.config.vocab_size, bias=bias))
    wanted = compute_logits(model, batch)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["quantization_config"]["output"] == "dense"
    assert compute_logits(type(model).from_pretrained(tmp_path), batch).equal(wanted)


def test_a_changed_inference_mode_is_saved(tmp_path):
    model = compress_embeddings(make_tiny("llama"), method="low_rank", ratio=4, output="untied")
    model.get_input_embeddings().inference = "factored"
    model.save_pretrained(tmp_path)
    again = get_compressed_embeddings(AutoModelForCausalLM.from_pretrained(tmp_path))
    assert {side: embedding.inference for side, embedding in again.items()} == {"input": "factored", "output": "auto"}


def test_an_exchanged_input_embedding_is_refused(tmp_path):
    model = compress_embeddings(make_tiny("llama"), method="low_rank", ratio=4)
    model.set_input_embeddings(torch.nn.Embedding(408, 32))
    with pytest.raises(SeeError, match="has no compressed embeddings"):
        model.save_pretrained(tmp_path)


def test_without_this_package_nothing_else_is_loaded(family, compressed, tmp_path, monkeypatch):
    """As in a process that has not imported it, lm_eval's for example."""
    compressed.save_pretrained(tmp_path)
    monkeypatch.delitem(auto.AUTO_QUANTIZATION_CONFIG_MAPPING, "fairseq_see")
    monkeypatch.delitem(auto.AUTO_QUANTIZER_MAPPING, "fairseq_see")
    for cls in (type(compressed), AutoModel):
        with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
            cls.from_pretrained(tmp_path)


DAMAGES = (
    lambda c: c.pop("embeddings"),
    lambda c: c.update(embeddings=["input"]),
    lambda c: c.update(embeddings={"input": "see"}),
    lambda c: c["embeddings"].update(output=c["embeddings"].pop("input")),
    lambda c: c["embeddings"]["input"].update(inference="quick"),
    lambda c: c.pop("output"),
    lambda c: c.update(output="untied"),
    lambda c: c.update(scale="8"),
    lambda c: c.update(bits=4),
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["embeddings"]["input"]["config"].update(output_scale=9.0), "are of different models"),
        (lambda c: c["embeddings"]["input"].update(rows=10**15), "an input embedding of 1000000000000000 x 32"),
        (lambda c: c["embeddings"]["input"]["index"].update(groups=10**15), "of different models, or damaged"),
        (lambda c: c["embeddings"]["input"]["config"].pop("vectors"), "'see' needs 'vectors'"),
        (lambda c: c["embeddings"]["input"].pop("method"), "the description of an embedding is damaged"),
        (lambda c: c.update(version=3), "version 3 of compressed embeddings"),
        *((change, "the quantization_config in config.json is damaged; save the model again") for change in DAMAGES),
    ],
)
def test_a_changed_config(change, message, saved):
    path = saved / "config.json"
    config = json.loads(path.read_text())
    change(config["quantization_config"])
    path.write_text(json.dumps(config))
    with pytest.raises(SeeError, match=message):
        AutoModelForCausalLM.from_pretrained(saved)


def test_damaged_files(saved):
    weights, config = saved / "model.safetensors", saved / "config.json"
    content, state = weights.read_bytes(), load_file(weights)

    def load(**changes: torch.Tensor | None) -> None:
        tensors = {name: tensor for name, tensor in (state | changes).items() if tensor is not None}
        save_file(tensors, weights, {"format": "pt"})
        AutoModelForCausalLM.from_pretrained(saved)

    packed = state["transformer.wte.index_version_1.packed_index"].clone()
    packed[40] ^= 1
    with pytest.raises(SeeError, match="damaged unit index"):
        load(**{"transformer.wte.index_version_1.packed_index": packed})
    for name in ("morphemes.vectors", "index_version_1.packed_index", "config_version"):
        with pytest.raises(SeeError, match=r"config.json and weights are of different models, or damaged"):
            load(**{f"transformer.wte.{name}": None})
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(SeeError, match=r"model\.safetensors is damaged or no safetensors file"):
        AutoModelForCausalLM.from_pretrained(saved)
    config.write_text(config.read_text()[:-20])
    with pytest.raises(OSError, match="not a valid JSON file"):
        AutoModelForCausalLM.from_pretrained(saved)


def test_state_dict_round_trip(family, compressed, small, batch):
    """torch's own way, strictly, as trainers go back to their best checkpoint."""
    other = small(family, seed=9)
    assert not compute_logits(other, batch).equal(compute_logits(compressed, batch))
    other.load_state_dict(compressed.state_dict())
    assert compute_logits(other, batch).equal(compute_logits(compressed, batch))


def test_the_hub_gets_our_card(small, tmp_path, monkeypatch):
    sent, load = {}, ModelCard.load

    class Hub:
        def create_repo(self, repo_id, **options):
            return SimpleNamespace(repo_id=repo_id)

        def create_commit(self, repo_id, operations, **options):
            (card,) = (each.path_or_fileobj for each in operations if each.path_in_repo == "README.md")
            sent[repo_id] = ModelCard.load(card)

    def find(place, **options):
        return ModelCard("written by hand") if place == "me/known" else load(place, **options)

    for module in (hub, modeling_utils):
        monkeypatch.setattr(module, "hf_api", Hub)
    monkeypatch.setattr(ModelCard, "load", find)
    model = small("gpt2")
    model.push_to_hub("me/new", tags=["mine"])
    model.save_pretrained(tmp_path, push_to_hub=True, repo_id="me/saved")
    model.push_to_hub("me/known")
    assert "| input | `see` | 408 x 32 |" in sent["me/new"].text
    assert sent["me/new"].data.tags == ["fairseq_see", "compressed-embeddings", "mine"]
    assert sent["me/saved"].content == (tmp_path / "README.md").read_text()
    assert sent["me/saved"].text == sent["me/new"].text and sent["me/known"].text == "written by hand"
    materialise(model).push_to_hub("me/stock")
    assert "`see`" not in sent["me/stock"].text


@pytest.mark.parametrize(
    "asked",
    [{"dtype": torch.bfloat16}, {"device_map": "cpu"}, {"device_map": {"": "cpu"}}, {"device_map": "auto"}],
    ids=["bfloat16", "cpu", "mapping", "auto"],
)
def test_loading_options(family, compressed, batch, tmp_path, asked):
    compressed.save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    again = type(compressed).from_pretrained(tmp_path, **asked)
    table = compressed.to(asked.get("dtype", torch.float32)).get_input_embeddings().table()
    assert again.get_input_embeddings().table().equal(table)
    # A bias is added after scores are rounded, where a linear layer adds it before.
    stock = materialise(copy.deepcopy(again))
    torch.testing.assert_close(compute_logits(again, batch), compute_logits(stock, batch), atol=0.02, rtol=0.02)


def test_auto_classes_and_other_heads(small, tokenizers, tmp_path):
    """A classifier, and the bare encoder, of a masked language model."""
    batch, model = make_batch(tokenizers["bert"]), small("bert")
    del batch["labels"]
    model.save_pretrained(tmp_path)
    classifier = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    bare = AutoModel.from_pretrained(tmp_path)
    with torch.no_grad():
        wanted = model.bert(**batch).last_hidden_state
        assert bare(**batch).last_hidden_state.equal(wanted)
        assert classifier.bert(**batch).last_hidden_state.equal(wanted)
    classifier.save_pretrained(tmp_path / "classifier")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "classifier")
    assert compute_logits(again, batch).equal(compute_logits(classifier, batch))
    back = BertForMaskedLM.from_pretrained(tmp_path / "classifier")
    assert back.get_output_embeddings().embedding is back.get_input_embeddings()


def test_the_trainer(saved, tokenizers):
    """It trains a loaded model, saves, resumes and takes the best checkpoint back."""
    batch = make_batch(tokenizers["gpt2"])
    data = [{name: value[i] for name, value in batch.items()} for i in range(2)] * 4
    model = AutoModelForCausalLM.from_pretrained(saved)
    start = model.get_input_embeddings().table().detach().clone()
    steps = {"max_steps": 4, "eval_strategy": "steps", "eval_steps": 2, "save_steps": 2, "load_best_model_at_end": True}
    steps |= {"per_device_train_batch_size": 2, "learning_rate": 0.01}
    settings = TrainingArguments(saved / "run", report_to=[], use_cpu=True, disable_tqdm=True, **steps)
    trainer = Trainer(model, settings, train_dataset=data, eval_dataset=data)
    trainer.train()
    assert not model.get_input_embeddings().table().equal(start)
    best = AutoModelForCausalLM.from_pretrained(trainer.state.best_model_checkpoint)
    assert compute_logits(best, batch).equal(compute_logits(model.eval(), batch))
    trainer.train(resume_from_checkpoint=True)


def test_layers_are_offloaded_and_embeddings_are_not(small, tokenizers, tmp_path):
    batch, model = make_batch(tokenizers["llama-tied"]), small("llama-tied")
    model.save_pretrained(tmp_path)
    parts = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm", "model.rotary_emb", "lm_head")
    places = dict.fromkeys(parts, "cpu")
    again = AutoModelForCausalLM.from_pretrained(
        tmp_path, device_map={**places, "model.layers.0": "disk"}, offload_folder=tmp_path / "disk"
    )
    assert compute_logits(again, batch).equal(compute_logits(model, batch))
    for part, name in (("model.embed_tokens", "model.embed_tokens"), ("lm_head", r"lm_head\.embedding")):
        with pytest.raises(SeeError, match=f"embedding {name} cannot be offloaded to disk"):
            AutoModelForCausalLM.from_pretrained(tmp_path, device_map={**places, part: "disk"})


def test_copies_and_pickles(small, tokenizers):
    """What is put on the model itself belongs to the copy."""
    batch, model = make_batch(tokenizers["t5"]), small("t5")
    rows = model.config.vocab_size
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert compute_logits(other, batch).equal(compute_logits(model, batch))
        assert other.resize_token_embeddings(rows) is other.get_input_embeddings() is other.encoder.embed_tokens
        other.load_state_dict(model.state_dict())


def test_compressing_while_loading_is_refused(small, tmp_path):
    make_tiny("gpt2").save_pretrained(tmp_path)
    with pytest.raises(SeeError, match="load the stock model without"):
        AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=small("gpt2").config.quantization_config)
