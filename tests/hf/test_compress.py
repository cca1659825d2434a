"""Models of five families, compressed: what they compute, what is tied, how they train and generate."""

import copy
from collections import Counter

import pytest
import torch
from torch import nn
from transformers import LlamaForCausalLM

from fairseq_see.embeddings import REGISTRY, Embedding, build
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig
from fairseq_see.hf import compress_embeddings, compressed_embeddings, extend_index, materialise, ship
from fairseq_see.hf.surgery import ProjectionHead
from tests.hf.conftest import FAMILIES, batch_for, rows_for, tiny

TIED = ("llama-tied", "gpt2", "bert", "t5")
UNTIED = ("phi3", "llama")

SMALL = {
    "product_quantised": {"subvectors": 4, "centroids": 16},
    "dpq": {"subvectors": 4, "centroids": 16},
    "low_bit": {"rank": 8},
    "low_rank": {"rank": 4},
}

# With k = d, a fitted matrix is the dense table itself.
EXACT = {"method": "low_rank", "ratio": None, "rank": 32, "fit": FitConfig(epochs=0)}
OPTIONS = SMALL | {
    "dense": {},
    "see": {"vectors": 2},
    "see_paper": {"vectors": 2},
    "morphte": {"vectors": 2},
    "word2ket": {"rank": 2, "order": 2},
    "word2ketxs": {"rank": 2, "order": 2},
    "tensor_train": {"rank": (4, 4)},
    "low_rank": {"rank": 4, "bias": True},
    "morph_lstm": {},
    "sememe_lstm": {},
    "int8": {},
    "random": {},
}


def logits(model: nn.Module, batch: dict) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch).logits


def count_tables(embedding: Embedding) -> Counter:
    """Counts the tables that the embedding builds from now on."""
    counter, build = Counter(), embedding.table

    def table():
        counter["tables"] += 1
        return build()

    embedding.table = table
    return counter


@pytest.mark.parametrize("output", ["auto", "untied", "dense"])
def test_an_exact_fit_changes_nothing(family, model, batch, output):
    before = logits(model, batch)
    compress_embeddings(model, output=output, **EXACT)
    torch.testing.assert_close(logits(model, batch), before, atol=1e-4, rtol=1e-4)
    assert set(compressed_embeddings(model)) == ({"input", "output"} if output == "untied" else {"input"})


def test_no_dense_matrix_stays_where_the_output_is_tied(family, model, indexes):
    """In T5 it stood in four places, in BERT beside a bias."""
    rows = model.get_input_embeddings().num_embeddings
    compress_embeddings(model, index=indexes[family], ratio=None, vectors=2)
    matrices = [n for n, p in model.named_parameters(remove_duplicate=False) if p.ndim == 2 and rows in p.shape]
    assert matrices == ([] if family in TIED else ["lm_head.weight"])
    if family in TIED:
        assert model.get_output_embeddings().embedding is model.get_input_embeddings()


@pytest.mark.parametrize("family", TIED)
def test_a_tied_forward_builds_one_table(family, model, batch, indexes):
    compress_embeddings(model, index=indexes[family], ratio=None, vectors=2).train()
    counter = count_tables(model.get_input_embeddings())
    model(**batch).loss.backward()
    assert counter["tables"] == 1
    model.eval()
    logits(model, batch), logits(model, batch)
    assert counter["tables"] == 2
    # Nothing of the graph stays behind, also where a forward fails.
    model.train()
    with pytest.raises(Exception):  # noqa: B017 - whatever the model makes of it
        model(input_ids=torch.tensor([[10**6]]))
    assert model.get_input_embeddings()._matrices.held is None


def test_gradients_are_those_of_the_dense_model(family, tokenizers):
    """By the chain rule: of a table E = A B, dL/dA = dL/dE B^T, where dL/dE is the tied dense matrix's gradient."""
    batch, stock = batch_for(family, tokenizers[family]), tiny(family, rows_for(tokenizers[family]))
    model = compress_embeddings(copy.deepcopy(stock), output="auto", **EXACT)
    stock(**batch).loss.backward()
    model(**batch).loss.backward()
    embedding = model.get_input_embeddings()
    wanted = stock.get_input_embeddings().weight.grad @ embedding.right.detach().T * embedding.output_scale
    # Stock models keep the padding row, which comes first, from learning by look-ups.
    rows = torch.arange(1, len(wanted))
    torch.testing.assert_close(embedding.left.grad[rows], wanted[rows], atol=1e-5, rtol=1e-3)


def test_gradient_checkpointing(family, model, batch, indexes):
    compress_embeddings(model, index=indexes[family], ratio=None, vectors=2).train()
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            model.activation_checkpointing_enable()
            model.enable_input_require_grads()
        model.zero_grad()
        torch.manual_seed(0)
        model(**batch).loss.backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "bert"])
