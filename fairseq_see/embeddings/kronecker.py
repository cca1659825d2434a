"""The operator that the Kronecker family of embeddings shares.

    out[n] = scale sum_{g=1..k} sum_{i=1..m}  v_i[I(n,g,1)] (x) ... (x) v_i[I(n,g,o)]      truncated to d dimensions

Every unit owns m vectors of q dimensions, stored as one row of m x q so that one lookup fetches them all. SEE (arXiv
2412.12204, eq. 3 and 4), MorphTE (Gan et al. 2022) and Word2Ket (Panahi et al. 2019) are this sum with different
indexes.

A sum over R = k x m products of o vectors is one small matrix product: with A the products of the first factors and B
those of the last, sum_r A_r (x) B_r = A^T B, (q^l x R) (R x q^(o-l)). Nothing of size n x R x q^o is ever made, and the
backward pass computes A and B again instead of keeping them. A has the fewer factors: matrix products whose second
operand is the wide one are four times faster (docs/results/speed.md).
"""

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
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return _operator(units, extra, index, vectors, dim, scale)
    # Beam search makes few rows at a time, for which the dispatch of an operator would count.
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


def ceil_root(value: int, order: int) -> int:
    """The smallest integer whose ``order``-th power is at least ``value``, which is at least 1."""
    # Exactly: ``ceil(value ** (1 / order))`` is wrong where the root is an integer (3125 ** 0.2 is above 5).
    root = max(1, round(value ** (1 / order)) - 1)
    while root**order < value:
        root += 1
    return root


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """What a dtype is computed in: half precision in float32."""
    return torch.promote_types(dtype, torch.float32)


def multiply_pairs(left: Tensor, right: Tensor, num_rows: int, dim: int) -> Tensor:
    """A whole matrix (V, d) whose rows are products of all pairs: row i K + k is of L[i] and P[k].

        E[(i k), (a c)] = sum_s  L[i, a, s] P[k, s, c]      L: (I, A, S), P: (K, S, C), truncated to V rows, d columns

    Made one by one, rows would keep what was read for the backward pass, many times the matrix. All of them are one
    matrix product, (i a, s) (s, k c), and nothing but L and P needs to be kept. It has the dtype of P; half precision
    is computed in float32, whatever autocast says.
    """
    dtype = compute_dtype(right.dtype)
    columns = right.to(dtype).transpose(0, 1).flatten(1)
    return _AllPairs.apply(left.to(dtype), columns, len(right), num_rows, dim, right.dtype)


@torch.library.custom_op("fairseq_see::kronecker_sum", mutates_args=())
def _operator(units: Tensor, extra: Tensor | None, index: Tensor, vectors: int, dim: int, scale: float) -> Tensor:
    """An operator to torch.compile, which would unroll the chunks and make a graph for each number of rows."""
    return _sum(units, extra, index, vectors, dim, scale)


@_operator.register_fake
def _(units: Tensor, extra: Tensor | None, index: Tensor, vectors: int, dim: int, scale: float) -> Tensor:
    return units.new_empty(len(index), dim)


# Written out, because torch 2.6 cannot infer it from list[Tensor].
@torch.library.custom_op(
    "fairseq_see::kronecker_sum_backward",
    mutates_args=(),
    schema="(Tensor grad_out, Tensor units, Tensor? extra, Tensor index, SymInt vectors, float scale) -> Tensor[]",
)
def _gradients(
    grad_out: Tensor, units: Tensor, extra: Tensor | None, index: Tensor, vectors: int, scale: float
) -> list[Tensor]:
    """Gradients of ``units`` and, if there are any, ``extra``."""
    grads_of = [torch.zeros_like(each, dtype=compute_dtype(each.dtype)) for each in (units, extra) if each is not None]
    dim, stored = grad_out.shape[1], index.shape[1] * vectors
    for rows in _split_rows(units, index, vectors):
        factors = read_factors(units, extra, index[rows], vectors)
        left, right = _multiply_halves(factors, dim)
        grad = grad_out[rows].to(left.dtype)
        grad = _pad(grad, left.shape[2] * right.shape[2]).unflatten(1, (left.shape[2], right.shape[2]))
        split = _split(len(factors))
        grad_left = _differentiate(factors[:split], _bmm(right, grad.transpose(1, 2)) * scale)
        grads = torch.stack(grad_left + _differentiate(factors[split:], _bmm(left * scale, grad)))
        # index_add_ is several times slower with 32-bit ids.
        ids = index[rows].permute(2, 0, 1).reshape(-1).long()
        grads_of[0].index_add_(0, ids, grads[:, :, :stored].reshape(len(ids), -1))
        if extra is not None:
            more = grads[:, :, stored:]
            # The other factors' gradients are zero already where the first factor is.
            more[0] *= has_extra(index[rows], extra).unsqueeze(2)
            grads_of[1].index_add_(0, ids.clamp(max=len(extra) - 1), more.reshape(len(ids), -1))
    return [grad.to(units.dtype) for grad in grads_of]


@_gradients.register_fake
def _(grad_out: Tensor, units: Tensor, extra: Tensor | None, index: Tensor, vectors: int, scale: float) -> list[Tensor]:
    return [torch.empty_like(each) for each in (units, extra) if each is not None]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    units, extra, index, ctx.vectors, _, ctx.scale = inputs
    ctx.save_for_backward(units, extra, index)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grad_units, *grad_extra = _gradients(grad, *ctx.saved_tensors, ctx.vectors, ctx.scale)
    return grad_units, grad_extra[0] if grad_extra else None, None, None, None, None


