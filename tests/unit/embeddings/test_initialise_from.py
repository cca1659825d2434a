"""Closed-form initialisation, against the theorems and programs that know the answer."""

import pytest
import tensorly
import torch
from tensorly.decomposition import parafac, tensor_train

from fairseq_see.embeddings import build
from fairseq_see.embeddings.decompose import canonical
from fairseq_see.embeddings.tensor_train import factors

tensorly.set_backend("pytorch")


def random_table(rows, columns, padding=None):
    torch.manual_seed(0)
    table = torch.randn(rows, columns, dtype=torch.float64) * torch.logspace(0, -2, columns, dtype=torch.float64)
    if padding is not None:
        table[padding] = 0
    return table


def initialised(method, table, padding=None, **options):
    embedding = build(method, *table.shape, padding, **options).double()
    assert embedding.initialise_from(table)
    return embedding


def error(embedding, table):
    return (embedding.table().detach() - table).norm().item()


@pytest.mark.parametrize("k", [1, 5, 12])
def test_matrix_has_the_error_of_eckart_and_young(k):
    table = random_table(40, 12, padding=1)
    rest = torch.linalg.svdvals(table)[k:]
    assert error(initialised("low_rank", table, 1, rank=k), table) == pytest.approx(rest.norm().item(), abs=1e-12)


def test_matrix_with_a_bias_is_pca():
    table = random_table(40, 12) + 5
    table[1] = 0
    real = torch.arange(40) != 1
    rest = torch.linalg.svdvals(table[real] - table[real].mean(0))[3:]
    embedding = initialised("low_rank", table, 1, rank=3, bias=True)
    assert error(embedding, table) == pytest.approx(rest.norm().item())
    assert not embedding.table()[1].any()


@pytest.mark.parametrize("bias", [False, True])
def test_weighted_rows_have_the_least_weighted_error(bias):
    table, weights = random_table(40, 12, padding=1) + 3 * bias, torch.rand(40, dtype=torch.float64) ** 4
    table[1], weights[1] = 0, 0
    embedding = build("low_rank", 40, 12, 1, rank=3, bias=bias).double()
    assert embedding.initialise_from(table, weights)
    centred = table - (weights @ table / weights.sum()) * bias
    rest = torch.linalg.svdvals(centred * weights.sqrt().unsqueeze(1))[3:]
    found = weights @ (embedding.table().detach() - table).square().sum(1)
    assert found.item() == pytest.approx(rest.square().sum().item())
    alike = initialised("low_rank", table, 1, rank=3, bias=bias).table().detach()
    assert found < weights @ (alike - table).square().sum(1)
    # What weighs nothing is as near as what is learnt of the others lets it be.
    distance = (table - embedding.table().detach()) @ embedding.right.T
    assert distance[torch.arange(40) != 1].abs().max() < 1e-9


def test_a_fraction_of_k_helps_its_words_when_they_are_weighted():
    table, weights = random_table(40, 12), torch.linspace(2, 0.1, 40, dtype=torch.float64)
    errors = []
    for k in (3, 3.5, 4):
        embedding = build("low_rank", 40, 12, rank=k).double()
        embedding.initialise_from(table, weights)
        errors.append((weights @ (embedding.table().detach() - table).square().sum(1)).item())
    assert errors[0] > errors[1] > errors[2]


def test_a_fraction_of_k_lies_between_its_neighbours_and_helps_the_first_words():
    table = random_table(40, 12)
    errors = [error(initialised("low_rank", table, rank=k), table) for k in (3, 3.5, 4)]
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[1] > errors[2]


def test_tensor_train_recovers_a_tensor_train():
    torch.manual_seed(1)
    teacher = build("tensor_train", 60, 27, rank=(4, 5)).double()
    table = teacher.table().detach()
    (a, b, c), (d, e, f) = factors(60), factors(27)
    assert a * b * c == 60 and d * e * f == 27
    assert error(initialised("tensor_train", table, rank=(4, 5)), table) < 1e-12 * table.norm()


@pytest.mark.parametrize("rank", [(2, 3), (4, 4)])
def test_tensor_train_has_tensorlys_error(rank):
    table = random_table(60, 27)
    (v1, v2, v3), (d1, d2, d3) = factors(60), factors(27)
    folded = table.view(v1, v2, v3, d1, d2, d3).permute(0, 3, 1, 4, 2, 5).reshape(v1 * d1, v2 * d2, v3 * d3)
    theirs = tensorly.tt_to_tensor(tensor_train(folded, (1, *rank, 1)))
    expected = (theirs - folded).norm().item()
    assert error(initialised("tensor_train", table, rank=rank), table) == pytest.approx(expected, rel=1e-6)