def test_generates_what_its_stock_form_does(family, model, batch, indexes):
    compress_embeddings(model, index=indexes[family], ratio=None, vectors=2)
    stock = materialise(copy.deepcopy(model))
    asked = {"max_new_tokens": 6, "num_beams": 2, "do_sample": False, "attention_mask": batch["attention_mask"]}
    counter = count_tables(model.get_input_embeddings())
    assert model.generate(batch["input_ids"], **asked).equal(stock.generate(batch["input_ids"], **asked))
    assert counter["tables"] == 1


def test_half_precision(family, model, batch, indexes):
    """Products in float32: a row is that of the rounded vectors, rounded itself once for each sense."""
    compress_embeddings(model, index=indexes[family], ratio=None, vectors=2).to(torch.bfloat16)
    embedding = model.get_input_embeddings()
    wanted, table = copy.deepcopy(embedding).float().table(), embedding.table()
    assert table.dtype == torch.bfloat16
    assert (table.float() - wanted).abs().max() <= 3 * 2**-9 * wanted.abs().max()
    model.train()
    out = model(**batch)
    out.loss.backward()
    assert out.logits.dtype == torch.bfloat16
    assert all(p.grad.dtype == torch.bfloat16 for p in embedding.parameters())


def test_autocast(family, model, batch, indexes):
    """As the Trainer trains with bf16=True: weights and their gradients in float32."""
    compress_embeddings(model, index=indexes[family], ratio=None, vectors=2)
    wanted = logits(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        out = model(**batch)
    out.loss.backward()
    assert out.logits.dtype == torch.bfloat16
    torch.testing.assert_close(out.logits.float(), wanted, atol=0.1, rtol=0.1)
    assert all(p.grad.dtype == torch.float32 for p in model.get_input_embeddings().parameters())


def test_a_model_in_half_precision_is_fitted_in_float32(tokenizers):
    model = tiny("llama-tied", 408).to(torch.bfloat16)
    dense = model.get_input_embeddings().weight.detach().clone()
    compress_embeddings(model, **EXACT)
    table = model.get_input_embeddings().table()
    assert table.dtype == torch.bfloat16
    torch.testing.assert_close(table.float(), dense.float(), atol=1e-3, rtol=0.05)


@pytest.mark.parametrize("method", sorted(REGISTRY))
def test_every_method(method, indexes, tokenizers, tmp_path):
    model, batch = tiny("llama-tied", 408), batch_for("llama-tied", tokenizers["llama-tied"])
    compress_embeddings(model, method=method, index=indexes["llama-tied"], ratio=None, **OPTIONS[method]).train()
    model(**batch).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.get_input_embeddings().parameters())
    model.eval().save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert logits(again, batch).equal(logits(model, batch))
    torch.testing.assert_close(logits(materialise(again), batch), logits(model, batch))


@pytest.mark.parametrize("method", ["product_quantised", "low_rank", "low_bit"])
def test_a_closed_form_is_the_default_weighted_by_counts(method):
    """Of a matrix of distinct rows, those that occur often are nearer to what they were."""
    counts = torch.tensor([1] * 300 + [10_000] * 108)
    errors = []
    for given in (None, counts):
        model = tiny("llama-tied", 408)
        before = model.get_input_embeddings().weight.detach().clone()
        compress_embeddings(model, method=method, ratio=None, counts=given, **SMALL[method])
        errors.append((model.get_input_embeddings().table() - before).square().sum(1))
    # Zeros would be wrong by as much.
    assert errors[0].sum() < 0.9 * before.square().sum()
    assert errors[1][300:].sum() < 0.95 * errors[0][300:].sum()
    with pytest.raises(SeeError, match="counts for 3 ids"):
        compress_embeddings(tiny("llama-tied", 408), method=method, ratio=4, counts=[1, 2, 3])


@pytest.mark.parametrize("method", ["dpq", "low_bit"])
def test_ship_leaves_out_what_only_training_needs(method, tokenizers, tmp_path):
    model, batch = tiny("llama-tied", 408), batch_for("llama-tied", tokenizers["llama-tied"])
    model = compress_embeddings(model, method=method, ratio=None, **SMALL[method]).to(torch.float16)
    wanted = logits(model, batch)
    table = model.get_input_embeddings().table()
    model.save_pretrained(tmp_path / "training")
    ship(model).save_pretrained(tmp_path / "small")
    assert logits(model, batch).equal(wanted)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("training", "small")]
    assert sizes[1] < sizes[0] - 5_000
    for name in ("training", "small"):
        again = LlamaForCausalLM.from_pretrained(tmp_path / name, dtype=torch.float16)
        assert again.get_input_embeddings().table().equal(table)


