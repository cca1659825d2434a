"""Measures against their definitions, written out one by one."""

import pytest
import torch

from fairseq_see.fitting import measure
from fairseq_see.fitting.metrics import measure_overlap


def brute_force(x, y, ids, k):
    def nearest(matrix, i):
        near = [(float(torch.dot(row, matrix[i]) / row.norm() / matrix[i].norm()), j) for j, row in enumerate(matrix)]
        return {j for _, j in sorted((pair for pair in near if pair[1] != i), reverse=True)[:k]}

    return sum(len(nearest(x, i) & nearest(y, i)) for i in ids) / (k * len(ids))


@pytest.mark.parametrize("k", [1, 3, 10])
def test_overlap_is_that_of_brute_force(k):
    torch.manual_seed(9)
    y = torch.randn(100, 8, dtype=torch.float64)
    x = y + torch.randn_like(y) / 2
    for ids in (range(100), [5, 17, 60]):
        overlap = measure_overlap(x, y, torch.tensor(list(ids)), k)
        assert overlap == pytest.approx(brute_force(x, y, ids, k))
        assert k == 1 or 0.1 < overlap < 0.9
    assert measure_overlap(y, y, torch.arange(100), k) == 1


def test_measures_of_all_embeddings_and_of_bands_by_frequency():
    torch.manual_seed(10)
    y = torch.randn(150, 8)
    x = y + torch.randn_like(y) / 2
    counts = torch.randint(0, 1000, (150,))
    whole, first, rest = measure(x, y, counts)
    assert [row["band"] for row in (whole, first, rest)] == ["all", "1-100", "101-150"]
    assert [row["rows"] for row in (whole, first, rest)] == [150, 100, 50]
    frequent = sorted(range(150), key=lambda i: -counts[i])
    for row, ids in ((whole, frequent), (first, frequent[:100]), (rest, frequent[100:])):
        near, far = x[ids].double(), y[ids].double()
        squares = [(a - b).square().mean().item() for a, b in zip(near, far, strict=True)]
        assert row["mse"] == pytest.approx(sum(squares) / len(ids))
        assert row["relative_error"] == pytest.approx(((near - far).square().sum() / far.square().sum()).sqrt().item())
        cosines = [torch.dot(a, b) / a.norm() / b.norm() for a, b in zip(near, far, strict=True)]
        assert row["cosine"] == pytest.approx(sum(cosines).item() / len(ids))
        assert row["neighbours"] == pytest.approx(brute_force(x, y, ids, 10), abs=1e-3)


def test_a_matrix_too_small_for_bands_has_none():
    (row,) = measure(torch.eye(3), torch.eye(3), torch.ones(3))
    assert row == {"band": "all", "rows": 3, "mse": 0, "relative_error": 0, "cosine": 1, "neighbours": 1}
