"""The table of all pairs against the sum it stands for, and its gradients against those of autograd."""

import pytest
import torch

from fairseq_see.embeddings import pairs
from fairseq_see.embeddings.pairs import all_pairs


@pytest.mark.parametrize("numbers", [1, 60, 2**20])
@pytest.mark.parametrize(("rows", "dim"), [(35, 12), (35, 10), (33, 12), (17, 7), (7, 1)])
@pytest.mark.parametrize("padding", [None, 0, 6])
def test_equals_the_sum(monkeypatch, numbers, rows, dim, padding):
    monkeypatch.setattr(pairs, "CHUNK_NUMBERS", numbers)
    torch.manual_seed(rows)
    left = torch.randn(5, 4, 6, dtype=torch.float64, requires_grad=True)
    right = torch.randn(7, 6, 3, dtype=torch.float64, requires_grad=True)
    table = torch.einsum("ias,ksc->ikac", left, right).reshape(35, 12)[:rows, :dim]
    if padding is not None:
        table = table * (torch.arange(rows) != padding).unsqueeze(1)
    made = all_pairs(left, right, rows, dim, padding)
    torch.testing.assert_close(made, table)
    weights = torch.randn(rows, dim, dtype=torch.float64)
    expected = torch.autograd.grad((table * weights).sum(), (left, right))
    found = torch.autograd.grad((made * weights).sum(), (left, right))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_digits(dtype):
    torch.manual_seed(0)
    left, right = torch.randn(5, 4, 600, dtype=dtype), torch.randn(7, 600, 3, dtype=dtype)
    exact = all_pairs(left.double(), right.double(), 35, 12)
    made = all_pairs(left, right, 35, 12)
    assert made.dtype == dtype
    torch.testing.assert_close(made, exact.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(all_pairs(left.float(), right.float(), 35, 12), exact.float())
