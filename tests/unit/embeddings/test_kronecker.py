"""The shared operator against a literal reading of its formula, one number at a time, in float64."""

import itertools
import math

import pytest
import tensorly
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_see.embeddings import kronecker
from fairseq_see.embeddings.kronecker import all_pairs, ceil_root, kronecker_sum


def literal(units, index, vectors, dim):
    """out[n][flat] = sum over groups and vectors of the product of one number of each factor."""
    n, groups, order = index.shape
    q = units.shape[1] // vectors
    rows = []
    for row in range(n):
        numbers = [torch.zeros((), dtype=units.dtype) for _ in range(q**order)]
        for group, vector in itertools.product(range(groups), range(vectors)):
            for flat, digits in enumerate(itertools.product(range(q), repeat=order)):
                product = torch.ones((), dtype=units.dtype)
                for position, digit in enumerate(digits):
                    product = product * units[index[row, group, position], vector * q + digit]
                numbers[flat] = numbers[flat] + product
        rows.append(torch.stack(numbers[:dim]))
    return torch.stack(rows)


def example(order, q, cut, n=3, groups=2, vectors=2, units=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(units, vectors * q, generator=generator, dtype=torch.float64)
    index = torch.randint(units, (n, groups, order), generator=generator, dtype=torch.int32)
    return table, index, vectors, max(1, q**order - cut)


@settings(max_examples=25, deadline=None)
@given(
    order=st.integers(2, 4),
    q=st.integers(1, 3),
    cut=st.integers(0, 9),
    n=st.integers(1, 3),
    groups=st.integers(1, 3),
    vectors=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_forward_and_gradient_equal_the_literal_sum(order, q, cut, n, groups, vectors, seed):
    table, index, vectors, dim = example(order, q, cut, n, groups, vectors, seed=seed)
    ours, reference = table.clone().requires_grad_(), table.clone().requires_grad_()
    out = kronecker_sum(ours, index, vectors, dim, 1.5)
    expected = 1.5 * literal(reference, index, vectors, dim)
    torch.testing.assert_close(out, expected)
    slope = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(1))
    (out * slope).sum().backward()
    (expected * slope).sum().backward()
    torch.testing.assert_close(ours.grad, reference.grad)


@settings(max_examples=25, deadline=None)
@given(order=st.integers(2, 4), owners=st.integers(1, 4), cut=st.integers(0, 3), seed=st.integers(0, 99))
def test_an_extra_vector_of_the_first_units(order, owners, cut, seed):
    """Equals one vector more of every unit, zero where there is none."""
    table, index, vectors, dim = example(order, 2, cut, n=5, seed=seed)
    extra = torch.randn(owners, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    ours = table.clone().requires_grad_(), extra.clone().requires_grad_()
    reference = table.clone().requires_grad_(), extra.clone().requires_grad_()
    missing = torch.zeros(len(table) - owners, 2, dtype=torch.float64)
    joined = torch.cat((reference[0], torch.cat((reference[1], missing))), 1)
    out = kronecker_sum(ours[0], index, vectors, dim, extra=ours[1])
    expected = literal(joined, index, vectors + 1, dim)
    torch.testing.assert_close(out, expected)
    with torch.no_grad():
        assert kronecker_sum(ours[0], index, vectors, dim, extra=ours[1]).equal(out)
    slope = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        torch.autograd.grad((out * slope).sum(), ours), torch.autograd.grad((expected * slope).sum(), reference)
    )


@pytest.mark.parametrize("order", [5, 7])
def test_high_orders_equal_tensorly(order):
    table, index, vectors, dim = example(order, 2, cut=3)
    expected = [
        sum(
            tensorly.tenalg.kronecker([table[unit, 2 * i : 2 * i + 2].reshape(-1, 1) for unit in group])
            for group in row.tolist()
            for i in range(vectors)
        )[:dim, 0]
        for row in index
    ]
    torch.testing.assert_close(
        kronecker_sum(table, index, vectors, dim), torch.stack(list(map(torch.as_tensor, expected)))
    )


@pytest.mark.parametrize("order", [2, 3, 5])
def test_gradcheck(order):
    table, index, vectors, dim = example(order, 2, cut=1)
    assert torch.autograd.gradcheck(
        lambda units: kronecker_sum(units, index, vectors, dim, 3.0), table.requires_grad_(), fast_mode=False
    )


def test_chunks_change_nothing(monkeypatch):
    table, index, vectors, dim = example(3, 3, cut=4, n=50)
    results = []
    for numbers in (10**9, 1, 700):
        monkeypatch.setattr(kronecker, "CHUNK_ELEMENTS", numbers)
        units = table.clone().requires_grad_()
        out = kronecker_sum(units, index, vectors, dim)
        out.square().sum().backward()
        results.append((out.detach(), units.grad))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


def test_no_rows():
    table, _, vectors, dim = example(3, 2, cut=0)
    units = table.requires_grad_()
    out = kronecker_sum(units, torch.zeros(0, 2, 3, dtype=torch.int32), vectors, dim)
    out.sum().backward()
    assert out.shape == (0, dim) and not units.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    table, index, vectors, dim = example(3, 4, cut=5)
    units = table.to(dtype)
    exact = kronecker_sum(units.double(), index, vectors, dim)
    out = kronecker_sum(units, index, vectors, dim)
    assert out.dtype == dtype
    # Nothing but the final rounding is lost.
    torch.testing.assert_close(out.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-5)


def test_widths_of_factors():
    assert ceil_root(512, 3) == 8 and ceil_root(216, 3) == 6 and ceil_root(768, 3) == 10
    assert ceil_root(3072, 3) == 15 and ceil_root(256, 4) == 4 and ceil_root(1, 2) == 1
    assert math.prod([ceil_root(513, 3)] * 3) >= 513


@pytest.mark.parametrize("numbers", [1, 60, 2**20])
@pytest.mark.parametrize(("rows", "dim"), [(35, 12), (35, 10), (33, 12), (17, 7), (7, 1)])
def test_all_pairs_equal_their_sum(monkeypatch, numbers, rows, dim):
    monkeypatch.setattr(kronecker, "CHUNK_ELEMENTS", numbers)
    torch.manual_seed(rows)
    left = torch.randn(5, 4, 6, dtype=torch.float64, requires_grad=True)
    right = torch.randn(7, 6, 3, dtype=torch.float64, requires_grad=True)
    table = torch.einsum("ias,ksc->ikac", left, right).reshape(35, 12)[:rows, :dim]
    made = all_pairs(left, right, rows, dim)
    torch.testing.assert_close(made, table)
    weights = torch.randn(rows, dim, dtype=torch.float64)
    expected = torch.autograd.grad((table * weights).sum(), (left, right))
    found = torch.autograd.grad((made * weights).sum(), (left, right))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_all_pairs_in_half_precision_keep_their_digits(dtype):
    torch.manual_seed(0)
    left, right = torch.randn(5, 4, 600, dtype=dtype), torch.randn(7, 600, 3, dtype=dtype)
    exact = all_pairs(left.double(), right.double(), 35, 12)
    made = all_pairs(left, right, 35, 12)
    assert made.dtype == dtype
    torch.testing.assert_close(made, exact.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(all_pairs(left.float(), right.float(), 35, 12), exact.float())


@pytest.mark.parametrize("degree", [2, 3, 4, 5, 9])
def test_ceil_root_is_the_smallest_that_reaches(degree):
    for number in [*range(1, 300), *(b**degree + c for b in (5, 6, 8, 31) for c in (-1, 0, 1))]:
        root = ceil_root(number, degree)
        assert root**degree >= number
        assert root == 1 or (root - 1) ** degree < number


def test_exact_fifth_power():
    assert ceil_root(3125, 5) == 5
