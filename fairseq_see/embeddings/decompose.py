"""Closed-form and alternating decompositions, by which a method begins near a known matrix (``initialise_from``)."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Sweeps over the factors of a canonical decomposition.
SWEEPS = 30


def factorise(matrix: Tensor, rank: int, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The product (..., n, rank) (..., rank, m) nearest to ``matrix`` (Eckart and Young 1936); zero beyond its rank.

    With weights (n) of the squared errors of rows, the second is that of the rows times the roots of their weights.
    Given that one, every row's best latents are its projection, whatever it weighs.
    """
    if weights is None:
        left, values, right = _truncate_svd(matrix, rank)
        roots = values.sqrt()
        return left * roots.unsqueeze(-2), roots.unsqueeze(-1) * right
    right = factorise(matrix * weights.sqrt().unsqueeze(1), rank)[1]
    return matrix @ torch.linalg.pinv(right), right


def factorise_tensor_train(tensor: Tensor, ranks: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """TT-SVD of a tensor (a, b, c) (Oseledets 2011, algorithm 1): (a, R1), (R1, b, R2) and (R2, c)."""
    a, b, c = tensor.shape
    # The right factors have the singular values: truncating them again then loses the least.
    first, values, rest = _truncate_svd(tensor.reshape(a, b * c), ranks[0])
    second, more, third = _truncate_svd((values.unsqueeze(1) * rest).reshape(ranks[0] * b, c), ranks[1])
    return first, second.reshape(ranks[0], b, ranks[1]), more.unsqueeze(1) * third


def factorise_canonical(tensors: Tensor, rank: int) -> list[Tensor]:
    """Sums of r Kronecker products near tensors (n, q, ..., q): o tensors (n, r, q), a product's vectors equally long.

    With two axes they are the truncated SVD; else alternating least squares (Kolda and Bader 2009, 3.4), each solved
    exactly, a little ridge aside, from the leading singular vectors of each unfolding.
    """
    order = tensors.dim() - 1
    if order == 2:
        left, right = factorise(tensors, rank)
        return [left.transpose(1, 2), right]
    unfolded = [tensors.movedim(axis + 1, 1).flatten(2) for axis in range(order)]
    factors = [_find_leading_vectors(matrix, rank) for matrix in unfolded]
    ridge = math.sqrt(torch.finfo(tensors.dtype).eps)
    for _ in range(SWEEPS):
        for axis, matrix in enumerate(unfolded):
            others = factors[:axis] + factors[axis + 1 :]
            gram = torch.stack([factor @ factor.transpose(1, 2) for factor in others]).prod(0)
            scale = gram.diagonal(dim1=1, dim2=2).mean(1).clamp_min(torch.finfo(tensors.dtype).tiny)
            gram = gram / scale[:, None, None] + ridge * torch.eye(rank, dtype=gram.dtype, device=gram.device)
            products = others[0]
            for other in others[1:]:
                products = (products.unsqueeze(3) * other.unsqueeze(2)).flatten(2)
            factors[axis] = torch.linalg.solve(gram, products @ matrix.transpose(1, 2)) / scale[:, None, None]
            if axis < order - 1:
                factors[axis] = F.normalize(factors[axis], dim=2)
    lengths = torch.stack([factor.norm(dim=2, keepdim=True) for factor in factors])
    even = lengths.prod(0) ** (1 / order)
    return [F.normalize(factor, dim=2) * even for factor in factors]


def level(tensors: Sequence[Tensor], scale: float) -> list[Tensor]:
    """Factors of a product, scaled to elements of the same size, and the product to 1 / ``scale`` of what it was."""
    sizes = [float(tensor.square().mean().sqrt()) for tensor in tensors]
    common = (math.prod(sizes) / scale) ** (1 / len(sizes))
    return [tensor * (common / size) if size else tensor for tensor, size in zip(tensors, sizes, strict=True)]


def _truncate_svd(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Left vectors (..., n, rank), values (..., rank) and right vectors (..., rank, m), zero beyond min(n, m)."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    missing = max(0, rank - values.shape[-1])
    left, values, right = left[..., :rank], values[..., :rank], right[..., :rank, :]
    return F.pad(left, (0, missing)), F.pad(values, (0, missing)), F.pad(right, (0, 0, 0, missing))


def _find_leading_vectors(matrix: Tensor, rank: int) -> Tensor:
    """(n, q, m) -> (n, r, q): eigenvectors of the largest eigenvalues; random ones where r is more than q."""
    vectors = torch.linalg.eigh(matrix @ matrix.transpose(1, 2)).eigenvectors.flip(2).transpose(1, 2)[:, :rank]
    missing = rank - vectors.shape[1]
    if missing <= 0:
        return vectors.contiguous()
    generator = torch.Generator().manual_seed(0)
    more = torch.randn(missing, matrix.shape[1], generator=generator).to(matrix)
    return torch.cat((vectors, F.normalize(more, dim=1).expand(len(matrix), -1, -1)), 1)
