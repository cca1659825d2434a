"""Initialisation: embeddings begin with the variance of a dense matrix, 1/d.

An embedding that is a plain sum of products would need factors several times larger than the elements of a dense
matrix, and Adam, whose steps have the size of the learning rate whatever the size of a parameter, would then move them
several times more slowly. So embeddings are ``output_scale`` times the sum, with a fixed scale under which the factors
begin about as large as a dense matrix's elements. It is no parameter and changes no model: factors multiplied by
scale^(1/o) are the same without it.

For the vectors of the Kronecker family there is a choice. ``balanced``: random directions of equal length, so that all
products begin equally long. ``normal``: Gaussian vectors, whose products have heavy tails. Both are scaled by
measurement, not derivation: repeated units in a group, shared padding units, missing senses and the truncation all move
the variance. ``xavier`` is the initialisation of MorphTE's published code, many orders of magnitude smaller and without
a scale, and is left as it is.

A fit to a known matrix begins from aligned vectors (:func:`align_vectors`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

INITS = ("balanced", "normal", "xavier")

# Embeddings whose variance is matched: all of them up to here, evenly spaced ones beyond.
CALIBRATION_ROWS = 2**16

# Of the length of an aligned vector, what is its unit's own.
OWN = 0.3


def default_scale(init: str, dim: int, order: int, terms: float) -> float:
    """The fixed factor of the embeddings.

    Args:
        init: one of INITS.
        dim: d.
        order: o, factors in a product.
        terms: products in an embedding, on average.
    """
    return 1.0 if init == "xavier" else math.sqrt(dim ** (order - 1) / terms)


def row_norm(dim: int) -> nn.LayerNorm:
    """A LayerNorm of (n, d) whose weight begins at d^-0.5: its outputs have the variance of a dense matrix."""
    norm = nn.LayerNorm(dim)
    nn.init.constant_(norm.weight, dim**-0.5)
    return norm


@torch.no_grad()
def initialise_vectors(
    tables: Sequence[tuple[nn.Parameter, int, float]],
    order: int,
    init: str,
    sums: Callable[[Tensor], Tensor],
    rows: int,
    padding_idx: int | None,
) -> None:
    """Fill tables of units' vectors.

    Args:
        tables: (U, k * q) numbers, each with its k and with m, the vectors of a unit in all tables it has.
        order: o, vectors in a product.
        init: one of INITS.
        sums: ids (n,) -> (n, d), the rows before LayerNorm.
        rows: V.
        padding_idx: a row that does not count.
    """
    if any(table.is_meta for table, _, _ in tables):
        return
    for table, k, m in tables:
        if init == "xavier":
            bound = math.sqrt(6 / ((len(table) + m) * (table.shape[1] // k)))
            nn.init.uniform_(table, -bound, bound)
            continue
        nn.init.normal_(table)
        if init == "balanced":
            vectors = table.view(len(table), k, -1)
            vectors.mul_(math.sqrt(vectors.shape[2]) / vectors.norm(dim=2, keepdim=True))
        # Every product begins with the same variance, whatever the number m of terms in it. (Where frequent units own
        # more, m is a mean, and their products, which have more terms, begin longer.)
        table.mul_(m ** (-0.5 / order))
    if init != "xavier":
        match_variance([table for table, _, _ in tables], sums, rows, padding_idx, order)


@torch.no_grad()
def align_vectors(
    tables: Sequence[tuple[nn.Parameter, int, float]],
    order: int,
    sums: Callable[[Tensor], Tensor],
    table: Tensor,
    padding_idx: int | None,
) -> None:
    """Turn the i-th vectors of all units towards one direction, and make the rows about as long as those of ``table``.

    Which of a unit's vectors is the first means nothing by itself; only vectors of the same number are multiplied. From
    independent starts, units that meet often agree on what each number stands for, and each such set of units on
    something else, which small steps hardly undo. From aligned ones all units agree, and draw apart as the table wants.

    Args:
        tables: filled, as for :func:`initialise_vectors`.
        order: o, vectors in a product.
        sums: ids (n,) -> (n, d), the rows before LayerNorm.
        table: (V, d), what will be fitted, the padding row zero.
        padding_idx: a row that does not count.
    """
    for vectors, _, _ in tables:
        common = vectors[0] * math.sqrt(1 - OWN**2)
        vectors.mul_(OWN).add_(common)
    parameters = [vectors for vectors, _, _ in tables]
    match_variance(parameters, sums, len(table), padding_idx, order)
    square = mean_squared_length(table.__getitem__, len(table), padding_idx, table.device)
    if square:
        for vectors in parameters:
            vectors.mul_(square ** (0.5 / order))


@torch.no_grad()
def match_variance(
    tables: Sequence[nn.Parameter],
    rows_of: Callable[[Tensor], Tensor],
    rows: int,
    padding_idx: int | None,
    degree: int | None = None,
) -> None:
    """Scale tables so that the mean variance of the rows made of them is 1/d.

    Args:
        tables: scaled alike.
        rows_of: ids (n,) -> (n, d).
        rows: V.
        padding_idx: a row that does not count.
        degree: of the rows as a polynomial in a common factor of the tables (default: the number of tables).
    """
    if any(table.is_meta for table in tables):
        return
    square = mean_squared_length(rows_of, rows, padding_idx, tables[0].device)
    if square:
        for table in tables:
            table.mul_(square ** (-0.5 / (degree or len(tables))))


@torch.no_grad()
def mean_squared_length(
    rows_of: Callable[[Tensor], Tensor], rows: int, padding_idx: int | None, device: torch.device
) -> float:
    """The mean sum of squares of the rows, which is 1 if their variance is 1/d; 0 if there are none.

    Args:
        rows_of: ids (n,) -> (n, d).
        rows: V.
        padding_idx: a row that does not count.
        device: of the ids.
    """
    ids = torch.arange(0, rows, -(-rows // CALIBRATION_ROWS), device=device)
    if padding_idx is not None:
        ids = ids[ids != padding_idx]
    squares = sum(float(rows_of(chunk).double().square().sum()) for chunk in ids.split(4096))
    return squares / max(1, len(ids))
