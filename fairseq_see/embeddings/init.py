"""Initialisation: embeddings begin with the variance of a dense matrix, 1/d.

The factors of a plain sum of products would be several times larger than a dense matrix's elements, and Adam, whose
steps have the size of the learning rate, would move them several times more slowly. So embeddings are ``output_scale``
times the sum, a fixed scale under which factors begin about as large as a dense matrix's elements. It changes no model:
factors multiplied by scale^(1/o) are the same without it.

For the vectors of the Kronecker family there is a choice. ``balanced``: random directions of equal length, so that all
products begin equally long. ``normal``: Gaussian vectors, whose products have heavy tails. Both are scaled by
measurement: repeated units, shared padding units, missing senses and the truncation all move the variance.
``xavier`` is that of MorphTE's published code, many orders of magnitude smaller and without a scale.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fairseq_see.embeddings.unit_vectors import UnitVectors

INITS = ("balanced", "normal", "xavier")

# Embeddings whose variance is matched: all of them up to here, evenly spaced ones beyond.
CALIBRATION_ROWS = 2**16

# Of the length of an aligned vector, what is its unit's own.
OWN = 0.3


def choose_scale(init: str, dim: int, order: int, terms: float) -> float:
    """The fixed factor of embeddings of d dimensions, each of so many products (on average) of o factors."""
    return 1.0 if init == "xavier" else math.sqrt(dim ** (order - 1) / terms)


@torch.no_grad()
def initialise_vectors(
    kinds: Sequence[UnitVectors], init: str, sums: Callable[[Tensor], Tensor], rows: int, padding_idx: int | None
) -> None:
    """Fill the vectors of units of each kind, those of a matrix of V rows.

    ``sums`` makes ids (n,) embeddings (n, d) before LayerNorm, by which the variance is measured.
    """
    banks = [bank for units in kinds for bank in units.parameters()]
    for units in kinds:
        for bank in units.parameters():
            if init == "xavier":
                bound = math.sqrt(6 / ((len(bank) + units.m) * units.width))
                nn.init.uniform_(bank, -bound, bound)
                continue
            nn.init.normal_(bank)
            if init == "balanced":
                vectors = bank.view(-1, units.width)
                vectors.mul_(math.sqrt(units.width) / vectors.norm(dim=1, keepdim=True))
            # Every product begins with the same variance, whatever the number m of terms in it. (Where frequent units
            # own more, m is a mean, and their products, which have more terms, begin longer.)
            bank.mul_(units.m ** (-0.5 / units.order))
    if init != "xavier":
        match_variance(banks, sums, rows, padding_idx, kinds[0].order)


@torch.no_grad()
def align_vectors(
    kinds: Sequence[UnitVectors], sums: Callable[[Tensor], Tensor], matrix: Tensor, padding_idx: int | None
) -> None:
    """Turn the i-th vectors of all units towards one direction, and make embeddings about as long as the matrix's.

    Which of a unit's vectors is the first means nothing by itself; only vectors of the same number are multiplied. From
    independent vectors, units that meet often agree on what each number stands for, and each such set of units on
    something else, which small steps hardly undo. Aligned ones all agree, and draw apart as the matrix wants.
    """
    banks, order = [bank for units in kinds for bank in units.parameters()], kinds[0].order
    for bank in banks:
        common = bank[0] * math.sqrt(1 - OWN**2)
        bank.mul_(OWN).add_(common)
    match_variance(banks, sums, len(matrix), padding_idx, order)
    if square := measure_squared_length(matrix.__getitem__, len(matrix), padding_idx, matrix.device):
        for bank in banks:
            bank.mul_(square ** (0.5 / order))


@torch.no_grad()
def match_variance(
    factors: Sequence[nn.Parameter],
    rows_of: Callable[[Tensor], Tensor],
    rows: int,
    padding_idx: int | None,
    degree: int | None = None,
) -> None:
    """Scale factors alike so that the mean variance of the V embeddings made of them, the padding apart, is 1/d.

    ``rows_of`` makes ids (n,) embeddings (n, d); ``degree`` is theirs as a polynomial in a common factor (default: the
    number of factors). On the meta device nothing happens.
    """
    if any(factor.is_meta for factor in factors):
        return
    if square := measure_squared_length(rows_of, rows, padding_idx, factors[0].device):
        for factor in factors:
            factor.mul_(square ** (-0.5 / (degree or len(factors))))


@torch.no_grad()
def measure_squared_length(
    rows_of: Callable[[Tensor], Tensor], rows: int, padding_idx: int | None, device: torch.device
) -> float:
    """The mean sum of squares of embeddings, which is 1 if their variance is 1/d; 0 if there are none."""
    ids = torch.arange(0, rows, -(-rows // CALIBRATION_ROWS), device=device)
    if padding_idx is not None:
        ids = ids[ids != padding_idx]
    squares = sum(float(rows_of(chunk).double().square().sum()) for chunk in ids.split(4096))
    return squares / max(1, len(ids))
