"""Word2KetXS (Panahi, Saeedi and Arodz 2020, arXiv 1911.04975, section 3): a sum of Kronecker products of matrices.

    E = g sum_{j=1..r}  F[j,1] (x) ... (x) F[j,o]          cut to V rows and d columns

    F[j,k]: (t, q) with t = ceil(V^(1/o)), q = ceil(d^(1/o))

Row w reads row i_k of F[j,k], where i_1 ... i_o are the digits of w in base t: again the Kronecker sum, whose units
are the o x t digits.

g is a fixed factor (start.py). Parameters: r o t q.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding, plan_whole, register
from fairseq_see.embeddings.kronecker import factor_width, kronecker_sum
from fairseq_see.embeddings.roots import ceil_root
from fairseq_see.embeddings.start import gain_of, start_vectors
from fairseq_see.errors import SeeError


@register("word2ketxs")
class Word2KetXSEmbedding(Embedding):
    """A sum of Kronecker products of small matrices.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        rank: r, products in the sum.
        order: o, matrices in a product.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, rank: int, order: int = 2
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if rank < 1 or order < 2:
            raise SeeError(f"word2ketxs needs a rank of at least 1 and an order of at least 2, not {rank} and {order}")
        self.rank, self.order = rank, order
        self.base = ceil_root(num_embeddings, order)
        self.digits = nn.Parameter(torch.empty(order * self.base, rank * factor_width(embedding_dim, order)))
        self.gain = gain_of("balanced", embedding_dim, order, rank)
        start_vectors([(self.digits, rank, rank)], order, "balanced", self.rows, num_embeddings, padding_idx)

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """The largest rank that fits."""
        order = options.get("order", 2)
        cost = order * ceil_root(num_embeddings, order) * factor_width(embedding_dim, order)
        return {"rank": plan_whole("word2ketxs", ratio, num_embeddings * embedding_dim, cost)}

    def settings(self) -> dict[str, Any]:
        """Rank and order."""
        return {"rank": self.rank, "order": self.order}

    def rows(self, ids: Tensor) -> Tensor:
        """Sum the products of the rows that the digits of each id choose."""
        powers = self.base ** torch.arange(self.order - 1, -1, -1, device=ids.device)
        digits = ids.unsqueeze(1) // powers % self.base
        units = digits + torch.arange(self.order, device=ids.device) * self.base
        return kronecker_sum(self.digits, units.unsqueeze(1), self.rank, self.embedding_dim, self.gain, self._real(ids))