def test_a_ratio_is_planned_for_each_table(indexes):
    model = tiny("llama", 408)
    compress_embeddings(model, method="low_rank", ratio=4, output="untied")
    for embedding in compressed_embeddings(model).values():
        assert 4 <= 408 * 32 / embedding.footprint().parameters <= 4.12


def test_seed(indexes):
    tables = []
    for seed in (1, 1, 2):
        model = compress_embeddings(tiny("gpt2", 408), index=indexes["gpt2"], ratio=None, vectors=2, seed=seed)
        tables.append(model.get_input_embeddings().table())
    assert tables[0].equal(tables[1]) and not tables[0].equal(tables[2])


def test_factored_inference_holds_no_table(family, model, batch, indexes):
    compress_embeddings(model, index=indexes[family], ratio=None, vectors=2)
    cached = logits(model, batch)
    factored = compress_embeddings(
        tiny(family, len(model.get_input_embeddings().weight)),
        index=indexes[family],
        ratio=None,
        vectors=2,
        inference="factored",
    )
    torch.testing.assert_close(logits(factored, batch), cached)
    assert factored.get_input_embeddings()._matrices.cached is None


def test_resizing(family, model, indexes):
    rows = model.get_input_embeddings().num_embeddings
    compress_embeddings(model, index=indexes[family], ratio=None, vectors=2)
    for same in ((), (rows,), (None, rows), (rows - 3, 8)):
        assert model.resize_token_embeddings(*same) is model.get_input_embeddings()
    with pytest.raises(SeeError, match=f"{rows} rows cannot be resized to {rows + 1}: give see or morphte index="):
        model.resize_token_embeddings(rows + 1)
    with pytest.raises(SeeError, match="cannot be resized"):
        model.resize_token_embeddings(rows + 1, index=indexes[family])
    materialise(model).resize_token_embeddings(rows + 1, mean_resizing=False)
    assert model.get_input_embeddings().weight.shape[0] == rows + 1


@pytest.mark.parametrize("method", ["see", "morphte"])
@pytest.mark.parametrize("output", ["auto", "untied"])
def test_new_tokens(family, model, indexes, tokenizers, senses, method, output, tmp_path):
    """Made of vectors that exist: no parameter changes, and a token that spells a known word has its senses."""
    rows, tokenizer = model.get_input_embeddings().num_embeddings, copy.deepcopy(tokenizers[family])
    compress_embeddings(model, method=method, index=indexes[family], ratio=None, vectors=2, output=output)
    before = model.get_input_embeddings().table().detach().clone()
    parameters = {name: p.clone() for name, p in model.get_input_embeddings().named_parameters()}
    known, new = len(tokenizer), ["gardener", "xylophone", *(f"river{n}" for n in range(rows - len(tokenizer)))]
    assert tokenizer.add_tokens(new) == len(new)
    index = extend_index(indexes[family], tokenizer, senses, language="en")
    model.resize_token_embeddings(len(tokenizer), index=index)
    embedding = model.get_input_embeddings()
    table = embedding.table().detach()
    assert len(tokenizer) == len(table) == rows + 2
    assert table[:known].equal(before[:known])
    assert all(p.equal(parameters[name]) for name, p in embedding.named_parameters())
    # Of all rows no two are alike, and those of before in the new one's places are gone.
    assert torch.pdist(table).min() > 1e-3
    assert not table[known:rows].isclose(before[known:]).all(1).any()
    assert index.sense_offsets.tolist()[: known + 1] == indexes[family].sense_offsets.tolist()[: known + 1]
    batch = {"input_ids": torch.arange(known - 3, rows + 2).view(1, -1)}
    batch |= {"decoder_input_ids": batch["input_ids"]} if family == "t5" else {}
    wanted = logits(model, batch)
    assert wanted.shape[-1] == rows + 2 == model.config.vocab_size
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert logits(again, batch).equal(wanted)
    torch.testing.assert_close(logits(materialise(again), batch), wanted)


def test_materialise_undoes_it(family, model, batch):
    """Type by type and name by name; the copy that stays compressed is not touched."""
    stock = copy.deepcopy(model)
    compress_embeddings(model, **EXACT)
    kept = copy.deepcopy(model)
    materialise(model)
    assert [(n, type(m)) for n, m in model.named_modules()] == [(n, type(m)) for n, m in stock.named_modules()]
    assert list(model.state_dict()) == list(stock.state_dict())
    assert model.all_tied_weights_keys == stock.all_tied_weights_keys
    assert model.config.to_dict() == stock.config.to_dict()
    model.tie_weights()
    head = model.get_output_embeddings()
    assert (head.weight is model.get_input_embeddings().weight) == (family in TIED)
    torch.testing.assert_close(logits(model, batch), logits(stock, batch), atol=1e-4, rtol=1e-4)
    assert isinstance(kept.get_input_embeddings(), Embedding)
    assert logits(kept, batch).shape == logits(model, batch).shape
    with pytest.raises(SeeError, match="has no compressed embeddings"):
        materialise(model)


