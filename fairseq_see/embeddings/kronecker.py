"""The operator that the Kronecker family of embeddings shares.

    out[n] = scale sum_{g=1..k} sum_{i=1..m}  v_i[I(n,g,1)] (x) ... (x) v_i[I(n,g,o)]      truncated to d dimensions

Every unit owns m vectors of q dimensions, stored as one row of m x q so that one lookup fetches them all. SEE (arXiv
2412.12204, eq. 3 and 4), MorphTE (Gan et al. 2022) and Word2Ket (Panahi et al. 2019) are this sum with different
indexes.

A sum over R = k x m products of o vectors is one small matrix product per row: with A the products of the first
factors and B those of the last, sum_r A_r (x) B_r = A^T B, (q^l x R) (R x q^(o-l)). Nothing of size n x R x q^o is
ever made, and the backward pass computes A and B again instead of keeping them. A has the fewer factors: matrix
products whose second operand is the wide one are four times faster (docs/performance.md).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Elements of the larger operand that one chunk of rows may take: 8 MB, about what stays in a core's cache.
CHUNK_ELEMENTS = 2**20


def kronecker_sum(
    units: Tensor,
    index: Tensor,
    vectors: int,
    dim: int,
    scale: float = 1.0,
    extra: Tensor | None = None,
) -> Tensor:
    """Rows that are sums of Kronecker products of units' vectors.

    Args:
        units: (U, m * q) vectors of the units; the elements [i * q : (i + 1) * q] of a row are its i-th vector.
        index: (n, k, o) unit ids of the k products of each row, any integer type.
        vectors: m.
        dim: d, at most q^o; each product is truncated to its first d dimensions.
        scale: factor of all rows.
        extra: (E, q) one vector more of the first E units; the product of a group exists if all its units have one.

    Returns:
        (n, d) in the dtype of ``units``; half precision is computed in float32.
    """
    if torch.is_grad_enabled():
        return _KroneckerSum.apply(units, extra, index, vectors, dim, scale)
    return _sum(units, extra, index, vectors, dim, scale)


def read_factors(units: Tensor, extra: Tensor | None, index: Tensor, vectors: int) -> Tensor:
    """The vectors that are multiplied, (o, n, R, q), in float32 if they are stored in half precision.

    Arguments are those of :func:`kronecker_sum`. A product that does not exist has zeros for its first factor.
    """
    n, groups, order = index.shape
    ids = index.permute(2, 0, 1).reshape(-1)
    width = units.shape[1] // vectors
    read = units.index_select(0, ids).to(compute_dtype(units.dtype)).view(order, n, groups * vectors, width)
    if extra is None:
        return read
    more = extra.index_select(0, ids.clamp(max=len(extra) - 1)).to(read.dtype).view(order, n, groups, width)
    more[0] *= has_extra(index, extra).unsqueeze(2)
    return torch.cat((read, more), 2)


def has_extra(index: Tensor, extra: Tensor) -> Tensor:
    """Which groups (n, k, o) have extra vectors in each of their units, (n, k) bool."""
    return (index < len(extra)).all(2)


def factor_width(dim: int, order: int) -> int:
    """q, the dimensions of a unit's vector: the smallest q with q^order >= dim."""
    return ceil_root(dim, order)


def ceil_root(value: int, order: int) -> int:
    """The smallest integer whose ``order``-th power is at least ``value``, which is at least 1."""
    # Exactly: ``ceil(value ** (1 / order))`` is wrong where the root is an integer (3125 ** 0.2 is above 5).
    root = max(1, round(value ** (1 / order)))
    while root**order < value:
        root += 1
    while root > 1 and (root - 1) ** order >= value:
        root -= 1
    return root


def all_pairs(left: Tensor, right: Tensor, num_rows: int, dim: int) -> Tensor:
    """A whole matrix whose rows are products of all pairs: row i K + k is of L[i] and P[k].

        E[(i k), (a c)] = sum_s  L[i, a, s] P[k, s, c]      truncated to V rows and d columns

    Made one by one, rows would keep what was read for the backward pass, many times the matrix. All of them are one
    matrix product, (i a, s) (s, k c), and nothing but L and P needs to be kept.

    Args:
        left: L, (I, A, S).
        right: P, (K, S, C).
        num_rows: V, at most I K.
        dim: d, at most A C.

    Returns:
        (V, d) in the dtype of ``right``; half precision is computed in float32, whatever autocast says.
    """
    return _AllPairs.apply(left, right, num_rows, dim)


