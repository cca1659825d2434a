"""SEE against its equations read literally, and its planner against numbers worked out by hand."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairseq_see.embeddings import SEEEmbedding, build, see
from fairseq_see.embeddings.unit_vectors import shares_of, vectors_of
from fairseq_see.errors import InfeasibleRatio, SeeError
from fairseq_see.units import UnitIndex
from fairseq_see.units.index import padding_names


def vectors(units, unit, width):
    """The vectors that one unit owns."""
    owned = list(units.vectors[unit].split(width))
    if units.extra is not None and unit < len(units.extra):
        owned.extend(units.extra[unit].split(width))
    return owned


def literal_row(embedding, index, word):
    """Equation 4, one product at a time: the i-th product of a group exists where all its units own an i-th vector."""
    width = embedding.sememes.vectors.shape[1] // embedding.sememes.whole
    row = torch.zeros(width**index.order, dtype=torch.float64)
    senses = index.sense_groups[index.sense_offsets[word] : index.sense_offsets[word + 1]]
    groups = [(embedding.sememes, index.groups[group]) for group in senses]
    groups.append((embedding.morphemes, index.word_morphemes[word]))
    for units, group in groups:
        for factors in zip(*(vectors(units, unit, width) for unit in group.tolist()), strict=False):
            product = torch.ones(1, dtype=torch.float64)
            for factor in factors:
                product = torch.kron(product, factor)
            row = row + product
    return embedding.gain * row[: embedding.embedding_dim]


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("rank", [1, 2, 5])
@pytest.mark.parametrize(
    ("m", "head"), [(1, 0), (3, 0), ((2, 3), 0), (1.5, 0), ((1.7, 2.2), 0), (4, 0.7), ((2.4, 3), 0.9)]
)
def test_equations_3_and_4(order, rank, m, head, random_index):
    torch.manual_seed(order * rank)
    index = random_index(words=20, order=order, rank=rank)
    dim = 3**order - 2
    embedding = SEEEmbedding(20, dim, index=index, m=m, head=head).double()
    expected = torch.stack([literal_row(embedding, index, word) for word in range(20)])
    torch.testing.assert_close(embedding.table(), expected)
    slope = torch.randn(20, dim, dtype=torch.float64)
    literal = torch.autograd.grad((expected * slope).sum(), list(embedding.parameters()), allow_unused=True)
    ours = torch.autograd.grad((embedding(torch.arange(20)) * slope).sum(), list(embedding.parameters()))
    for mine, theirs in zip(ours, literal, strict=True):
        torch.testing.assert_close(mine, torch.zeros_like(mine) if theirs is None else theirs)


@pytest.mark.parametrize("groups", [8, 90])
@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize(
    ("rank", "m", "head"), [(1, (2, 1.5), 0), (4, (2, 1.5), 0), (1, (4, 5), 0.6), (4, (4, 5), 0.6)]
)
def test_every_path_gives_the_equations(groups, few, rank, m, head, random_index, monkeypatch):
    """Words with shared and with unshared groups, few and many at a time, whose senses are added in several parts."""
    monkeypatch.setattr(see, "FEW", few)
    monkeypatch.setattr(see, "WORDS", 7)
    torch.manual_seed(0)
    index = random_index(words=40, rank=rank, groups=groups)
    embedding = SEEEmbedding(40, 7, 1, index=index, m=m, head=head).double()
    expected = torch.stack([literal_row(embedding, index, word) * (word != 1) for word in range(40)])
    slope = torch.randn(40, 7, dtype=torch.float64)
    parameters = list(embedding.parameters())
    gradients = torch.autograd.grad((expected * slope).sum(), parameters, allow_unused=True)
    gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]
    for out in (
        embedding.table(),
        embedding.rows(torch.arange(40)),
        embedding(torch.arange(40).view(8, 5)).view(40, 7),
    ):
        torch.testing.assert_close(out, expected)
        ours = torch.autograd.grad((out * slope).sum(), parameters)
        torch.testing.assert_close(list(ours), gradients)


@pytest.mark.parametrize("m", [(2, 2), (2.5, 2), (4, 5), (5, 4)])
def test_serving_a_few_rows_without_a_table(m, random_index):
    """Sememes and morphemes with equally many vectors for all, and different numbers for the head."""
    torch.manual_seed(0)
    index = random_index(words=40, rank=4)
    embedding = SEEEmbedding(40, 7, 1, index=index, m=m, head=0.6 if max(m) > 3 else 0).double().eval()
    embedding.inference = "factored"
    words = torch.tensor([3, 1, 39, 3])
    with torch.no_grad():
        rows = embedding.rows(words)
    assert embedding._few is not None
    torch.testing.assert_close(rows, torch.stack([literal_row(embedding, index, w) * (w != 1) for w in words.tolist()]))


def test_layernorm_normalises_the_cut_sum(random_index):
    index = random_index(words=20)
    embedding = SEEEmbedding(20, 25, 1, index=index, m=2, layernorm=True).double()
    plain = torch.stack([literal_row(embedding, index, word) for word in range(20)])
    expected = torch.nn.functional.layer_norm(plain, (25,)) / math.sqrt(25)
    expected[1] = 0
    torch.testing.assert_close(embedding.table(), expected)


def test_parameters_are_units_times_width_times_m_whatever_the_rank(random_index):
    for rank in (2, 5):
        index = random_index(rank=rank, sememes=12, morphemes=30)
        assert SEEEmbedding(60, 512, index=index, m=9).footprint().parameters == (12 + 30) * 8 * 9


def paper_size_index(sememes, morphemes, words=40_000):
    """An index of the paper's size; planning reads nothing but the numbers of units."""
    return UnitIndex(
        order=3,
        rank=5,
        sememes=padding_names(3) + tuple(map(str, range(sememes - 3))),
        morphemes=padding_names(3) + tuple(map(str, range(morphemes - 3))),
        groups=np.zeros((1, 3), np.int32),
        sense_offsets=np.zeros(words + 1, np.int32),
        sense_groups=np.zeros(0, np.int32),
        word_morphemes=np.zeros((words, 3), np.int32),
        dictionary="",
    )


