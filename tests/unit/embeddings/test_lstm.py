"""The two LSTM embeddings against PyTorch's own LSTM cell, one word at a time, and what their sequences promise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fairseq_see.embeddings import build, complete_config, unit_lstm
from fairseq_see.errors import InfeasibleRatio
from fairseq_see.units import UnitIndex
from fairseq_see.units.index import padding_names

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
    slope = torch.randn(20, 9, dtype=torch.float64)
    literal = torch.autograd.grad((expected * slope).sum(), list(embedding.parameters()))
    ours = torch.autograd.grad((embedding(torch.arange(20)) * slope).sum(), list(embedding.parameters()))
    torch.testing.assert_close(ours, literal)


@pytest.mark.parametrize("method", METHODS)
def test_a_table_made_in_chunks_is_the_same_and_keeps_little(method, random_index, monkeypatch):
    embedding = build(method, 300, 16, 1, index=random_index(words=300)).double()
    results, kept = [], []
    for words in (300, 30):
        monkeypatch.setattr(unit_lstm, "WORDS", words)
        saved = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, saved=saved: saved.setdefault(tensor.data_ptr(), tensor), lambda tensor: tensor
        ):
            table = embedding.table()
        embedding.zero_grad()
        table.square().sum().backward()
        results.append([table.detach(), *(parameter.grad for parameter in embedding.parameters())])
        kept.append(sum(tensor.numel() for tensor in saved.values()))
    torch.testing.assert_close(*results)
    assert kept[1] < kept[0] / 3


def index_of(words, order=3):
    """An index of (senses, morphemes) written as ids from 0 without padding, or None for a padding unit."""
    groups = sorted({sense for senses, _ in words for sense in senses})
    offsets = np.cumsum([0, *(len(senses) for senses, _ in words)])

    def padded(units):
        units = (*units, *(None,) * (order - len(units)))
        return [position if unit is None else unit + order for position, unit in enumerate(units)]

    return UnitIndex(
        order=order,
        rank=5,
        sememes=padding_names(order) + tuple("abcdef"),
        morphemes=padding_names(order) + tuple("uvwxyz"),
        groups=np.array([padded(group) for group in groups], np.int32).reshape(-1, order),
        sense_offsets=offsets.astype(np.int32),
        sense_groups=np.array([groups.index(sense) for senses, _ in words for sense in senses], np.int32),
        word_morphemes=np.array([padded(morphemes) for _, morphemes in words], np.int32),
        dictionary="",
    )


def test_what_tells_words_apart():
    bank, shore = ((0, 1),), ((2,),)
    words = [
        ((), (0, 1)),
        (bank, (0, 1)),
        (shore, (0, 1)),
        (bank + shore, (0, 1)),
        (shore + bank, (0, 1)),
        (bank, (1, 0)),
        (bank, (0,)),
    ]
    sememe, morph = (build(method, len(words), 8, index=index_of(words)).table().detach() for method in METHODS[::-1])
    distances = torch.cdist(sememe, sememe) + torch.eye(len(words))
    assert distances.min() > 1e-3
    # The first five have the same morphemes.
    torch.testing.assert_close(morph[:5], morph[:1].expand(5, -1))
    assert torch.cdist(morph[[0, 5, 6]], morph[[0, 5, 6]]).add(torch.eye(3)).min() > 1e-3


def test_a_word_without_senses_is_read_as_morph_lstm_reads_it():
    index = index_of([((), (0, 1, 2)), (((3,),), (4,))])
    sememe, morph = (build(method, 2, 8, index=index, output_scale=1.0) for method in METHODS[::-1])
    sememe.lstm.load_state_dict(morph.lstm.state_dict())
    with torch.no_grad():
        sememe.vectors[6:] = morph.vectors
    torch.testing.assert_close(sememe.table()[0], morph.table()[0])
    assert not torch.allclose(sememe.table()[1], morph.table()[1])


def test_padding_is_passed_over_wherever_it_stands():
    """A unit that tells two words apart is put last, and padding may stand before it."""
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


def test_ratio_at_the_papers_size():
    """14,200 units and 40,000 words of 512 numbers: an LSTM of 2.1 million on half a dense table."""
    index = replace(
        index_of([((), (0,))] * 40_000),
        sememes=padding_names(3) + tuple(map(str, range(2_200))),
        morphemes=padding_names(3) + tuple(map(str, range(12_000))),
    )
    for method, units in zip(METHODS, (12_000, 14_200), strict=True):
        parameters = 512 * units + 8 * 512**2 + 8 * 512
        with torch.device("meta"):
            assert build(method, 40_000, 512, index=index).footprint().parameters == parameters
        with pytest.raises(InfeasibleRatio, match=f"'{method}' cannot compress 20x.* leave the ratio out") as error:
            complete_config(method, 40_000, 512, 20, index)
        assert error.value.nearest == pytest.approx(40_000 * 512 / parameters)