class _KroneckerSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        units: Tensor,
        extra: Tensor | None,
        index: Tensor,
        vectors: int,
        dim: int,
        scale: float,
    ) -> Tensor:
        ctx.save_for_backward(units, extra, index)
        ctx.vectors, ctx.scale = vectors, scale
        return _sum(units, extra, index, vectors, dim, scale)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        units, extra, index = ctx.saved_tensors
        grad_units = torch.zeros_like(units, dtype=compute_dtype(units.dtype))
        grad_extra = None if extra is None else torch.zeros_like(extra, dtype=grad_units.dtype)
        dim, stored = grad_out.shape[1], index.shape[1] * ctx.vectors
        for rows in _chunks(units, index, ctx.vectors):
            factors = read_factors(units, extra, index[rows], ctx.vectors)
            left, right = _operands(factors, dim)
            grad = grad_out[rows].to(left.dtype)
            grad = _padded(grad, left.shape[2] * right.shape[2]).unflatten(1, (left.shape[2], right.shape[2]))
            split = _split(len(factors))
            grad_left = _outer_grad(factors[:split], _product(right, grad.transpose(1, 2)) * ctx.scale)
            grads = torch.stack(grad_left + _outer_grad(factors[split:], _product(left * ctx.scale, grad)))
            # index_add_ is several times slower with 32-bit ids.
            ids = index[rows].permute(2, 0, 1).reshape(-1).long()
            grad_units.index_add_(0, ids, grads[:, :, :stored].reshape(len(ids), -1))
            if grad_extra is not None:
                more = grads[:, :, stored:]
                # The other factors' gradients are zero already where the first factor is.
                more[0] *= has_extra(index[rows], extra).unsqueeze(2)
                grad_extra.index_add_(0, ids.clamp(max=len(extra) - 1), more.reshape(len(ids), -1))
        grads_of = [grad_units.to(units.dtype), None if grad_extra is None else grad_extra.to(units.dtype)]
        return (*grads_of, None, None, None, None)


def _sum(units: Tensor, extra: Tensor | None, index: Tensor, vectors: int, dim: int, scale: float) -> Tensor:
    """The rows, chunk by chunk."""
    out = units.new_empty(len(index), dim)
    for rows in _chunks(units, index, vectors):
        left, right = _operands(read_factors(units, extra, index[rows], vectors), dim)
        # On the smaller operand: scaling the rows would cost a pass over all of them.
        left = (left * scale).transpose(1, 2)
        if left.shape[1] * right.shape[2] == dim and left.dtype == out.dtype:
            _product(left, right, out[rows].view(-1, left.shape[1], right.shape[2]))
        else:
            out[rows] = _product(left, right).flatten(1)[:, :dim]
    return out


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """What a dtype is computed in: half precision in float32."""
    return torch.promote_types(dtype, torch.float32)


def _split(order: int) -> int:
    """Factors on the left: the smaller half."""
    return order // 2


