"""Models of five families, compressed: what they compute, what is tied, how they train and generate."""

import copy
from collections import Counter

import pytest
import torch
from torch import nn
from transformers import LlamaForCausalLM

from fairseq_see.embeddings import REGISTRY, Embedding
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig
from fairseq_see.hf import compress_embeddings, extend_index, get_compressed_embeddings, materialise, ship
from tests.hf.conftest import MODELS, compute_logits, make_batch, make_tiny

TIED = ("llama-tied", "gpt2", "bert", "t5")

# With k = d, a fitted matrix is the dense one itself.
EXACT = {"method": "low_rank", "ratio": None, "rank": 32, "fit": FitConfig(epochs=0)}
CODES = {"subvectors": 4, "centroids": 16}
OPTIONS = {"product_quantised": CODES, "dpq": CODES, "low_bit": {"rank": 8}, "low_rank": {"rank": 4, "bias": True}}
OPTIONS |= {name: {"vectors": 2} for name in ("see", "see_paper", "morphte")}
OPTIONS |= {name: {"rank": 2, "order": 2} for name in ("word2ket", "word2ketxs")}
OPTIONS |= {"tensor_train": {"rank": (4, 4)}}


def count_tables(embedding: Embedding) -> Counter:
    """Counts the matrices that the embedding builds from now on."""
    counter, build = Counter(), embedding.table

    def table():
        counter["tables"] += 1
        return build()

    embedding.table = table
    return counter


@pytest.mark.parametrize("output", ["auto", "untied", "dense"])
def test_an_exact_fit_changes_nothing(family, model, batch, output):
    before = compute_logits(model, batch)
    compress_embeddings(model, output=output, **EXACT)
    torch.testing.assert_close(compute_logits(model, batch), before, atol=1e-4, rtol=1e-4)
    assert set(get_compressed_embeddings(model)) == ({"input", "output"} if output == "untied" else {"input"})


@pytest.mark.parametrize("family", TIED)
def test_a_tied_forward_builds_one_matrix(family, small, batch):
    model = small(family).train()
    counter = count_tables(model.get_input_embeddings())
    model(**batch).loss.backward()
    assert counter["tables"] == 1
    model.eval()
    compute_logits(model, batch), compute_logits(model, batch)
    assert counter["tables"] == 2
    # Nothing of the graph stays behind, also where a forward fails.
    model.train()
    with pytest.raises(Exception):  # noqa: B017 - whatever the model makes of it
        model(input_ids=torch.tensor([[10**6]]))
    assert model.get_input_embeddings()._matrices.held is None


def test_gradients_are_those_of_the_dense_model(model, batch):
    """By the chain rule: of a matrix E = A B, dL/dA = dL/dE B^T, where dL/dE is the tied dense matrix's gradient."""
    stock = copy.deepcopy(model)
    compress_embeddings(model, **EXACT)
    stock(**batch).loss.backward()
    model(**batch).loss.backward()
    embedding = model.get_input_embeddings()
    wanted = stock.get_input_embeddings().weight.grad @ embedding.right.detach().T * embedding.output_scale
    # Stock models keep the padding embedding, which comes first, from learning by look-ups.
    torch.testing.assert_close(embedding.left.grad[1:], wanted[1:], atol=1e-5, rtol=1e-3)


def test_gradient_checkpointing(family, small, batch):
    model, gradients = small(family).train(), []
    for checkpointing in (False, True):
        if checkpointing:
            model.activation_checkpointing_enable()
            model.enable_input_require_grads()
        model.zero_grad()
        torch.manual_seed(0)
        model(**batch).loss.backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("family", [f for f in MODELS if f != "bert"])
def test_generates_what_its_stock_form_does(family, small, batch):
    model = small(family)
    stock = materialise(copy.deepcopy(model))
    asked = {"max_new_tokens": 6, "num_beams": 2, "do_sample": False, "attention_mask": batch["attention_mask"]}
    counter = count_tables(model.get_input_embeddings())
    assert model.generate(batch["input_ids"], **asked).equal(stock.generate(batch["input_ids"], **asked))
    assert counter["tables"] == 1


