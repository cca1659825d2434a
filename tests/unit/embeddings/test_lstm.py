"""The two LSTM embeddings against PyTorch's own LSTM cell, one word at a time, and what their sequences promise."""

import numpy as np
import pytest
import torch

from fairseq_see.embeddings import build, complete_config, unit_lstm
from fairseq_see.errors import InfeasibleRatio
from tests.unit.embeddings.conftest import make_index, paper_size_index

METHODS = ["morph_lstm", "sememe_lstm"]


def vectors_read(embedding, index, word):
    """The vectors of a word's units in the order in which they are read."""
    order = index.order
    sememes, morphemes = embedding.vectors, embedding.vectors
    groups = []
    if embedding.method == "sememe_lstm":
        sememes, morphemes = embedding.vectors.split([len(index.sememes) - order, len(index.morphemes) - order])
        groups = [(sememes, sense) for sense in index.read_senses(word)]
    groups.append((morphemes, index.word_morphemes[word].tolist()))
    return [vectors[unit - order] for vectors, group in groups for unit in group if unit >= order]


def literal_row(embedding, index, word):
    dim, state = embedding.embedding_dim, None
    cell = torch.nn.LSTMCell(dim, dim)
    weights = {name.removesuffix("_l0"): weight for name, weight in embedding.lstm.named_parameters()}
    for vector in vectors_read(embedding, index, word):
        state = torch.func.functional_call(cell, weights, (dim**0.5 * vector.unsqueeze(0), state))
    return embedding.config.output_scale * state[0].squeeze(0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("order", "rank"), [(2, 1), (3, 2), (3, 5), (4, 3)])
def test_rows_and_gradients_are_those_of_pytorchs_cell(method, order, rank, random_index):
    torch.manual_seed(order * rank)
    index = random_index(words=20, order=order, rank=rank)
    embedding = build(method, 20, 9, index=index).double()
    expected = torch.stack([literal_row(embedding, index, word) for word in range(20)])
    torch.testing.assert_close(embedding.table(), expected)
    slope, parameters = torch.randn(20, 9, dtype=torch.float64), list(embedding.parameters())
    literal = torch.autograd.grad((expected * slope).sum(), parameters)
    ours = torch.autograd.grad((embedding(torch.arange(20)) * slope).sum(), parameters)
    torch.testing.assert_close(ours, literal)


@pytest.mark.parametrize("method", METHODS)
def test_a_matrix_made_in_chunks_is_the_same_and_keeps_little(method, random_index, monkeypatch):
    embedding = build(method, 300, 16, 1, index=random_index(words=300)).double()
    results, kept = [], []
    for words in (300, 30):
        monkeypatch.setattr(unit_lstm, "WORDS", words)
        saved = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, saved=saved: saved.setdefault(tensor.data_ptr(), tensor), lambda tensor: tensor
        ):
            table = embedding.table()
        gradients = torch.autograd.grad(table.square().sum(), list(embedding.parameters()))
        results.append([table.detach(), *gradients])
        kept.append(sum(tensor.numel() for tensor in saved.values()))
    torch.testing.assert_close(*results)
    assert kept[1] < kept[0] / 3


def index_of_morphemes(*words):
    """An index of words without senses; ids below 3 are padding."""
    groups, offsets = np.zeros((0, 3)), np.zeros(len(words) + 1)
    return make_index(9, 9, groups=groups, sense_offsets=offsets, sense_groups=[], word_morphemes=words)


@pytest.mark.parametrize("method", METHODS)
def test_padding_is_passed_over_and_a_word_of_it_alone_is_zero(method):
    index = index_of_morphemes((0, 1, 2), (3, 1, 4), (3, 4, 2))
    embedding = build(method, 3, 8, index=index)
    table = embedding.table()
    assert not table[0].any() and table[1].any()
    torch.testing.assert_close(table[1], table[2])
    assert embedding(torch.zeros(0, 4, dtype=torch.int64)).shape == (0, 4, 8)


def test_every_parameter_gets_a_gradient_from_words_of_one_unit():
    """Or else distributed training would wait for the recurrent matrix."""
    embedding = build("morph_lstm", 2, 8, index=index_of_morphemes((3, 1, 2), (4, 1, 2)))
    embedding.table().sum().backward()
    assert all(parameter.grad is not None for parameter in embedding.parameters())


@pytest.mark.parametrize(("method", "units"), [("morph_lstm", 12_000), ("sememe_lstm", 14_200)])
def test_ratio_at_the_papers_size(method, units):
    """14,200 units and 40,000 words of 512 dimensions: an LSTM of 2.1 million on half a dense matrix."""
    index, parameters = paper_size_index(2_203, 12_003), 512 * units + 8 * 512**2 + 8 * 512
    with torch.device("meta"):
        assert build(method, 40_000, 512, index=index).footprint().parameters == parameters
    with pytest.raises(InfeasibleRatio, match=f"'{method}' cannot compress 20x.* leave the ratio out") as error:
        complete_config(method, 40_000, 512, 20, index)
    assert error.value.nearest == pytest.approx(40_000 * 512 / parameters)