_operator.register_autograd(_backward, setup_context=_keep)


def _sum(units: Tensor, extra: Tensor | None, index: Tensor, vectors: int, dim: int, scale: float) -> Tensor:
    """The rows, chunk by chunk."""
    out = units.new_empty(len(index), dim)
    for rows in _split_rows(units, index, vectors):
        left, right = _multiply_halves(read_factors(units, extra, index[rows], vectors), dim)
        # On the smaller operand: scaling the rows would cost a pass over all of them.
        left = (left * scale).transpose(1, 2)
        if left.shape[1] * right.shape[2] == dim and left.dtype == out.dtype:
            _bmm(left, right, out[rows].view(-1, left.shape[1], right.shape[2]))
        else:
            out[rows] = _bmm(left, right).flatten(1)[:, :dim]
    return out


def _split(order: int) -> int:
    """Factors on the left: the smaller half."""
    return order // 2


def _split_rows(units: Tensor, index: Tensor, vectors: int) -> list[slice]:
    """Slices of the rows whose right operands, k x m x q^(o-l) elements a row, fit CHUNK_ELEMENTS."""
    n, groups, order = index.shape
    elements = groups * units.shape[1] * (units.shape[1] // vectors) ** (order - _split(order) - 1)
    step = max(1, CHUNK_ELEMENTS // elements)
    return [slice(start, start + step) for start in range(0, n, step)]


def _multiply_halves(factors: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """A (n, R, <= q^l) and B (n, R, q^(o-l)); columns of A of which no dimension is kept are left out."""
    split = _split(len(factors))
    right = _multiply(factors[split:])
    needed = -(-dim // right.shape[2])
    return _multiply(factors[:split])[:, :, :needed], right


def _multiply(factors: Tensor) -> Tensor:
    """Row-wise Kronecker product of (n, R, q) tensors, stacked."""
    if len(factors) == 1:
        return factors[0]
    split = _split(len(factors))
    return (_multiply(factors[:split]).unsqueeze(3) * _multiply(factors[split:]).unsqueeze(2)).flatten(2)


def _differentiate(factors: Tensor, grad: Tensor) -> list[Tensor]:
    """Gradients of the factors of :func:`_multiply`; zero for columns that ``grad`` lacks, which were truncated."""
    if len(factors) == 1:
        return [_pad(grad, factors.shape[3])]
    split = _split(len(factors))
    left, right = _multiply(factors[:split]), _multiply(factors[split:])
    grad = _pad(grad, left.shape[2] * right.shape[2]).unflatten(2, (left.shape[2], -1))
    matrices = grad.flatten(0, 1)
    grad_left = _bmm(matrices, right.flatten(0, 1).unsqueeze(2)).view_as(left)
    grad_right = _bmm(left.flatten(0, 1).unsqueeze(1), matrices).view_as(right)
    return _differentiate(factors[:split], grad_left) + _differentiate(factors[split:], grad_right)


def _pad(values: Tensor, width: int) -> Tensor:
    """Zeros behind the last dimension up to ``width``; F.pad would copy even where there is nothing to add."""
    missing = width - values.shape[-1]
    return F.pad(values, (0, missing)) if missing else values


def _bmm(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Batched matrix product. With ``out`` autocast leaves it alone: these sums want all their digits."""
    return torch.bmm(a, b, out=a.new_empty(len(a), a.shape[1], b.shape[2]) if out is None else out)


class _AllPairs(torch.autograd.Function):
    """Of L (I, A, S) and P as (S, K C), without autocast as :func:`_bmm`."""

    @staticmethod
    def forward(
        ctx: Any, left: Tensor, columns: Tensor, last: int, num_rows: int, dim: int, dtype: torch.dtype
    ) -> Tensor:
        ctx.save_for_backward(left, columns)
        ctx.last, ctx.step = last, max(1, CHUNK_ELEMENTS // (left.shape[1] * columns.shape[1]))
        out = left.new_empty(num_rows, dim, dtype=dtype)
        for part, rows in zip(left.split(ctx.step), out.split(ctx.step * last), strict=False):
            product = _bmm(part.flatten(0, 1).unsqueeze(0), columns.unsqueeze(0))
            pairs = product.view(*part.shape[:2], last, -1).transpose(1, 2).flatten(2).flatten(0, 1)
            rows.copy_(pairs[: len(rows), :dim])
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        left, columns = ctx.saved_tensors
        grad_left, grad_columns = left.new_zeros(left.shape), torch.zeros_like(columns)
        parts = left.split(ctx.step), grad_left.split(ctx.step), grad.split(ctx.step * ctx.last)
        for part, grad_part, rows in zip(*parts, strict=False):
            product = left.new_zeros(len(part) * ctx.last, left.shape[1] * columns.shape[1] // ctx.last)
            product[: len(rows), : rows.shape[1]] = rows
            pairs = product.view(len(part), ctx.last, left.shape[1], -1).transpose(1, 2).flatten(2).flatten(0, 1)
            torch.mm(pairs, columns.T, out=grad_part.flatten(0, 1))
            grad_columns.addmm_(part.flatten(0, 1).T, pairs)
        return grad_left, grad_columns, None, None, None, None
