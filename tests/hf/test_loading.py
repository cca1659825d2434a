"""save_pretrained and from_pretrained: no dense copy, and whatever transformers can do with a stock model."""

import copy
import json
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertForMaskedLM,
    Trainer,
    TrainingArguments,
)
from transformers.quantizers import auto

from fairseq_see.embeddings import Embedding
from fairseq_see.embeddings.buffers import CodeBuffer
from fairseq_see.errors import SeeError
from fairseq_see.hf import CompressionConfig, compress_embeddings, compressed_embeddings, materialise, ship
from tests.hf.conftest import batch_for, tiny
from tests.hf.test_compress import OPTIONS


def logits(model, batch):
    with torch.no_grad():
        return model(**batch).logits


def shapes(folder) -> dict:
    """Name -> shape of what the safetensors files in a folder hold."""
    found = {}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            found |= {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    return found


@pytest.fixture
def compressed(family, model, indexes):
    return compress_embeddings(model, index=indexes[family], ratio=None, vectors=2)


def test_round_trip_without_a_dense_copy(family, compressed, batch, tmp_path):
    compressed.save_pretrained(tmp_path)
    rows, columns = compressed.get_input_embeddings().weight.shape
    dense = [name for name, shape in shapes(tmp_path).items() if shape == (rows, columns)]
    assert dense == ([] if compressed.config.quantization_config.output == "tied" else ["lm_head.weight"])
    again, info = type(compressed).from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert logits(again, batch).equal(logits(compressed, batch))
    again.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again/model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()
    assert json.loads((tmp_path / "again/config.json").read_text()) == json.loads(
        (tmp_path / "config.json").read_text()
    )


def test_each_tensor_is_stored_once(family, compressed, tmp_path):
    compressed.save_pretrained(tmp_path)
    numbers = sum(torch.Size(shape).numel() for name, shape in shapes(tmp_path).items() if "version" not in name)
    assert numbers == sum(parameter.numel() for parameter in compressed.parameters())


@pytest.mark.parametrize("method", sorted(set(OPTIONS) - {"dense", "random"}))
def test_files_take_the_bytes_of_the_footprint(method, indexes, tmp_path):
    """In half precision; beside them are a header for codes, and the number that binds config and weights."""
    model = compress_embeddings(
        tiny("llama-tied", 408), method=method, index=indexes["llama-tied"], ratio=None, **OPTIONS[method]
    )
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


def test_a_card_that_a_person_wrote_stays(indexes, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    compress_embeddings(tiny("gpt2", 408), method="low_rank", ratio=4).save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def exchange(model, name: str) -> None:
    """What PEFT's modules_to_save leaves of a module: a copy of its own, trained."""
    copied = copy.deepcopy(model.get_submodule(name))
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.mul_(1.5)
    model.set_submodule(name, copied)


@pytest.mark.parametrize("side", ["input", "output"])
def test_an_untied_model_is_saved_as_it_is(family, model, batch, side, tmp_path):
    compress_embeddings(model, method="low_rank", ratio=4)
    names = {module: name for name, module in model.named_modules()}
    exchange(model, names[model.get_input_embeddings() if side == "input" else model.get_output_embeddings()])
    if family == "t5" and side == "input":
        with pytest.raises(SeeError, match=r"encoder\.embed_tokens had the input embedding and now has another"):
            model.save_pretrained(tmp_path)
        assert not list(tmp_path.iterdir())
        return
    wanted = logits(model, batch)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert logits(again, batch).equal(wanted)
    torch.testing.assert_close(logits(materialise(again), batch), wanted)
    torch.testing.assert_close(logits(materialise(model), batch), wanted)


def test_biases_stay_tied_where_peft_declares_the_embeddings_untied(tmp_path):
    model = compress_embeddings(tiny("bert", 208), method="low_rank", ratio=4)
    exchange(model, "bert.embeddings.word_embeddings")
    model.config.tie_word_embeddings = False
    model.save_pretrained(tmp_path)
    again, info = BertForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    batch = {"input_ids": torch.tensor([[5, 6, 7]])}
    assert logits(again, batch).equal(logits(model, batch))


def test_a_replaced_output_layer_is_saved_as_it_is(family, model, batch, tmp_path):
    compress_embeddings(model, method="low_rank", ratio=4)
    head = model.get_output_embeddings()
    bias = getattr(head, "bias", None) is not None
    model.set_output_embeddings(torch.nn.Linear(32, model.config.vocab_size, bias=bias))
    wanted = logits(model, batch)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["quantization_config"]["output"] == "dense"
    assert logits(type(model).from_pretrained(tmp_path), batch).equal(wanted)


def test_a_changed_inference_mode_is_saved(tmp_path):
    model = compress_embeddings(tiny("llama", 408), method="low_rank", ratio=4, output="untied")
    model.get_input_embeddings().inference = "factored"
    model.save_pretrained(tmp_path)
    again = compressed_embeddings(AutoModelForCausalLM.from_pretrained(tmp_path))
    assert {side: embedding.inference for side, embedding in again.items()} == {"input": "factored", "output": "cached"}


def test_an_exchanged_input_embedding_is_refused(tmp_path):
    model = compress_embeddings(tiny("llama", 408), method="low_rank", ratio=4)
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


def change_config(folder, change) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config["quantization_config"]["embeddings"]["input"])
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e["config"].update(output_scale=9.0), "config.json and the weights are of different models"),
        (lambda e: e.update(rows=10**15), "an input embedding of 1000000000000000 x 32"),
        (lambda e: e["index"].update(groups=10**15), "of different models, or damaged"),
        (lambda e: e["tensors"].update({"index_version_1.packed_index": "many"}), "damaged list of tensors"),
        (lambda e: e["tensors"].update({"left": None}), "damaged list of tensors"),
        (lambda e: e["tensors"].update({"codes.packed": 8}), "the model's files have no wte.codes.packed"),
        (lambda e: e["config"].pop("vectors"), "'see' needs 'vectors'"),
        (lambda e: e.pop("method"), "the description of an embedding is damaged"),
    ],
    ids=["scale", "rows", "groups", "length", "name", "missing", "vectors", "method"],
)
def test_a_changed_config(change, message, indexes, tmp_path):
    compress_embeddings(tiny("gpt2", 408), index=indexes["gpt2"], ratio=None, vectors=2).save_pretrained(tmp_path)
    change_config(tmp_path, change)
    with pytest.raises(SeeError, match=message):
        AutoModelForCausalLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["morphemes.vectors", "index_version_1.packed_index", "config_version"])
