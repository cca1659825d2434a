"""SEE against its equations read literally, and its planner against numbers worked out by hand."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairseq_see.embeddings import SEEEmbedding, build, complete_config, indexed
from fairseq_see.embeddings.unit_vectors import count_vectors, share_vectors
from fairseq_see.errors import InfeasibleRatio, SeeError
from tests.unit.embeddings.conftest import make_index, paper_size_index


def make(rows, dim, padding=None, *, index, method="see_paper", **options):
    return build(method, rows, dim, padding, index=index, **options)


def reference(embedding):
    return torch.stack(embedding.reference_rows(range(embedding.num_embeddings)))


def assert_reference(embedding, *outputs):
    """The values of the reference, and gradients along a random slope."""
    expected, parameters = reference(embedding), list(embedding.parameters())
    slope = torch.randn(expected.shape, dtype=torch.float64)
    literal = torch.autograd.grad((expected * slope).sum(), parameters, allow_unused=True)
    literal = [torch.zeros_like(p) if grad is None else grad for p, grad in zip(parameters, literal, strict=True)]
    for out in outputs:
        torch.testing.assert_close(out, expected)
        torch.testing.assert_close(list(torch.autograd.grad((out * slope).sum(), parameters)), literal)


def planned_ratio(index, **options):
    """What a plan for 40,000 x 512 reaches."""
    with torch.device("meta"):
        return 40_000 * 512 / make(40_000, 512, index=index, **options).footprint().parameters


def test_the_reference_by_hand():
    """Two dimensions a vector: one sense of two sememes, two morphemes, m = 1, all worked out on paper."""
    index = make_index(4, 4, groups=[[2, 3]], sense_offsets=[0, 1], sense_groups=[0], word_morphemes=[[3, 2]])
    embedding = make(1, 4, index=index, vectors=1, output_scale=2.0)
    with torch.no_grad():
        embedding.sememes.vectors[2:] = torch.tensor([[1.0, 2], [3, 5]])
        embedding.morphemes.vectors[2:] = torch.tensor([[7.0, 0], [1, -1]])
    # (1, 2) x (3, 5) = (3, 5, 6, 10) and (1, -1) x (7, 0) = (7, 0, -7, 0), twice their sum.
    expected = torch.tensor([[20.0, 10, -2, 20]])
    torch.testing.assert_close(reference(embedding).float(), expected)
    torch.testing.assert_close(embedding.table().detach(), expected)


@pytest.mark.parametrize(
    ("order", "rank", "groups"), [(2, 1, 8), (2, 5, 90), (3, 1, 90), (3, 4, 8), (4, 2, 8), (4, 5, 90)]
)
@pytest.mark.parametrize(
    ("m", "share"), [(1, 0), (3, 0), ((2, 3), 0), (1.5, 0), ((1.7, 2.2), 0), (4, 0.7), ((2.4, 3), 0.9)]
)
def test_equations_3_and_4(order, rank, groups, m, share, random_index, monkeypatch):
    """Words with shared and with unshared groups, whose senses are added in several parts; LayerNorm or none."""
    monkeypatch.setattr(indexed, "WORDS", 7)
    torch.manual_seed(order * rank)
    dim, index = 3**order - 2, random_index(words=20, order=order, rank=rank, groups=groups)
    embedding = make(20, dim, 1, index=index, vectors=m, frequent_share=share, layernorm=share > 0).double()
    assert_reference(embedding, embedding.table(), embedding(torch.arange(20).view(4, 5)).view(20, dim))


def test_morphte_is_see_without_senses(random_index):
    index = random_index(words=20)
    embedding = build("morphte", 20, 25, 1, index=index, vectors=2).double()
    torch.testing.assert_close(embedding.table(), reference(embedding))
    assert embedding.footprint().parameters == 30 * 3 * 2 + 2 * 25


def test_one_name_is_one_model(random_index):
    """What see adds to the paper's, and nothing that depends on who builds it."""
    see, paper = (asdict(build(name, 60, 27, index=random_index(), ratio=1).config) for name in ("see", "see_paper"))
    decided = {"vectors": 0, "output_scale": 0}
    assert see | {"layernorm": False, "frequent_share": 0.0} | decided == paper | decided


def plan(ratio, index, **options):
    return complete_config("see_paper", 40_000, 512, ratio, index, options).vectors


@pytest.mark.parametrize(
    ("ratio", "integer", "reached"), [(10, 18, 10.02), (20, 9, 20.03), (40, 4, 45.07), (80, 2, 90.1)]
)
def test_plans_at_the_papers_size(ratio, integer, reached):
    """V = 40,000, d = 512, 14,200 units: 20x is m = 9 (section 5.5); an integer m cannot give 40x or 80x."""
    index = paper_size_index()
    assert plan(ratio, index, integer_vectors=True) == integer
    assert 40_000 * 512 / (14_200 * 8 * integer) == pytest.approx(reached, abs=0.05)
    assert ratio <= planned_ratio(index, vectors=plan(ratio, index)) <= 1.001 * ratio
    for share in (0.05, 0.2, 1):
        m = plan(ratio, index, frequent_share=share)
        assert ratio <= planned_ratio(index, vectors=m, frequent_share=share) <= 1.005 * ratio