def test_half_precision(family, small, batch):
    """Products in float32: an embedding is that of the rounded vectors, rounded itself once for each sense."""
    model = small(family).to(torch.bfloat16)
    embedding = model.get_input_embeddings()
    wanted, table = copy.deepcopy(embedding).float().table(), embedding.table()
    assert table.dtype == torch.bfloat16
    assert (table.float() - wanted).abs().max() <= 3 * 2**-9 * wanted.abs().max()
    model.train()
    out = model(**batch)
    out.loss.backward()
    assert out.logits.dtype == torch.bfloat16
    assert all(p.grad.dtype == torch.bfloat16 for p in embedding.parameters())


def test_autocast(family, small, batch):
    """As the Trainer trains with bf16=True: weights and their gradients in float32."""
    model = small(family)
    wanted = compute_logits(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        out = model(**batch)
    out.loss.backward()
    assert out.logits.dtype == torch.bfloat16
    torch.testing.assert_close(out.logits.float(), wanted, atol=0.1, rtol=0.1)
    assert all(p.grad.dtype == torch.float32 for p in model.get_input_embeddings().parameters())


def test_a_model_in_half_precision_is_fitted_in_float32():
    model = make_tiny("llama-tied").to(torch.bfloat16)
    dense = model.get_input_embeddings().weight.detach().clone()
    table = compress_embeddings(model, **EXACT).get_input_embeddings().table()
    assert table.dtype == torch.bfloat16
    torch.testing.assert_close(table.float(), dense.float(), atol=1e-3, rtol=0.05)


@pytest.mark.parametrize("method", sorted(REGISTRY))
def test_every_method(method, indexes, tokenizers, tmp_path):
    model, batch, options = make_tiny("llama-tied"), make_batch(tokenizers["llama-tied"]), OPTIONS.get(method, {})
    compress_embeddings(model, method=method, index=indexes["llama-tied"], ratio=None, **options).train()
    model(**batch).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.get_input_embeddings().parameters())
    # The matrix that is cached, dense's own parameter, is no other tensor of the model.
    wanted = compute_logits(model.eval(), batch)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert compute_logits(again, batch).equal(wanted)
    torch.testing.assert_close(compute_logits(materialise(again), batch), wanted)


@pytest.mark.parametrize("method", ["product_quantised", "low_rank", "low_bit"])
def test_a_closed_form_is_the_default_weighted_by_counts(method):
    """Embeddings that occur often are nearer to what they were."""
    errors = []
    for counts in (None, torch.tensor([1] * 300 + [10_000] * 108)):
        model = make_tiny("llama-tied")
        before = model.get_input_embeddings().weight.detach().clone()
        compress_embeddings(model, method=method, ratio=None, counts=counts, **OPTIONS[method])
        errors.append((model.get_input_embeddings().table() - before).square().sum(1))
    # Zeros would be wrong by as much.
    assert errors[0].sum() < 0.9 * before.square().sum()
    assert errors[1][300:].sum() < 0.95 * errors[0][300:].sum()


@pytest.mark.parametrize("method", ["dpq", "low_bit"])
def test_ship_leaves_out_what_only_training_needs(method, tokenizers, tmp_path):
    model, batch = make_tiny("llama-tied"), make_batch(tokenizers["llama-tied"])
    # Equal to the last bit: factored, dpq and the codes that it is shipped as add in different orders.
    options = {"inference": "cached", **OPTIONS[method]}
    model = compress_embeddings(model, method=method, ratio=None, **options).to(torch.float16)
    wanted = compute_logits(model, batch)
    table = model.get_input_embeddings().table()
    model.save_pretrained(tmp_path / "training")
    ship(model).save_pretrained(tmp_path / "small")
    assert compute_logits(model, batch).equal(wanted)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("training", "small")]
    assert sizes[1] < sizes[0] - 5_000
    for name in ("training", "small"):
        again = LlamaForCausalLM.from_pretrained(tmp_path / name, dtype=torch.float16)
        assert again.get_input_embeddings().table().equal(table)


