"""Low-rank factorisation of the table (Mnih and Salakhutdinov 2007; Lan et al. 2020, ALBERT).

    e(w) = A[w] B,    A: (V, k), B: (k, d)

Parameters: k (V + d). Start: A and B Gaussian with equal variances, so that rows have variance 1/d.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding, plan_whole, register
from fairseq_see.embeddings.start import match_variance
from fairseq_see.errors import SeeError


@register("matrix")
class MatrixEmbedding(Embedding):
    """A product of two matrices.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        k: inner dimension.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, k: int) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if k < 1:
            raise SeeError(f"k is {k}, but a factorisation needs at least one column")
        self.k = k
        self.left = nn.Parameter(torch.randn(num_embeddings, k))
        self.right = nn.Parameter(torch.randn(k, embedding_dim))
        if padding_idx is not None:
            nn.init.zeros_(self.left[padding_idx])
        match_variance([self.left, self.right], self.rows, num_embeddings, padding_idx)

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """The largest k that fits."""
        return {"k": plan_whole("matrix", ratio, num_embeddings * embedding_dim, num_embeddings + embedding_dim)}

    def settings(self) -> dict[str, Any]:
        """k."""
        return {"k": self.k}

    def rows(self, ids: Tensor) -> Tensor:
        """Rows of A, times B; the padding row of A is zero and gets no gradient."""
        return F.embedding(ids, self.left, self.padding_idx) @ self.right
