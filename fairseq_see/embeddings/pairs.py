"""A whole table whose rows are products of all pairs of matrices: one on the left, one on the right.

    E[(i k), (a c)] = sum_s  L[i, a, s] P[k, s, c]      cut to V rows and d columns

To make single rows, their matrices are read and multiplied one by one, and autograd keeps what was read, many times the
table. All rows are a matrix product, (i a, s) (s, k c), and nothing but L and P needs to be kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fairseq_see.embeddings.kronecker import wide

# Numbers of the table that are made at a time: 4 MB, which stay in a core's cache until they are in their order.
CHUNK_NUMBERS = 2**20


def all_pairs(left: Tensor, right: Tensor, num_rows: int, dim: int, padding_idx: int | None = None) -> Tensor:
    """The table of all pairs, row i K + k of L[i] and P[k].

    Args:
        left: L, (I, A, S).
        right: P, (K, S, C).
        num_rows: V, at most I K.
        dim: d, at most A C.
        padding_idx: the row that is zero.

    Returns:
        (V, d) in the dtype of ``right``; half precision is computed in float32, whatever autocast says.
    """
    return _AllPairs.apply(left, right, num_rows, dim, padding_idx)


class _AllPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, num_rows: int, dim: int, padding_idx: int | None) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.padding_idx = padding_idx
        out = right.new_empty(num_rows, dim)
        with torch.autocast(left.device.type, enabled=False):
            rows_of_left, columns = _matrices(left, right)
            for chunk in _chunks(left, right, num_rows):
                rows = out[chunk.start * len(right) : chunk.stop * len(right)]
                product = torch.mm(rows_of_left[chunk].flatten(0, 1), columns)
                pairs = product.view(-1, left.shape[1], len(right), right.shape[2]).transpose(1, 2)
                rows.copy_(pairs.flatten(2).flatten(0, 1)[: len(rows), :dim])
        if padding_idx is not None:
            out[padding_idx] = 0
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        left, right = ctx.saved_tensors
        width = left.shape[1] * right.shape[2]
        with torch.autocast(left.device.type, enabled=False):
            rows_of_left, columns = _matrices(left, right)
            grad_left, grad_columns = torch.zeros_like(rows_of_left), torch.zeros_like(columns)
            for chunk in _chunks(left, right, len(grad)):
                first, count = chunk.start * len(right), (chunk.stop - chunk.start) * len(right)
                rows = grad[first : first + count]
                padded = rows_of_left.new_zeros(count, width)
                padded[: len(rows), : rows.shape[1]] = rows
                if ctx.padding_idx is not None and first <= ctx.padding_idx < first + count:
                    padded[ctx.padding_idx - first] = 0
                pairs = padded.view(-1, len(right), left.shape[1], right.shape[2]).transpose(1, 2).flatten(2)
                pairs = pairs.flatten(0, 1)
                grad_left[chunk] = torch.mm(pairs, columns.T).view(-1, *left.shape[1:])
                grad_columns.addmm_(rows_of_left[chunk].flatten(0, 1).T, pairs)
        grad_right = grad_columns.view(right.shape[1], len(right), right.shape[2]).transpose(0, 1)
        return grad_left.to(left.dtype), grad_right.to(right.dtype), None, None, None


def _matrices(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """L, and P as (S, K C), in float32 at least."""
    dtype = wide(right.dtype)
    return left.to(dtype), right.to(dtype).transpose(0, 1).flatten(1)


def _chunks(left: Tensor, right: Tensor, num_rows: int) -> list[slice]:
    """Slices of L that make ``num_rows`` rows, the last one perhaps more."""
    used = -(-num_rows // len(right))
    step = max(1, CHUNK_NUMBERS // (len(right) * left.shape[1] * right.shape[2]))
    return [slice(start, min(start + step, used)) for start in range(0, used, step)]
