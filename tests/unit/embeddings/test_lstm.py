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
        first, last = index.sense_offsets[word : word + 2]
        groups = [(sememes, index.groups[group]) for group in index.sense_groups[first:last]]
    groups.append((morphemes, index.word_morphemes[word]))
    return [vectors[unit - order] for vectors, group in groups for unit in group.tolist() if unit >= order]


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


def index_of(words, order=3):
    """An index of (senses, morphemes) written as ids from 0 without padding, or None for a padding unit."""
    groups = sorted({sense for senses, _ in words for sense in senses})

    def padded(units):
        units = (*units, *(None,) * (order - len(units)))
        return [position if unit is None else unit + order for position, unit in enumerate(units)]

    return make_index(
        6 + order,
        6 + order,
        groups=np.array([padded(group) for group in groups], np.int32).reshape(-1, order),
        sense_offsets=np.cumsum([0, *(len(senses) for senses, _ in words)]).astype(np.int32),
        sense_groups=np.array([groups.index(sense) for senses, _ in words for sense in senses], np.int32),
        word_morphemes=np.array([padded(morphemes) for _, morphemes in words], np.int32),
    )


def test_what_distinguishes_words():
    bank, shore = ((0, 1),), ((2,),)
    senses = [(), bank, shore, bank + shore, shore + bank, bank, bank]
    words = list(zip(senses, [(0, 1)] * 5 + [(1, 0), (0,)], strict=True))
    morph, sememe = (build(method, len(words), 8, index=index_of(words)).table().detach() for method in METHODS)
    assert (torch.cdist(sememe, sememe) + torch.eye(len(words))).min() > 1e-3
    # The first five have the same morphemes.
    torch.testing.assert_close(morph[:5], morph[:1].expand(5, -1))
    assert (torch.cdist(morph[4:], morph[4:]) + torch.eye(3)).min() > 1e-3


def test_a_word_without_senses_is_read_as_morph_lstm_reads_it():
    index = index_of([((), (0, 1, 2)), (((3,),), (4,))])
    morph, sememe = (build(method, 2, 8, index=index, output_scale=1.0) for method in METHODS)
    sememe.lstm.load_state_dict(morph.lstm.state_dict())
    with torch.no_grad():
        sememe.vectors[6:] = morph.vectors
    torch.testing.assert_close(sememe.table()[0], morph.table()[0])
    assert not torch.allclose(sememe.table()[1], morph.table()[1])


def test_padding_is_passed_over_wherever_it_stands():
    """A unit that distinguishes two words is put last, and padding may stand before it."""
    embedding = build("morph_lstm", 2, 8, index=index_of([((), (0, None, 1)), ((), (0, 1))]))
    torch.testing.assert_close(embedding.table()[0], embedding.table()[1])


@pytest.mark.parametrize("method", METHODS)
def test_a_word_with_no_unit_is_zero(method):
    embedding = build(method, 3, 8, index=index_of([((), ()), ((), (0, 1, 2)), ((), ())]))
    table = embedding.table()
    assert not table[0].any() and not table[2].any() and table[1].any()
    assert embedding(torch.zeros(0, 4, dtype=torch.int64)).shape == (0, 4, 8)


def test_every_parameter_gets_a_gradient_from_words_of_one_unit():
    """Or else distributed training would wait for the recurrent matrix."""
    embedding = build("morph_lstm", 2, 8, index=index_of([((), (0,)), ((), (1,))]))
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