def _chunks(units: Tensor, index: Tensor, vectors: int) -> list[slice]:
    """Slices of the rows whose right operands, k x m x q^(o-l) numbers a row, fit CHUNK_ELEMENTS."""
    n, groups, order = index.shape
    numbers = groups * units.shape[1] * (units.shape[1] // vectors) ** (order - _split(order) - 1)
    step = max(1, CHUNK_ELEMENTS // numbers)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _operands(factors: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """A (n, R, <= q^l) and B (n, R, q^(o-l)); columns of A that lie behind the cut are left out."""
    split = _split(len(factors))
    right = _outer(factors[split:])
    needed = -(-dim // right.shape[2])
    return _outer(factors[:split])[:, :, :needed], right


def _outer(factors: Tensor) -> Tensor:
    """Row-wise Kronecker product of (n, R, q) tensors, stacked."""
    if len(factors) == 1:
        return factors[0]
    split = _split(len(factors))
    return (_outer(factors[:split]).unsqueeze(3) * _outer(factors[split:]).unsqueeze(2)).flatten(2)


def _outer_grad(factors: Tensor, grad: Tensor) -> list[Tensor]:
    """Gradients of the factors of :func:`_outer`; columns that ``grad`` lacks were cut, so theirs is zero."""
    if len(factors) == 1:
        return [_padded(grad, factors.shape[3])]
    split = _split(len(factors))
    left, right = _outer(factors[:split]), _outer(factors[split:])
    grad = _padded(grad, left.shape[2] * right.shape[2]).unflatten(2, (left.shape[2], -1))
    matrices = grad.flatten(0, 1)
    grad_left = _product(matrices, right.flatten(0, 1).unsqueeze(2)).view_as(left)
    grad_right = _product(left.flatten(0, 1).unsqueeze(1), matrices).view_as(right)
    return _outer_grad(factors[:split], grad_left) + _outer_grad(factors[split:], grad_right)


def _padded(numbers: Tensor, width: int) -> Tensor:
    """Zeros behind the last dimension up to ``width``; F.pad would copy even where there is nothing to add."""
    missing = width - numbers.shape[-1]
    return F.pad(numbers, (0, missing)) if missing else numbers


def _product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Batched matrix product that autocast leaves alone: these sums want all their digits."""
    if torch.is_autocast_enabled(a.device.type):
        with torch.autocast(a.device.type, enabled=False):
            return torch.bmm(a, b, out=out)
    return torch.bmm(a, b, out=out)


class _AllPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, num_rows: int, dim: int) -> Tensor:
        ctx.save_for_backward(left, right)
        out = right.new_empty(num_rows, dim)
        with torch.autocast(left.device.type, enabled=False):
            rows_of_left, columns = _pair_operands(left, right)
            for chunk in _pair_chunks(left, right, num_rows):
                rows = out[chunk.start * len(right) : chunk.stop * len(right)]
                product = torch.mm(rows_of_left[chunk].flatten(0, 1), columns)
                pairs = product.view(-1, left.shape[1], len(right), right.shape[2]).transpose(1, 2)
                rows.copy_(pairs.flatten(2).flatten(0, 1)[: len(rows), :dim])
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        left, right = ctx.saved_tensors
        width = left.shape[1] * right.shape[2]
        with torch.autocast(left.device.type, enabled=False):
            rows_of_left, columns = _pair_operands(left, right)
            grad_left, grad_columns = torch.zeros_like(rows_of_left), torch.zeros_like(columns)
            for chunk in _pair_chunks(left, right, len(grad)):
                first, count = chunk.start * len(right), (chunk.stop - chunk.start) * len(right)
                rows = grad[first : first + count]
                padded = rows_of_left.new_zeros(count, width)
                padded[: len(rows), : rows.shape[1]] = rows
                pairs = padded.view(-1, len(right), left.shape[1], right.shape[2]).transpose(1, 2).flatten(2)
                pairs = pairs.flatten(0, 1)
                grad_left[chunk] = torch.mm(pairs, columns.T).view(-1, *left.shape[1:])
                grad_columns.addmm_(rows_of_left[chunk].flatten(0, 1).T, pairs)
        grad_right = grad_columns.view(right.shape[1], len(right), right.shape[2]).transpose(0, 1)
        return grad_left.to(left.dtype), grad_right.to(right.dtype), None, None


def _pair_operands(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """L, and P as (S, K C), in float32 at least."""
    dtype = compute_dtype(right.dtype)
    return left.to(dtype), right.to(dtype).transpose(0, 1).flatten(1)


def _pair_chunks(left: Tensor, right: Tensor, num_rows: int) -> list[slice]:
    """Slices of L that make ``num_rows`` rows, the last one perhaps more."""
    used = -(-num_rows // len(right))
    step = max(1, CHUNK_ELEMENTS // (len(right) * left.shape[1] * right.shape[2]))
    return [slice(start, min(start + step, used)) for start in range(0, used, step)]
