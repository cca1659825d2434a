"""The operator that the Kronecker family of embeddings shares.

    out[n] = gain weight[n] sum_{g=1..k} sum_{i=1..m}  v_i[I(n,g,1)] (x) ... (x) v_i[I(n,g,o)]      cut to d numbers

Every unit owns m vectors of q numbers, stored as one row of m x q so that one lookup fetches them all. SEE (arXiv
2412.12204, eq. 3 and 4), MorphTE (Gan et al. 2022) and Word2Ket (Panahi et al. 2019) are this sum with different
indexes.

A sum over R = k x m products of o vectors is one small matrix product per row: with A the products of the first
factors and B those of the last, sum_r A_r (x) B_r = A^T B, (q^l x R) (R x q^(o-l)). Nothing of size n x R x q^o is
ever made, and the backward pass computes A and B again instead of keeping them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_see.embeddings.roots import ceil_root

# Numbers of the larger operand that one chunk of rows may take: 8 MB, about what stays in a core's cache.
CHUNK_NUMBERS = 2**21


def kronecker_sum(
    units: Tensor, index: Tensor, vectors: int, dim: int, gain: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Rows that are sums of Kronecker products of units' vectors.

    Args:
        units: (U, m * q) vectors of the units; the numbers [i * q : (i + 1) * q] of a row are its i-th vector.
        index: (n, k, o) unit ids of the k products of each row, any integer type.
        vectors: m.
        dim: d, at most q^o; each product is cut to its first d numbers.
        gain: factor of all rows.
        weight: (n,) factor of each row, any type, without gradient.

    Returns:
        (n, d) in the dtype of ``units``; half precision is computed in float32.
    """
    return _KroneckerSum.apply(units, index, vectors, dim, gain, weight)


def factor_width(dim: int, order: int) -> int:
    """q, the numbers in a unit's vector: the smallest q with q^order >= dim."""
    return ceil_root(dim, order)


class _KroneckerSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, units: Tensor, index: Tensor, vectors: int, dim: int, gain: float, weight: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(units, index, weight)
        ctx.vectors, ctx.gain = vectors, gain
        out = units.new_empty(len(index), dim)
        for rows in _chunks(units, index, vectors):
            left, right = _operands(_factors(units, index[rows], vectors), dim)
            # On the smaller operand: scaling the rows would cost a pass over all of them.
            right = right * _factor(gain, weight, rows, right.dtype)
            out[rows] = _product(left.transpose(1, 2), right).flatten(1)[:, :dim]
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        units, index, weight = ctx.saved_tensors
        grad_units = torch.zeros_like(units, dtype=_wide(units.dtype))
        dim = grad_out.shape[1]
        for rows in _chunks(units, index, ctx.vectors):
            factors = _factors(units, index[rows], ctx.vectors)
            left, right = _operands(factors, dim)
            grad = grad_out[rows].to(left.dtype)
            grad = F.pad(grad, (0, left.shape[2] * right.shape[2] - dim)).unflatten(1, (left.shape[2], right.shape[2]))
            grad = grad * _factor(ctx.gain, weight, rows, grad.dtype)
            grad_left = _product(right, grad.transpose(1, 2))
            grad_right = _product(left, grad)
            split = _split(len(factors))
            grads = _outer_grad(factors[:split], grad_left) + _outer_grad(factors[split:], grad_right)
            # (n, R, q) for each position -> (n, k, o, m, q), the layout of the rows that were read.
            stacked = torch.stack(grads, 1).unflatten(2, (index.shape[1], ctx.vectors)).transpose(1, 2)
            grad_units.index_add_(0, index[rows].reshape(-1), stacked.reshape(-1, units.shape[1]))
        return grad_units.to(units.dtype), None, None, None, None, None


def _factor(gain: float, weight: Tensor | None, rows: slice, dtype: torch.dtype) -> Tensor | float:
    return gain if weight is None else gain * weight[rows, None, None].to(dtype)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _split(order: int) -> int:
    """Factors on the left: the larger half."""
    return (order + 1) // 2


def _chunks(units: Tensor, index: Tensor, vectors: int) -> list[slice]:
    """Slices of the rows whose left operands, k x m x q^l numbers a row, fit CHUNK_NUMBERS."""
    n, groups, order = index.shape
    numbers = groups * units.shape[1] * (units.shape[1] // vectors) ** (_split(order) - 1)
    step = max(1, CHUNK_NUMBERS // numbers)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _factors(units: Tensor, index: Tensor, vectors: int) -> list[Tensor]:
    """The vectors that are multiplied, one (n, k * m, q) tensor for each position."""
    n, groups, order = index.shape
    read = units.index_select(0, index.reshape(-1)).to(_wide(units.dtype))
    read = read.view(n, groups, order, vectors, units.shape[1] // vectors)
    return [read[:, :, position].reshape(n, groups * vectors, -1) for position in range(order)]


def _operands(factors: list[Tensor], dim: int) -> tuple[Tensor, Tensor]:
    """A (n, R, <= q^l) and B (n, R, q^(o-l)); columns of A that lie behind the cut are left out."""
    split = _split(len(factors))
    right = _outer(factors[split:])
    needed = -(-dim // right.shape[2])
    return _outer(factors[:split])[:, :, :needed], right


def _outer(factors: list[Tensor]) -> Tensor:
    """Row-wise Kronecker product of (n, R, q) tensors."""
    if len(factors) == 1:
        return factors[0]
    split = _split(len(factors))
    return (_outer(factors[:split]).unsqueeze(3) * _outer(factors[split:]).unsqueeze(2)).flatten(2)


def _outer_grad(factors: list[Tensor], grad: Tensor) -> list[Tensor]:
    """Gradients of the factors of :func:`_outer`; columns that ``grad`` lacks were cut, so theirs is zero."""
    if len(factors) == 1:
        return [F.pad(grad, (0, factors[0].shape[2] - grad.shape[2]))]
    split = _split(len(factors))
    left, right = _outer(factors[:split]), _outer(factors[split:])
    grad = F.pad(grad, (0, left.shape[2] * right.shape[2] - grad.shape[2])).unflatten(2, (left.shape[2], -1))
    grad_left = (grad * right.unsqueeze(2)).sum(3)
    grad_right = (grad * left.unsqueeze(3)).sum(2)
    return _outer_grad(factors[:split], grad_left) + _outer_grad(factors[split:], grad_right)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Batched matrix product that autocast leaves alone: these sums want all their digits."""
    with torch.autocast(a.device.type, enabled=False):
        return torch.bmm(a, b)
