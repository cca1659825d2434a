"""How near a matrix is to the one it was fitted to: all embeddings together, and in bands of frequency."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

NEIGHBOURS = 10

# Ranks by frequency at which a band ends, the last one apart.
BANDS = (100, 1_000, 10_000)

# Embeddings of a band whose neighbours are looked up, evenly spaced in its ranks.
QUERIES = 1_000


def measure(x: Tensor, y: Tensor, counts: Tensor) -> list[dict[str, Any]]:
    """Compare the embeddings of two matrices, those of all words and those of bands of about equally frequent words.

    Args:
        x: (V, d), the fitted matrix, without a padding embedding.
        y: (V, d), the dense one.
        counts: (V,) how often each word is used.

    Returns:
        for each band ``band``, ``rows``, ``mse`` (mean over elements), ``relative_error`` (Frobenius norm of x - y by
        that of y), ``cosine`` (mean over embeddings) and ``neighbours``: the mean share, over at most QUERIES
        embeddings, of the NEIGHBOURS nearest ones by cosine in y that are among the nearest in x.
    """
    order = torch.argsort(counts, descending=True, stable=True)
    ends = [0, *(end for end in BANDS if end < len(order)), len(order)]
    bands = [("all", order)]
    if len(ends) > 2:
        bands += [(f"{a + 1:,}-{b:,}", order[a:b]) for a, b in pairwise(ends)]
    measures = []
    for name, ids in bands:
        near, far = x[ids].double(), y[ids].double()
        measures.append(
            {
                "band": name,
                "rows": len(ids),
                "mse": float((near - far).square().mean()),
                "relative_error": float((near - far).norm() / far.norm()),
                "cosine": float(F.cosine_similarity(near, far, dim=1).mean()),
                "neighbours": measure_overlap(x, y, ids[:: -(-len(ids) // QUERIES)]),
            }
        )
    return measures


def measure_overlap(x: Tensor, y: Tensor, ids: Tensor, k: int = NEIGHBOURS) -> float:
    """The mean share, over ``ids``, of the k nearest embeddings in y (by cosine, itself left out) that x has too."""
    k = min(k, len(x) - 1)
    if k < 1:
        return 1.0
    matrices = F.normalize(x, dim=1), F.normalize(y, dim=1)
    shared = 0
    for part in ids.split(256):
        found = []
        for matrix in matrices:
            near = matrix[part] @ matrix.T
            near[torch.arange(len(part), device=part.device), part] = -torch.inf
            found.append(near.topk(k, dim=1).indices)
        shared += int((found[0].unsqueeze(2) == found[1].unsqueeze(1)).sum())
    return shared / (k * len(ids))