def test_a_missing_tensor(name, indexes, tmp_path):
    compress_embeddings(tiny("gpt2", 408), index=indexes["gpt2"], ratio=None, vectors=2).save_pretrained(tmp_path)
    state = {name: tensor.clone() for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    del state[f"transformer.wte.{name}"]
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(SeeError, match=f"the model's files have no wte.{name}"):
        AutoModelForCausalLM.from_pretrained(tmp_path)


def test_damaged_files(indexes, tmp_path):
    compress_embeddings(tiny("gpt2", 408), index=indexes["gpt2"], ratio=None, vectors=2).save_pretrained(tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    state = {name: tensor.clone() for name, tensor in load_file(weights).items()}
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(SeeError, match=r"model\.safetensors is damaged or no safetensors file"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    state["transformer.wte.index_version_1.packed_index"][40] ^= 1
    save_file(state, weights, {"format": "pt"})
    with pytest.raises(SeeError, match="damaged unit index"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    config.write_text(config.read_text()[:-20])
    with pytest.raises(OSError, match="not a valid JSON file"):
        AutoModelForCausalLM.from_pretrained(tmp_path)


def test_state_dict_round_trip(family, compressed, batch, indexes):
    """torch's own way, strictly, as trainers go back to their best checkpoint."""
    other = compress_embeddings(
        tiny(family, len(compressed.get_input_embeddings().weight)),
        index=indexes[family],
        ratio=None,
        vectors=2,
        seed=9,
    )
    assert not logits(other, batch).equal(logits(compressed, batch))
    other.load_state_dict(compressed.state_dict())
    assert logits(other, batch).equal(logits(compressed, batch))


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
    torch.testing.assert_close(logits(again, batch), logits(stock, batch), atol=0.02, rtol=0.02)


def test_a_factored_model(indexes, tokenizers, tmp_path):
    """Its index is held in 16 bits, and saved in 32 as ever."""
    for family in ("t5", "bert"):
        model = tiny(family, len(indexes[family].word_morphemes))
        compress_embeddings(model, index=indexes[family], ratio=None, vectors=2, inference="factored")
        model.save_pretrained(tmp_path / family)
        again = type(model).from_pretrained(tmp_path / family)
        batch = batch_for(family, tokenizers[family])
        assert again.get_input_embeddings().inference == "factored"
        assert logits(again, batch).equal(logits(model, batch))


def test_auto_classes_and_other_heads(indexes, tokenizers, tmp_path):
    """A classifier, and the bare encoder, of a masked language model."""
    batch = batch_for("bert", tokenizers["bert"])
    del batch["labels"]
    model = compress_embeddings(tiny("bert", 208), index=indexes["bert"], ratio=None, vectors=2)
    model.save_pretrained(tmp_path)
    classifier = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    bare = AutoModel.from_pretrained(tmp_path)
    with torch.no_grad():
        wanted = model.bert(**batch).last_hidden_state
        assert bare(**batch).last_hidden_state.equal(wanted)
        assert classifier.bert(**batch).last_hidden_state.equal(wanted)
    classifier.save_pretrained(tmp_path / "classifier")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "classifier")
    assert logits(again, batch).equal(logits(classifier, batch))
    back = BertForMaskedLM.from_pretrained(tmp_path / "classifier")
    assert back.get_output_embeddings().embedding is back.get_input_embeddings()


def test_the_trainer(indexes, tokenizers, tmp_path):
    """It trains a loaded model, saves, resumes and takes the best checkpoint back."""
    batch = batch_for("gpt2", tokenizers["gpt2"])
    data = [{name: value[i] for name, value in batch.items()} for i in range(2)] * 4
    model = compress_embeddings(tiny("gpt2", 408), index=indexes["gpt2"], ratio=None, vectors=2)
    model.save_pretrained(tmp_path / "start")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "start")
    start = model.get_input_embeddings().table().detach().clone()
    settings = TrainingArguments(
        output_dir=tmp_path / "run",
        max_steps=4,
        per_device_train_batch_size=2,
        learning_rate=0.01,
        eval_strategy="steps",
        eval_steps=2,
        save_steps=2,
        load_best_model_at_end=True,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(model, settings, train_dataset=data, eval_dataset=data)
    trainer.train()
    assert not model.get_input_embeddings().table().equal(start)
    best = AutoModelForCausalLM.from_pretrained(trainer.state.best_model_checkpoint)
    assert logits(best, batch).equal(logits(model.eval(), batch))
    trainer.train(resume_from_checkpoint=True)


def test_layers_are_offloaded_and_embeddings_are_not(indexes, tokenizers, tmp_path):
    batch = batch_for("llama-tied", tokenizers["llama-tied"])
    model = compress_embeddings(tiny("llama-tied", 408), index=indexes["llama-tied"], ratio=None, vectors=2)
    model.save_pretrained(tmp_path)
    parts = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm", "model.rotary_emb", "lm_head")
    places = dict.fromkeys(parts, "cpu")
    again = AutoModelForCausalLM.from_pretrained(
        tmp_path, device_map={**places, "model.layers.0": "disk"}, offload_folder=tmp_path / "disk"
    )
    assert logits(again, batch).equal(logits(model, batch))
    with pytest.raises(SeeError, match=r"embedding model\.embed_tokens cannot be offloaded to disk"):
        AutoModelForCausalLM.from_pretrained(tmp_path, device_map={**places, "model.embed_tokens": "disk"})


def test_copies_and_pickles(indexes, tokenizers):
    """What is put on the model itself belongs to the copy."""
    batch = batch_for("t5", tokenizers["t5"])
    model = compress_embeddings(tiny("t5", 120), index=indexes["t5"], ratio=None, vectors=2)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert logits(other, batch).equal(logits(model, batch))
        assert other.resize_token_embeddings(120) is other.get_input_embeddings() is other.encoder.embed_tokens
        other.load_state_dict(model.state_dict())


def test_settings_are_json(indexes):
    model = compress_embeddings(tiny("gpt2", 408), index=indexes["gpt2"], ratio=None, vectors=2)
    record = model.config.quantization_config
    assert CompressionConfig.from_dict(json.loads(json.dumps(record.to_dict()))).to_dict() == json.loads(
        json.dumps(record.to_dict())
    )


def test_a_later_version(indexes, tmp_path):
    compress_embeddings(tiny("gpt2", 408), index=indexes["gpt2"], ratio=None, vectors=2).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"]["version"] = 3
    path.write_text(json.dumps(config))
    with pytest.raises(SeeError, match="version 3 of compressed embeddings"):
        AutoModelForCausalLM.from_pretrained(tmp_path)


def test_compressing_while_loading_is_refused(indexes, tmp_path):
    stock = tiny("gpt2", 408)
    stock.save_pretrained(tmp_path)
    record = compress_embeddings(stock, index=indexes["gpt2"], ratio=None, vectors=2).config.quantization_config
    with pytest.raises(SeeError, match="load the stock model without"):
        AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=record)


def test_a_materialised_model_is_saved_as_a_stock_one(family, compressed, batch, tmp_path):
    materialise(compressed).save_pretrained(tmp_path)
    assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())
    assert AutoConfig.from_pretrained(tmp_path).model_type == compressed.config.model_type
    again = type(compressed).from_pretrained(tmp_path)
    assert not any(isinstance(module, Embedding) for module in again.modules())
    assert logits(again, batch).equal(logits(compressed, batch))