@pytest.mark.parametrize(
    ("share", "m"),
    [(0, (1.0, 10.4833)), (0.05, (1.0, 10.4833)), (0.5, (4.8854, 9.7709)), (1, 9.0140), (2, (15.6097, 7.8048))],
)
def test_a_share_of_the_sememes_is_kept_to_above_one_vector(share, m):
    """At 20x there are 40,000 x 512 / 20 / 8 = 128,000 vectors for 2,200 sememes and 12,000 morphemes."""
    index = paper_size_index()
    planned = plan(20, index, sememe_share=share)
    assert planned == pytest.approx(m, abs=1e-4)
    assert 20 <= planned_ratio(index, vectors=planned) <= 20.01


@pytest.mark.parametrize(
    ("m", "share", "shares"),
    [
        (4.5, 0, (4, 50, 1)),
        (5, 0.2, (2, 20, 15)),
        # 375 vectors to share: of 19 or 18 each, 14 or 15 would be left over.
        (5.75, 0.2, (2, 22, 17)),
        (1.5, 0.2, (1, 25, 2)),
        (5, 1, (2, 100, 3)),
        (1, 0.2, (1, 0, 1)),
        # So small a share would be the padding alone.
        (1.02, 0.5, (1, 0, 1)),
        (9, 1e-4, (4, 4, 125)),
    ],
)
def test_half_of_the_vectors_are_for_all_units_and_half_for_the_most_frequent(m, share, shares):
    assert share_vectors(100, m, 3, share) == shares
    assert shares[0] * 100 + shares[1] * shares[2] == count_vectors(100, m, 3, share)


@given(units=st.integers(2, 400), m=st.floats(1, 40), order=st.integers(2, 4), share=st.just(0.0) | st.floats(1e-4, 1))
def test_no_more_units_own_vectors_than_there_are(units, m, order, share):
    whole, owners, more = share_vectors(units, m, order, share)
    assert whole >= 1 and owners * more + units * whole <= units * m + 1e-6
    assert owners == 0 or order < owners <= units
    # Padding alone has no frequent units.
    assert units > order or whole == math.floor(m)


@pytest.mark.parametrize("share", [-0.1, 1e-320, 1.1])
@pytest.mark.parametrize("method", ["see", "morphte"])
def test_a_share_that_is_none_is_refused(method, share, random_index):
    for options in ({"ratio": 2}, {"vectors": 2}):
        with pytest.raises(SeeError, match="frequent_share is"):
            build(method, 60, 27, index=random_index(), frequent_share=share, **options)


def test_an_infeasible_ratio_names_the_nearest():
    with pytest.raises(InfeasibleRatio, match=r"nearest ratio: 180.3x .*max-morphemes") as error:
        plan(500, paper_size_index())
    assert error.value.nearest == pytest.approx(40_000 * 512 / (14_200 * 8))


@pytest.mark.parametrize("init", ["balanced", "normal"])
@pytest.mark.parametrize("layernorm", [False, True])
@pytest.mark.parametrize(("dim", "share"), [(216, 0), (200, 0), (216, 0.3)])
def test_initialisation_has_the_variance_of_a_dense_matrix(init, layernorm, dim, share, random_index):
    """With repeated units, missing senses, padding and a truncation: the index has them all."""
    index = random_index(words=3000, sememes=200, morphemes=900, groups=1500, rank=5)
    torch.manual_seed(1)
    embedding = make(3000, dim, 1, index=index, vectors=(3, 5), frequent_share=share, layernorm=layernorm, init=init)
    variance = embedding.table().detach()[torch.arange(3000) != 1].var(1).mean().item()
    assert abs(variance * dim - 1) < 0.05
    if not share:
        # Or else one learning rate could not suit both.
        for units in (embedding.sememes, embedding.morphemes):
            assert units.vectors.std().item() == pytest.approx(dim**-0.5, rel=0.3)


def test_xavier_is_the_published_initialisation(random_index):
    embedding = make(60, 512, index=random_index(), vectors=7, init="xavier")
    assert embedding.table().var().item() < 0.05 / 512


def test_another_index_is_refused_when_loading(random_index):
    trained = make(60, 27, index=random_index(seed=1), vectors=2)
    with pytest.raises((RuntimeError, SeeError), match="another unit index"):
        make(60, 27, index=random_index(seed=2), vectors=2).load_state_dict(trained.state_dict())


def test_an_index_of_another_size_or_none_is_refused(random_index):
    with pytest.raises(SeeError, match="the unit index has 60 words, the dictionary 61"):
        make(61, 27, index=random_index(), vectors=2)
    for index in (None, "dict.zh.see"):
        with pytest.raises(SeeError, match="needs a unit index, not"):
            make(61, 27, index=index, vectors=2)
    with pytest.raises(SeeError, match="needs 'vectors', or a ratio"):
        SEEEmbedding(SEEEmbedding.Config(), 60, 27, None, random_index())


def test_padding_with_senses_is_refused(random_index):
    index = random_index(words=40)
    with_senses = int(np.flatnonzero(np.diff(index.sense_offsets))[0])
    with pytest.raises(SeeError, match=f"row {with_senses} is the padding, but a word with senses"):
        make(40, 27, with_senses, index=index, vectors=2)
    build("morphte", 40, 27, with_senses, index=index, vectors=2)