def test_a_ratio_is_planned_for_each_matrix():
    model = compress_embeddings(make_tiny("llama"), method="low_rank", ratio=4, output="untied")
    for embedding in get_compressed_embeddings(model).values():
        assert 4 <= 408 * 32 / embedding.footprint().parameters <= 4.12


def test_seed(small):
    tables = [small("gpt2", seed=seed).get_input_embeddings().table() for seed in (1, 1, 2)]
    assert tables[0].equal(tables[1]) and not tables[0].equal(tables[2])


def test_factored_inference_holds_no_matrix(family, small, batch, tmp_path):
    model = small(family, inference="factored")
    torch.testing.assert_close(compute_logits(model, batch), compute_logits(small(family), batch))
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert compute_logits(again, batch).equal(compute_logits(model, batch))
    for embedding in (model.get_input_embeddings(), again.get_input_embeddings()):
        assert embedding._matrices.cached is None


def test_resizing(family, small, indexes):
    model = small(family)
    rows = model.get_input_embeddings().num_embeddings
    for same in ((), (rows,), (None, rows), (rows - 3, 8)):
        assert model.resize_token_embeddings(*same) is model.get_input_embeddings()
    for index in (None, indexes[family]):
        with pytest.raises(SeeError, match=f"{rows} embeddings cannot be resized to {rows + 1}: give see or morphte"):
            model.resize_token_embeddings(rows + 1, index=index)
    materialise(model).resize_token_embeddings(rows + 1, mean_resizing=False)
    assert model.get_input_embeddings().weight.shape[0] == rows + 1


def test_what_transformers_does_to_weights_leaves_the_embedding_alone(family, small):
    """Its matrix is read-only: what was written into it would be lost."""
    model = small(family)
    embedding = model.get_input_embeddings()
    wanted = embedding.table()
    model.tie_weights()
    model.init_weights()
    model._initialize_missing_keys(is_quantized=False)
    assert model.get_input_embeddings() is embedding and embedding.table().equal(wanted)
    with pytest.raises(SeeError, match="the matrix of a compressed embedding is reconstructed"):
        nn.init.normal_(model.get_output_embeddings().weight if family in TIED else embedding.weight)


@pytest.mark.parametrize("method", ["see", "morphte"])
@pytest.mark.parametrize("output", ["auto", "untied"])
def test_new_tokens(family, small, indexes, tokenizers, senses, method, output, tmp_path):
    """Made of vectors that exist: no parameter changes, and a token that spells a known word has its senses."""
    model, tokenizer = small(family, method=method, output=output), copy.deepcopy(tokenizers[family])
    before = model.get_input_embeddings().table().detach().clone()
    rows, known = len(before), len(tokenizer)
    parameters = {name: p.clone() for name, p in model.get_input_embeddings().named_parameters()}
    new = ["gardener", "xylophone", *(f"river{n}" for n in range(rows - known))]
    assert tokenizer.add_tokens(new) == len(new)
    index = extend_index(indexes[family], tokenizer, senses, language="en")
    model.resize_token_embeddings(len(tokenizer), index=index)
    embedding = model.get_input_embeddings()
    table = embedding.table().detach()
    assert len(tokenizer) == len(table) == rows + 2
    assert table[:known].equal(before[:known])
    assert all(p.equal(parameters[name]) for name, p in embedding.named_parameters())
    # No two embeddings are alike, and those of before in the new ones' places are gone.
    assert torch.pdist(table).min() > 1e-3
    assert not table[known:rows].isclose(before[known:]).all(1).any()
    assert index.sense_offsets.tolist()[: known + 1] == indexes[family].sense_offsets.tolist()[: known + 1]
    batch = {"input_ids": torch.arange(known - 3, rows + 2).view(1, -1)}
    batch |= {"decoder_input_ids": batch["input_ids"]} if family == "t5" else {}
    wanted = compute_logits(model, batch)
    assert wanted.shape[-1] == rows + 2 == model.config.vocab_size
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert compute_logits(again, batch).equal(wanted)
    torch.testing.assert_close(compute_logits(materialise(again), batch), wanted)


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
    for other in (model, kept):
        torch.testing.assert_close(compute_logits(other, batch), compute_logits(stock, batch), atol=1e-4, rtol=1e-4)
    assert isinstance(kept.get_input_embeddings(), Embedding)
    with pytest.raises(SeeError, match="has no compressed embeddings"):
        materialise(model)