@pytest.mark.parametrize(
    ("ratio", "whole", "reached"), [(10, 18, 10.02), (20, 9, 20.03), (40, 4, 45.07), (80, 2, 90.1)]
)
def test_plans_at_the_papers_size(ratio, whole, reached):
    """V = 40,000, d = 512, 14,200 units: 20x is m = 9 (section 5.5); a whole m cannot give 40x or 80x."""
    index = paper_size_index(2_200, 12_000)
    assert SEEEmbedding.plan(ratio, 40_000, 512, index=index, whole_m=True) == {"m": whole}
    assert 40_000 * 512 / (14_200 * 8 * whole) == pytest.approx(reached, abs=0.05)
    m = SEEEmbedding.plan(ratio, 40_000, 512, index=index)["m"]
    with torch.device("meta"):
        parameters = SEEEmbedding(40_000, 512, index=index, m=m).footprint().parameters
    assert ratio <= 40_000 * 512 / parameters <= 1.001 * ratio


@pytest.mark.parametrize(
    ("share", "m"),
    [(0, (1.0, 10.4833)), (0.05, (1.0, 10.4833)), (0.5, (4.8854, 9.7709)), (1, 9.0140), (2, (15.6097, 7.8048))],
)
def test_a_share_of_the_sememes_is_kept_to_above_one_vector(share, m):
    """At 20x there are 40,000 x 512 / 20 / 8 = 128,000 vectors for 2,200 sememes and 12,000 morphemes."""
    index = paper_size_index(2_200, 12_000)
    settings = SEEEmbedding.plan(20, 40_000, 512, index=index, share=share)
    assert settings == {"m": pytest.approx(m, abs=1e-4)}
    with torch.device("meta"):
        parameters = SEEEmbedding(40_000, 512, index=index, share=share, **settings).footprint().parameters
    assert 20 <= 40_000 * 512 / parameters <= 20.01


@pytest.mark.parametrize("share", [-1, math.inf, math.nan])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(SeeError, match="share is"):
        SEEEmbedding.plan(20, 40_000, 512, index=paper_size_index(2_200, 12_000), share=share)


def test_a_fraction_of_m_goes_to_the_first_units(random_index):
    embedding = SEEEmbedding(60, 27, index=random_index(sememes=12, morphemes=30), m=2.5)
    assert embedding.sememes.vectors.shape == (12, 6) and embedding.sememes.extra.shape == (6, 3)
    assert embedding.footprint().parameters == 3 * (2 * 12 + 6 + 2 * 30 + 15)


@pytest.mark.parametrize(
    ("m", "head", "shares"),
    [
        (4.5, 0, (4, 50, 1)),
        (5, 0.2, (2, 20, 15)),
        # 375 vectors to share: of 19 or 18 each, 14 or 15 would be left over.
        (5.75, 0.2, (2, 22, 17)),
        (1.5, 0.2, (1, 25, 2)),
        (5, 1, (2, 100, 3)),
        (1, 0.2, (1, 0, 1)),
        # So small a head would be the padding alone.
        (1.02, 0.5, (1, 0, 1)),
        (9, 1e-4, (4, 4, 125)),
    ],
)
def test_half_of_the_vectors_are_for_all_units_and_half_for_the_head(m, head, shares):
    assert shares_of(100, m, 3, head) == shares
    assert shares[0] * 100 + shares[1] * shares[2] == vectors_of(100, m, 3, head)


