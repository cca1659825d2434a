"""The shared operator against a literal reading of its formula, one element at a time, in float64."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_see.embeddings import kronecker
from fairseq_see.embeddings.kronecker import ceil_root, kronecker_sum, multiply_pairs


def literal(units, index, vectors, dim):
    """out[n][flat] = sum over groups and vectors of the product of one element of each factor."""
    n, groups, order = index.shape
    q = units.shape[1] // vectors
    rows = []
    for row in range(n):
        elements = [torch.zeros((), dtype=units.dtype) for _ in range(q**order)]
        for group, vector in itertools.product(range(groups), range(vectors)):
            for flat, digits in enumerate(itertools.product(range(q), repeat=order)):
                product = torch.ones((), dtype=units.dtype)
                for position, digit in enumerate(digits):
                    product = product * units[index[row, group, position], vector * q + digit]
                elements[flat] = elements[flat] + product
        rows.append(torch.stack(elements[:dim]))
    return torch.stack(rows)


def example(order, q, missing, n=3, groups=2, vectors=2, units=4, seed=0):
    """Vectors of units, an index, m, and d: some dimensions less than q^o."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(units, vectors * q, generator=generator, dtype=torch.float64)
    index = torch.randint(units, (n, groups, order), generator=generator, dtype=torch.int32)
    return table, index, vectors, max(1, q**order - missing)


def assert_same(out, parameters, expected, its_parameters):
    """The values, and their gradients along a random slope."""
    torch.testing.assert_close(out, expected)
    slope = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad((out * slope).sum(), parameters)
    torch.testing.assert_close(found, torch.autograd.grad((expected * slope).sum(), its_parameters))


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 4), st.integers(1, 3)) | st.tuples(st.integers(5, 6), st.integers(1, 2)),
    missing=st.integers(0, 9),
    n=st.integers(1, 3),
    groups=st.integers(1, 3),
    vectors=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_forward_and_gradient_equal_the_literal_sum(shape, missing, n, groups, vectors, seed):
    table, index, vectors, dim = example(*shape, missing, n, groups, vectors, seed=seed)
    table.requires_grad_()
    out, expected = kronecker_sum(table, index, vectors, dim, 1.5), 1.5 * literal(table, index, vectors, dim)
    assert_same(out, [table], expected, [table])


@settings(max_examples=25, deadline=None)
@given(order=st.integers(2, 4), owners=st.integers(1, 4), missing=st.integers(0, 3), seed=st.integers(0, 99))
def test_an_extra_vector_of_the_first_units(order, owners, missing, seed):
    """Equals one vector more of every unit, zero where there is none."""
    table, index, vectors, dim = example(order, 2, missing, n=5, seed=seed)
    extra = torch.randn(owners, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    parameters = table.requires_grad_(), extra.requires_grad_()
    none = torch.zeros(len(table) - owners, 2, dtype=torch.float64)
    expected = literal(torch.cat((table, torch.cat((extra, none))), 1), index, vectors + 1, dim)
    out = kronecker_sum(table, index, vectors, dim, extra=extra)
    assert_same(out, parameters, expected, parameters)
    with torch.no_grad():
        assert kronecker_sum(table, index, vectors, dim, extra=extra).equal(out)


def test_chunks_change_nothing(monkeypatch):
    table, index, vectors, dim = example(3, 3, missing=4, n=50)
    results = []
    for elements in (10**9, 1, 700):
        monkeypatch.setattr(kronecker, "CHUNK_ELEMENTS", elements)
        out = kronecker_sum(table.requires_grad_(), index, vectors, dim)
        results.append((out.detach(), *torch.autograd.grad(out.square().sum(), table)))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


def test_no_rows():
    table, _, vectors, dim = example(3, 2, missing=0)
    out = kronecker_sum(table.requires_grad_(), torch.zeros(0, 2, 3, dtype=torch.int32), vectors, dim)
    assert out.shape == (0, dim) and not torch.autograd.grad(out.sum(), table)[0].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    table, index, vectors, dim = example(3, 4, missing=5)
    units = table.to(dtype)
    out, exact = kronecker_sum(units, index, vectors, dim), kronecker_sum(units.double(), index, vectors, dim)
    # Nothing but the final rounding is lost.
    torch.testing.assert_close(out, exact.to(dtype), rtol=torch.finfo(dtype).eps, atol=1e-5)


@pytest.mark.parametrize("elements", [1, 60, 2**20])
@pytest.mark.parametrize(("rows", "dim"), [(35, 12), (35, 10), (33, 12), (17, 7), (7, 1)])
def test_all_pairs_equal_their_sum(monkeypatch, elements, rows, dim):
    monkeypatch.setattr(kronecker, "CHUNK_ELEMENTS", elements)
    torch.manual_seed(rows)
    parameters = [torch.randn(*shape, dtype=torch.float64).requires_grad_() for shape in ((5, 4, 6), (7, 6, 3))]
    expected = torch.einsum("ias,ksc->ikac", *parameters).reshape(35, 12)[:rows, :dim]
    assert_same(multiply_pairs(*parameters, rows, dim), parameters, expected, parameters)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_all_pairs_in_half_precision_keep_their_digits(dtype):
    torch.manual_seed(0)
    left, right = torch.randn(5, 4, 600, dtype=dtype), torch.randn(7, 600, 3, dtype=dtype)
    exact = multiply_pairs(left.double(), right.double(), 35, 12)
    torch.testing.assert_close(multiply_pairs(left, right, 35, 12), exact.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(multiply_pairs(left.float(), right.float(), 35, 12), exact.float())


@pytest.mark.parametrize("degree", [2, 3, 4, 5, 9])
def test_ceil_root_is_the_smallest_that_reaches(degree):
    """3125 is an exact fifth power, and 3125 ** 0.2 is above 5."""
    for number in [*range(1, 300), 3125, *(b**degree + c for b in (5, 6, 8, 31) for c in (-1, 0, 1))]:
        root = ceil_root(number, degree)
        assert root**degree >= number and (root == 1 or (root - 1) ** degree < number)