def test_materialise_writes_what_is_computed_after_training():
    """Normalised codes are others in training mode."""
    model = make_tiny("gpt2")
    compress_embeddings(model, method="dpq", ratio=None, response="sx", **CODES)
    batch = {"input_ids": torch.arange(3, 23).view(2, 10)}
    with torch.no_grad():
        model.get_input_embeddings().keys.add_(1)
    model.train()
    model(**batch)
    wanted = compute_logits(copy.deepcopy(model).eval(), batch)
    torch.testing.assert_close(compute_logits(materialise(model).eval(), batch), wanted)


@pytest.mark.parametrize("output", ["untied", "dense"])
@pytest.mark.parametrize("family", TIED)
def test_an_output_that_was_tied_and_is_no_more(family, model, batch, output, tmp_path):
    compress_embeddings(model, output=output, **EXACT)
    with torch.no_grad():
        model.get_input_embeddings().left.mul_(2)
    model.tie_weights()
    wanted = compute_logits(model, batch)
    materialise(model)
    torch.testing.assert_close(compute_logits(model, batch), wanted)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(compute_logits(type(model).from_pretrained(tmp_path), batch), wanted)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"output": "tied"}, "not tied to its input; choose output='untied' or 'dense'"),
        ({"output": "both"}, "output is one of auto, tied, untied, dense, not 'both'"),
        ({"method": "nothing"}, "unknown embedding method"),
        ({"inference": "quick"}, "inference is auto, cached or factored"),
        ({"method": "see"}, "give the tokenizer"),
        ({"method": "see", "tokenizer": "llama", "ratio": None, "vectors": 2}, "no token has a sense"),
        ({"method": "see", "index": "bert"}, "build it again"),
        ({"method": "see", "index": "gpt2", "tokenizer": "phi3"}, "not built for this tokenizer"),
        ({"ratio": 1000}, "nearest ratio"),
        ({"counts": [1, 2, 3]}, "counts for 3 ids"),
    ],
)
def test_what_cannot_be_done_changes_nothing(asked, message, indexes, tokenizers):
    model = make_tiny("llama")
    before = {name: p.clone() for name, p in model.state_dict().items()}
    for name, given in (("index", indexes), ("tokenizer", tokenizers)):
        asked = asked | {name: given[asked[name]]} if name in asked else asked
    with pytest.raises(SeeError, match=message):
        compress_embeddings(model, **{"method": "low_rank", "ratio": 4, **asked})
    assert type(model.get_input_embeddings()) is nn.Embedding
    assert all(p.equal(before[name]) for name, p in model.state_dict().items())


def test_compressing_twice_or_what_is_not_on_one_device(small, tmp_path):
    with pytest.raises(SeeError, match="compressed already"):
        compress_embeddings(small("gpt2"), **EXACT)
    make_tiny("llama-tied").save_pretrained(tmp_path)
    parts = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm", "model.rotary_emb", "lm_head")
    places = {**dict.fromkeys(parts, "cpu"), "model.layers.0": "disk"}
    model = LlamaForCausalLM.from_pretrained(tmp_path, device_map=places, offload_folder=tmp_path / "disk")
    with pytest.raises(SeeError, match="spread over devices"):
        compress_embeddings(model, **EXACT)