@pytest.mark.parametrize("output", ["untied", "dense"])
@pytest.mark.parametrize("family", TIED)
def test_an_output_that_was_tied_and_is_no_more(family, model, batch, output, tmp_path):
    compress_embeddings(model, output=output, **EXACT)
    with torch.no_grad():
        model.get_input_embeddings().left.mul_(2)
    model.tie_weights()
    wanted = logits(model, batch)
    materialise(model)
    torch.testing.assert_close(logits(model, batch), wanted)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(logits(type(model).from_pretrained(tmp_path), batch), wanted)


def test_a_scaled_embedding(tmp_path):
    """BART's and Gemma's multiply what they look up, and not what they project by."""
    from transformers import BartConfig, BartForConditionalGeneration, Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    common = {"vocab_size": 80, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    sizes = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in (("layers", 1), ("ffn_dim", 32))}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_start_token_id": 2}
    bart = BartForConditionalGeneration(BartConfig(**common, **sizes, **heads, d_model=32, scale_embedding=True))
    layers = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    gemma = Gemma3ForCausalLM(Gemma3TextConfig(**common, **layers, hidden_size=32, intermediate_size=32))
    for model in (bart.eval(), gemma.eval()):
        batch = {"input_ids": torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]])}
        before = logits(model, batch)
        compress_embeddings(model, **EXACT)
        torch.testing.assert_close(logits(model, batch), before, atol=1e-4, rtol=1e-4)
        model.save_pretrained(tmp_path / type(model).__name__)
        again = type(model).from_pretrained(tmp_path / type(model).__name__)
        assert logits(again, batch).equal(logits(model, batch))
        torch.testing.assert_close(logits(materialise(again), batch), before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "asked", "message"),
    [
        ("llama", {"output": "tied"}, "not tied to its input; choose output='untied' or 'dense'"),
        ("llama", {"output": "both"}, "output is one of auto, tied, untied, dense, not 'both'"),
        ("llama", {"method": "nothing"}, "unknown embedding method"),
        ("llama", {"inference": "quick"}, "inference is cached or factored"),
        ("llama", {"method": "see"}, "give the tokenizer"),
        ("llama", {"ratio": 1000}, "nearest ratio"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(family, asked, message):
    model = tiny(family, 408)
    before = {name: p.clone() for name, p in model.state_dict().items()}
    with pytest.raises(SeeError, match=message):
        compress_embeddings(model, **{"method": "low_rank", "ratio": 4, **asked})
    assert type(model.get_input_embeddings()) is nn.Embedding
    assert all(p.equal(before[name]) for name, p in model.state_dict().items())


def test_an_index_of_another_vocabulary(indexes):
    with pytest.raises(SeeError, match="build it again"):
        compress_embeddings(tiny("bert", 208), index=indexes["gpt2"], ratio=None, vectors=2)


def test_an_index_is_checked_against_the_tokenizer(indexes, tokenizers):
    compress_embeddings(tiny("gpt2", 408), tokenizers["gpt2"], index=indexes["gpt2"], ratio=None, vectors=2)
    with pytest.raises(SeeError, match="not built for this tokenizer"):
        compress_embeddings(tiny("phi3", 408), tokenizers["phi3"], index=indexes["gpt2"], ratio=None, vectors=2)


def test_see_without_senses(tokenizers):
    with pytest.raises(SeeError, match="no token has a sense"):
        compress_embeddings(tiny("bert", 208), tokenizers["bert"], ratio=None, vectors=2)


def test_a_model_spread_over_devices(tmp_path):
    tiny("llama-tied", 408).save_pretrained(tmp_path)
    parts = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm", "model.rotary_emb", "lm_head")
    places = {**dict.fromkeys(parts, "cpu"), "model.layers.0": "disk"}
    model = LlamaForCausalLM.from_pretrained(tmp_path, device_map=places, offload_folder=tmp_path / "disk")
    with pytest.raises(SeeError, match="spread over devices"):
        compress_embeddings(model, **EXACT)


def test_compressing_twice(indexes):
    model = compress_embeddings(tiny("gpt2", 408), index=indexes["gpt2"], ratio=None, vectors=2)
    with pytest.raises(SeeError, match="compressed already"):
        compress_embeddings(model, index=indexes["gpt2"], ratio=None, vectors=2)


def test_a_projection_head_adds_its_bias():
    embedding = build("dense", 5, 3)
    head = ProjectionHead(embedding, nn.Parameter(torch.arange(5.0)))
    hidden = torch.randn(2, 4, 3)
    torch.testing.assert_close(head(hidden), hidden @ embedding.weight.T + torch.arange(5.0))