@given(units=st.integers(2, 400), m=st.floats(1, 40), order=st.integers(2, 4), head=st.just(0.0) | st.floats(1e-4, 1))
def test_no_more_units_own_vectors_than_there_are(units, m, order, head):
    whole, owners, more = shares_of(units, m, order, head)
    assert whole >= 1 and owners * more + units * whole <= units * m + 1e-6
    assert owners == 0 or order < owners <= units
    # Padding alone has no head.
    assert units > order or whole == math.floor(m)


@pytest.mark.parametrize("head", [0.05, 0.2, 1])
@pytest.mark.parametrize("ratio", [10, 20, 40, 80])
def test_a_head_is_planned_within_the_ratio(ratio, head):
    index = paper_size_index(2_200, 12_000)
    settings = SEEEmbedding.plan(ratio, 40_000, 512, index=index, head=head)
    with torch.device("meta"):
        parameters = SEEEmbedding(40_000, 512, index=index, head=head, **settings).footprint().parameters
    assert ratio <= 40_000 * 512 / parameters <= 1.005 * ratio


@pytest.mark.parametrize("head", [-0.1, 1e-320, 1.1, math.nan])
@pytest.mark.parametrize("method", ["see", "morphte"])
def test_a_head_that_is_none_is_refused(method, head, random_index):
    for options in ({"ratio": 2}, {"m": 2} if method == "see" else {"rank": 2}):
        with pytest.raises(SeeError, match="head is"):
            build(method, 60, 27, index=random_index(), head=head, **options)


def test_an_infeasible_ratio_names_the_nearest():
    with pytest.raises(InfeasibleRatio, match=r"nearest ratio: 180.3x .*max-morphemes") as error:
        SEEEmbedding.plan(500, 40_000, 512, index=paper_size_index(2_200, 12_000))
    assert error.value.nearest == pytest.approx(40_000 * 512 / (14_200 * 8))


@pytest.mark.parametrize("init", ["balanced", "normal"])
@pytest.mark.parametrize("layernorm", [False, True])
@pytest.mark.parametrize(("dim", "head"), [(216, 0), (200, 0), (216, 0.3)])
def test_start_has_the_variance_of_a_dense_table(init, layernorm, dim, head, random_index):
    """With repeated units, missing senses, padding and a cut: the index has them all."""
    index = random_index(words=3000, sememes=200, morphemes=900, groups=1500, rank=5)
    torch.manual_seed(1)
    table = build("see", 3000, dim, 1, index=index, m=(3, 5), head=head, layernorm=layernorm, init=init)
    table = table.table().detach()
    real = torch.arange(3000) != 1
    assert abs(table[real].var(1).mean().item() * dim - 1) < 0.05


def test_vectors_start_about_as_large_as_a_dense_tables_numbers(random_index):
    """Or else one learning rate could not suit both."""
    embedding = build("see", 60, 216, 1, index=random_index(), m=(3, 5))
    for units in (embedding.sememes, embedding.morphemes):
        assert units.vectors.std().item() == pytest.approx(216**-0.5, rel=0.3)


def test_xavier_start_is_the_published_one(random_index):
    embedding = build("see", 60, 512, index=random_index(), m=7, init="xavier")
    assert embedding.table().var().item() < 0.05 / 512


def test_another_index_is_refused_when_loading(random_index):
    trained = build("see", 60, 27, index=random_index(seed=1), m=2)
    with pytest.raises(RuntimeError, match="another unit index"):
        build("see", 60, 27, index=random_index(seed=2), m=2).load_state_dict(trained.state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"m": 0}, "at least one vector"),
        ({"m": (2, 0)}, "at least one vector"),
        ({"m": 2, "order": 4}, "order 4 was asked for"),
        ({"m": 2, "rank": 9}, "rank 9 was asked for"),
        ({"m": 2, "init": "zeros"}, "unknown start 'zeros'"),
        ({"m": 2, "index": None}, "needs a unit index"),
        ({}, "give a ratio"),
    ],
)
def test_bad_options(random_index, options, message):
    with pytest.raises(SeeError, match=message):
        SEEEmbedding(60, 27, **{"index": random_index(), **options})


def test_an_index_of_another_size_is_refused(random_index):
    with pytest.raises(SeeError, match="the unit index has 60 words, the dictionary 61"):
        SEEEmbedding(61, 27, index=random_index(), m=2)


