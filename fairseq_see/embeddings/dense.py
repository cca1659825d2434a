"""The uncompressed baseline.

    e(w) = E[w],    E: (V, d)

Parameters: V d. Initialisation: N(0, 1/d) as in fairseq, the padding embedding zero.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.registry import register


@register("dense")
class DenseEmbedding(Embedding):
    """An ordinary embedding matrix behind the same contract as the compressed ones."""

    compresses = False

    def __init__(self, config: Any, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        # Not called `weight`: fairseq would copy a decoder's `embed_tokens.weight` to an output projection.
        self.vectors = nn.Parameter(torch.empty(num_embeddings, embedding_dim))
        nn.init.normal_(self.vectors, std=embedding_dim**-0.5)
        if padding_idx is not None:
            nn.init.zeros_(self.vectors[padding_idx])

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """The matrix itself."""
        self.vectors.copy_(matrix)
        return True

    def _rows(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.vectors)

    def table(self) -> Tensor:
        """The matrix itself, its padding embedding kept out of the gradient."""
        if self.padding_idx is None:
            return self.vectors
        return _KeepRow.apply(self.vectors, self.padding_idx)

    def lookup(self, tokens: Tensor, table: Tensor | None = None) -> Tensor:
        """Read straight from the matrix: finding the distinct tokens first would only cost time."""
        return F.embedding(tokens, self.vectors, self.padding_idx) if table is None else F.embedding(tokens, table)

    forward = lookup


class _KeepRow(torch.autograd.Function):
    """A matrix as it is, with no gradient for its padding row, which a tied softmax would otherwise move."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, row: int) -> Tensor:
        ctx.row = row
        return matrix.view_as(matrix)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # Not in place: the same gradient tensor may be on its way to another operand too.
        return grad.index_fill(0, torch.full((), ctx.row, device=grad.device), 0), None