def test_tensor_train_of_rows_and_columns_behind_the_ends():
    table = random_table(59, 26)
    assert error(initialised("tensor_train", table, rank=(40, 40)), table) < 1e-10


@pytest.mark.parametrize("rank", [3, 2.5])
def test_word2ketxs_recovers_a_sum_of_kronecker_products(rank):
    torch.manual_seed(2)
    teacher = build("word2ketxs", 36, 25, rank=rank).double()
    if rank == 2.5:
        # What a fraction adds is found after the rest, so only a table in which it is smaller comes back whole.
        with torch.no_grad():
            teacher.digits.extra.zero_()
    table = teacher.table().detach()
    assert error(initialised("word2ketxs", table, rank=rank), table) < 1e-12 * table.norm()


def test_word2ketxs_has_the_error_of_the_rearranged_svd():
    table = random_table(36, 25)
    folded = torch.stack([table.view(6, 6, 5, 5)[i, :, j].flatten() for i in range(6) for j in range(5)])
    for rank in (1, 4):
        rest = torch.linalg.svdvals(folded)[rank:]
        assert error(initialised("word2ketxs", table, rank=rank), table) == pytest.approx(rest.norm().item())
    errors = [error(initialised("word2ketxs", table, rank=rank), table) for rank in (4, 4.5, 5)]
    assert errors[0] > errors[1] > errors[2]
    assert not build("word2ketxs", 36, 25, rank=2, order=3).initialise_from(table.float())


def test_word2ket_at_order_two_is_the_svd_of_every_row():
    table = random_table(30, 16, padding=1)
    rest = torch.linalg.svdvals(table.view(30, 4, 4))[:, 2:]
    assert error(initialised("word2ket", table, 1, rank=2, order=2), table) == pytest.approx(rest.norm().item())


def test_word2ket_recovers_products_and_gives_the_first_words_more():
    torch.manual_seed(3)
    table = build("word2ket", 30, 27, 1, rank=1, order=3).double().table().detach()
    assert error(initialised("word2ket", table, 1, rank=1, order=3), table) < 1e-6 * table.norm()
    table = random_table(30, 27)
    plain, more = (initialised("word2ket", table, rank=rank, order=3).table().detach() for rank in (1, 1.5))
    closer = (more - table).norm(dim=1) < (plain - table).norm(dim=1) - 1e-6
    assert closer.tolist() == [True] * 15 + [False] * 15
    assert not build("word2ket", 30, 27, rank=1, tree_layernorm=True).initialise_from(table.float())


def test_canonical_is_about_as_near_as_tensorlys_als():
    torch.manual_seed(4)
    tensors = torch.randn(6, 3, 3, 3, dtype=torch.float64)
    factors = canonical(tensors, 2)
    ours = (torch.einsum("nra,nrb,nrc->nabc", *factors) - tensors).flatten(1).norm(dim=1)
    theirs = torch.stack(
        [(tensorly.cp_to_tensor(parafac(one, 2, n_iter_max=100, init="svd")) - one).norm() for one in tensors]
    )
    assert ours.mean() <= 1.02 * theirs.mean()


def test_more_rank_than_there_is_to_find():
    table = random_table(8, 8)
    for method, options in (
        ("low_rank", {"rank": 20}),
        ("word2ket", {"rank": 6, "order": 3}),
        ("tensor_train", {"rank": (30, 30)}),
    ):
        embedding = initialised(method, table, **options)
        assert error(embedding, table) < 1e-3
        assert all(parameter.isfinite().all() for parameter in embedding.parameters())


@pytest.mark.parametrize(
    ("method", "m"), [("see", {"vectors": 2.5}), ("see", {"vectors": (1.5, 3)}), ("morphte", {"vectors": 2.5})]
)
def test_aligned_vectors_have_the_direction_of_their_number_and_rows_of_the_tables_length(random_index, method, m):
    torch.manual_seed(5)
    plain = {"layernorm": False, "frequent_share": 0.0}
    table = 7 * random_table(60, 27, padding=1)
    embedding = build(method, 60, 27, 1, index=random_index(), **m, **plain).double()
    before = [vectors.detach().clone() for vectors in embedding.parameters()]
    assert not embedding.initialise_from(table)
    rows = embedding.table().detach()
    assert rows.square().sum().item() == pytest.approx(table.square().sum().item()) and not rows[1].any()
    scale = None
    for old, new in zip(before, embedding.parameters(), strict=True):
        expected = torch.stack([0.3 * row + (1 - 0.3**2) ** 0.5 * old[0] for row in old])
        scale = scale or (new.norm() / expected.norm()).item()
        torch.testing.assert_close(new.detach(), scale * expected)