def test_padding_with_senses_is_refused(random_index):
    index = random_index(words=40)
    with_senses = int(np.flatnonzero(np.diff(index.sense_offsets))[0])
    with pytest.raises(SeeError, match=f"row {with_senses} is the padding, but a word with senses"):
        SEEEmbedding(40, 27, with_senses, index=index, m=2)
    build("morphte", 40, 27, with_senses, index=index, rank=2)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("m", [2, 1.5, (1.5, 1), (1, 1.7), (2, 1)])
def test_a_few_rows_without_a_table(order, m, random_index):
    """Two kinds with other whole m are left to the general way."""
    index = random_index(words=40, order=order)
    embedding = SEEEmbedding(40, 3**order - 2, 1, index=index, m=m).double()
    expected = torch.stack([literal_row(embedding, index, word) * (word != 1) for word in range(40)])
    embedding.inference = "factored"
    embedding.eval()
    ids = torch.tensor([[5, 1, 39], [0, 5, 12]])
    with torch.no_grad():
        torch.testing.assert_close(embedding(ids), expected[ids])
        assert embedding(ids[:0]).shape == (0, 3, 3**order - 2)
        assert (embedding._few is None) == (m == (2, 1))
        # Weights that lie elsewhere, as some hand averaged ones to a module that serves already.
        for parameter in embedding.parameters():
            parameter.data = 2 * parameter.data
        torch.testing.assert_close(embedding(ids), 2**order * expected[ids])
    copy.deepcopy(embedding)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_few_rows_in_half_precision(dtype, random_index):
    index = random_index(words=40)
    embedding = SEEEmbedding(40, 27, index=index, m=1.5).to(dtype).eval()
    exact = copy.deepcopy(embedding).double()
    expected = torch.stack([literal_row(exact, index, word) for word in range(40)])
    embedding.inference = "factored"
    with torch.no_grad():
        rows = embedding(torch.arange(40))
    assert rows.dtype is dtype
    assert (rows.double() - expected).abs().max() < 2 * torch.finfo(dtype).eps * expected.abs().max()


def test_a_few_rows_follow_the_weights(random_index):
    """However they change: in place, through .data, in training, by loading, by another precision."""
    embedding = SEEEmbedding(40, 27, index=random_index(words=40), m=1.5).eval()
    embedding.inference = "factored"
    other = SEEEmbedding(40, 27, index=random_index(words=40), m=1.5)
    ids = torch.arange(10)

    def check():
        with torch.no_grad():
            torch.testing.assert_close(embedding(ids), embedding.table()[:10], check_dtype=True)

    check()
    embedding.morphemes.vectors.data.mul_(2)
    check()
    embedding.train()
    embedding.morphemes.vectors.data = other.morphemes.vectors.data.clone()
    embedding.eval()
    check()
    embedding.load_state_dict(other.state_dict())
    check()
    embedding.double()
    check()


@pytest.mark.parametrize("words", [60, 2**16])
def test_a_narrow_index_says_the_same_in_fewer_bytes(words, random_index):
    """Of many words' slots not all offsets fit 16 bits; and groups beyond 32,767 stay as they are."""
    index = random_index(words=words, groups=25 if words == 60 else 40_000)
    embedding = SEEEmbedding(words, 8, 1, index=index, m=1).eval()
    ids = torch.tensor([0, 1, 7, 17, words - 1])
    with torch.no_grad():
        expected, state = embedding(ids), copy.deepcopy(embedding.state_dict())
        wide = sum(buffer.nbytes for buffer in embedding.buffers())
        embedding.inference = "factored"
        embedding.eval()
        assert sum(buffer.nbytes for buffer in embedding.buffers()) < 0.7 * wide
        torch.testing.assert_close(embedding(ids), expected)
        torch.testing.assert_close(embedding.table()[ids], expected)
        assert index_arrays(embedding.state_dict()) == index_arrays(state)
        assert embedding.index.unit_index().packed() == index.packed()
        other = SEEEmbedding(words, 8, 1, index=random_index(words=words, seed=5, groups=len(index.groups)), m=1)
        with pytest.raises(RuntimeError, match="another unit index"):
            embedding.load_state_dict(other.state_dict())
        embedding.load_state_dict(state)
        torch.testing.assert_close(embedding.train()(ids), expected)
    assert sum(buffer.nbytes for buffer in embedding.buffers()) == wide


def index_arrays(state):
    """Its integers, with their types, as they would be written to a checkpoint."""
    return {name: (value.dtype, value.tolist()) for name, value in state.items() if not value.is_floating_point()}
