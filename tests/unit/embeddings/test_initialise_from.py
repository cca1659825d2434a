"""Closed-form initialisation, against the theorems and programs that know the answer."""

import pytest
import tensorly
import torch
from tensorly.decomposition import parafac, tensor_train

from fairseq_see.embeddings import build
from fairseq_see.embeddings.decompose import factorise_canonical
from fairseq_see.embeddings.tensor_train import find_factors

tensorly.set_backend("pytorch")


def random_matrix(rows, columns, padding=None):
    torch.manual_seed(0)
    matrix = torch.randn(rows, columns, dtype=torch.float64) * torch.logspace(0, -2, columns, dtype=torch.float64)
    if padding is not None:
        matrix[padding] = 0
    return matrix


def initialised(method, matrix, padding=None, weights=None, **options):
    embedding = build(method, *matrix.shape, padding, **options).double()
    assert embedding.initialise_from(matrix, weights)
    return embedding


def error(method, matrix, padding=None, **options):
    return (initialised(method, matrix, padding, **options).table().detach() - matrix).norm().item()


@pytest.mark.parametrize("k", [1, 5, 12])
def test_low_rank_has_the_error_of_eckart_and_young(k):
    matrix = random_matrix(40, 12, padding=1)
    rest = torch.linalg.svdvals(matrix)[k:]
    assert error("low_rank", matrix, 1, rank=k) == pytest.approx(rest.norm().item(), abs=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_weighted_embeddings_have_the_least_weighted_error(bias):
    matrix, weights = random_matrix(40, 12, padding=1), torch.rand(40, dtype=torch.float64) ** 4
    matrix[1], weights[1] = 0, 0
    embedding, alike = (initialised("low_rank", matrix, 1, each, rank=3, bias=bias) for each in (weights, None))
    rest = torch.linalg.svdvals(matrix * weights.sqrt().unsqueeze(1))[3:]
    found = weights @ (embedding.table().detach() - matrix).square().sum(1)
    assert found.item() == pytest.approx(rest.square().sum().item())
    assert found < weights @ (alike.table().detach() - matrix).square().sum(1)
    # What weighs nothing is as near as what is learnt of the others lets it be.
    distance = (matrix - embedding.table().detach()) @ embedding.right.T
    assert distance[torch.arange(40) != 1].abs().max() < 1e-9


@pytest.mark.parametrize("weighted", [False, True])
def test_a_fraction_of_k_lies_between_its_neighbours(weighted):
    matrix, weights = random_matrix(40, 12), torch.linspace(2, 0.1, 40, dtype=torch.float64) if weighted else None
    errors = []
    for k in (3, 3.5, 4):
        squares = (initialised("low_rank", matrix, weights=weights, rank=k).table().detach() - matrix).square().sum(1)
        errors.append((squares if weights is None else weights * squares).sum().item())
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize(
    ("method", "rows", "columns", "rank", "near"),
    [
        ("tensor_train", 60, 27, (4, 5), 1e-12),
        ("word2ketxs", 36, 25, 3, 1e-12),
        ("word2ketxs", 36, 25, 2.5, 1e-12),
        ("word2ket", 30, 27, 1, 1e-6),
    ],
)
def test_a_matrix_of_the_methods_own_kind_comes_back(method, rows, columns, rank, near):
    torch.manual_seed(2)
    teacher = build(method, rows, columns, rank=rank).double()
    if rank == 2.5:
        # What a fraction adds is found after the rest, so only a matrix in which it is smaller comes back whole.
        torch.nn.init.zeros_(teacher.digits.extra)
    matrix = teacher.table().detach()
    assert error(method, matrix, rank=rank) < near * matrix.norm()


@pytest.mark.parametrize("rank", [(2, 3), (4, 4)])
def test_tensor_train_has_tensorlys_error(rank):
    matrix = random_matrix(60, 27)
    (v1, v2, v3), (d1, d2, d3) = find_factors(60), find_factors(27)
    assert v1 * v2 * v3 == 60 and d1 * d2 * d3 == 27
    folded = matrix.view(v1, v2, v3, d1, d2, d3).permute(0, 3, 1, 4, 2, 5).reshape(v1 * d1, v2 * d2, v3 * d3)
    theirs = tensorly.tt_to_tensor(tensor_train(folded, (1, *rank, 1)))
    assert error("tensor_train", matrix, rank=rank) == pytest.approx((theirs - folded).norm().item(), rel=1e-6)


def test_tensor_train_of_rows_and_columns_behind_the_ends():
    assert error("tensor_train", random_matrix(59, 26), rank=(40, 40)) < 1e-10


def test_word2ketxs_has_the_error_of_the_rearranged_svd():
    matrix = random_matrix(36, 25)
    folded = torch.stack([matrix.view(6, 6, 5, 5)[i, :, j].flatten() for i in range(6) for j in range(5)])
    for rank in (1, 4):
        rest = torch.linalg.svdvals(folded)[rank:]
        assert error("word2ketxs", matrix, rank=rank) == pytest.approx(rest.norm().item())
    errors = [error("word2ketxs", matrix, rank=rank) for rank in (4, 4.5, 5)]
    assert errors[0] > errors[1] > errors[2]


def test_word2ket_at_order_two_is_the_svd_of_every_embedding():
    matrix = random_matrix(30, 16, padding=1)
    rest = torch.linalg.svdvals(matrix.view(30, 4, 4))[:, 2:]
    assert error("word2ket", matrix, 1, rank=2, order=2) == pytest.approx(rest.norm().item())


def test_word2ket_gives_the_first_words_more():
    matrix = random_matrix(30, 27)
    plain, more = (initialised("word2ket", matrix, rank=rank, order=3).table().detach() for rank in (1, 1.5))
    closer = (more - matrix).norm(dim=1) < (plain - matrix).norm(dim=1) - 1e-6
    assert closer.tolist() == [True] * 15 + [False] * 15


def test_some_shapes_have_no_closed_form():
    for method, options in (("word2ket", {"tree_layernorm": True}), ("word2ketxs", {"order": 3})):
        assert not build(method, 36, 25, rank=2, **options).initialise_from(random_matrix(36, 25).float())


def test_canonical_is_about_as_near_as_tensorlys_als():
    torch.manual_seed(4)
    tensors = torch.randn(6, 3, 3, 3, dtype=torch.float64)
    ours = (torch.einsum("nra,nrb,nrc->nabc", *factorise_canonical(tensors, 2)) - tensors).flatten(1).norm(dim=1)
    theirs = [(tensorly.cp_to_tensor(parafac(one, 2, n_iter_max=100, init="svd")) - one).norm() for one in tensors]
    assert ours.mean() <= 1.02 * torch.stack(theirs).mean()


@pytest.mark.parametrize(("method", "rank"), [("low_rank", 20), ("word2ket", 6), ("tensor_train", (30, 30))])
def test_more_rank_than_there_is_to_find(method, rank):
    matrix = random_matrix(8, 8)
    embedding = initialised(method, matrix, rank=rank)
    assert (embedding.table() - matrix).norm() < 1e-3
    assert all(parameter.isfinite().all() for parameter in embedding.parameters())


@pytest.mark.parametrize(("method", "m"), [("see", 2.5), ("see", (1.5, 3)), ("morphte", 2.5)])
def test_aligned_vectors_have_the_direction_of_their_number_and_the_matrixs_length(random_index, method, m):
    torch.manual_seed(5)
    plain = {"layernorm": False, "frequent_share": 0.0, "vectors": m}
    matrix = 7 * random_matrix(60, 27, padding=1)
    embedding = build(method, 60, 27, 1, index=random_index(), **plain).double()
    before = [vectors.detach().clone() for vectors in embedding.parameters()]
    assert not embedding.initialise_from(matrix)
    rows = embedding.table().detach()
    assert rows.square().sum().item() == pytest.approx(matrix.square().sum().item()) and not rows[1].any()
    scale = None
    for old, new in zip(before, embedding.parameters(), strict=True):
        expected = torch.stack([0.3 * row + (1 - 0.3**2) ** 0.5 * old[0] for row in old])
        scale = scale or (new.norm() / expected.norm()).item()
        torch.testing.assert_close(new.detach(), scale * expected)
