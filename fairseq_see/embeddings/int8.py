"""A trained table rounded to eight bits, row by row and symmetrically (Krishnamoorthi 2018, arXiv 1806.08342, 2.1.2).

    e(w) = s[w] c[w],    s[w] = max |E[w]| / 127,    c[w] = round(E[w] / s[w])       E: (V, d) the table

c: (V, d) whole numbers of one byte; s: (V) in half precision. Bytes: V (d + 2), just under half of a dense table's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding, infeasible, meets, register
from fairseq_see.embeddings.stored_codes import StoredCodes

# Largest code; -128 is left out, so that a row and its negative are rounded alike.
LARGEST = 127


@register("int8")
class Int8Embedding(Embedding):
    """Rows of small whole numbers, each with its scale; further training moves the scales alone."""

    compresses = False
    quantised = True

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        # "version": see SEE's.
        self.codes_version_1 = StoredCodes(torch.zeros(num_embeddings, embedding_dim, dtype=torch.int8))
        self.scales = nn.Parameter(torch.zeros(num_embeddings))
        self.fit_start(torch.randn(num_embeddings, embedding_dim) * embedding_dim**-0.5)

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """There is one ratio, that of the bytes."""
        reached = 2 * embedding_dim / (embedding_dim + 2)
        if not meets(reached, ratio):
            raise infeasible("int8", ratio, [reached])
        return {}

    @torch.no_grad()
    def fit_start(self, table: Tensor, weights: Tensor | None = None) -> bool:
        """Round the table."""
        # As it is shipped, so that what is measured here is true of that too.
        scales = (table.abs().amax(1) / LARGEST).half().to(table.dtype)
        if self.padding_idx is not None:
            scales[self.padding_idx] = 0
        codes = table / scales.unsqueeze(1).masked_fill(scales.unsqueeze(1) == 0, torch.inf)
        self.codes_version_1.codes.copy_(codes.round().clamp(-LARGEST, LARGEST))
        self.scales.copy_(scales)
        return True

    def rows(self, ids: Tensor) -> Tensor:
        """Codes times scales."""
        return self.codes_version_1.of(ids).to(self.scales.dtype) * self.scales[ids].unsqueeze(1)
