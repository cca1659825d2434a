"""Word2KetXS (Panahi, Saeedi and Arodz 2020, arXiv 1911.04975, section 3): a sum of Kronecker products of matrices.

    E = g sum_{j=1..r}  F[j,1] (x) ... (x) F[j,o]          cut to V rows and d columns

    F[j,k]: (t, q) with t = ceil(V^(1/o)), q = ceil(d^(1/o))

Row w reads row i_k of F[j,k], where i_1 ... i_o are the digits of w in base t: again the Kronecker sum, whose units
are the o x t digits. r may be a fraction, as SEE's m: the last matrices then have rows for the smallest digits only.

g is a fixed factor (start.py). Parameters: r o t q.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_see.embeddings.base import Embedding, register
from fairseq_see.embeddings.decompose import truncated_svd
from fairseq_see.embeddings.init import gain_of, start_vectors
from fairseq_see.embeddings.kronecker import factor_width, wide
from fairseq_see.embeddings.pairs import all_pairs
from fairseq_see.embeddings.roots import ceil_root
from fairseq_see.embeddings.unit_vectors import UnitVectors, plan_vectors
from fairseq_see.errors import SeeError


@register("word2ketxs")
class Word2KetXSEmbedding(Embedding):
    """A sum of Kronecker products of small matrices.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        rank: r, products in the sum, at least 1; a fraction goes to the words of the smallest digits.
        order: o, matrices in a product.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, rank: float, order: int = 2
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if not rank >= 1 or order < 2:
            raise SeeError(f"word2ketxs needs a rank of at least 1 and an order of at least 2, not {rank} and {order}")
        self.rank, self.order = rank, order
        self.base = ceil_root(num_embeddings, order)
        self.digits = UnitVectors(order * self.base, rank, factor_width(embedding_dim, order), order)
        self.gain = gain_of("balanced", embedding_dim, order, rank)
        start_vectors(self.digits.banks(), order, "balanced", self.rows, num_embeddings, padding_idx)

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """The largest rank that fits."""
        order = options.get("order", 2)
        shape, units = (num_embeddings, embedding_dim), [order * ceil_root(num_embeddings, order)]
        (rank,) = plan_vectors("word2ketxs", ratio, shape, order, units)
        return {"rank": rank}

    def settings(self) -> dict[str, Any]:
        """Rank and order."""
        return {"rank": self.rank, "order": self.order}

    @torch.no_grad()
    def fit_start(self, table: Tensor, weights: Tensor | None = None) -> bool:
        """At order 2 the truncated SVD of the rearranged table (Van Loan and Pitsianis 1993), zeros behind its ends.

        What a fraction of the rank adds is the best for what the whole products leave of its digits.
        """
        if self.order != 2:
            return False
        base, width = self.base, factor_width(self.embedding_dim, 2)
        table = F.pad(table, (0, width**2 - table.shape[1], 0, base**2 - len(table))) / self.gain
        # (i1 i2), (j1 j2) -> (i1 j1), (i2 j2): a Kronecker product becomes an outer one.
        folded = table.view(base, base, width, width).transpose(1, 2).reshape(base * width, base * width)
        whole, extra = self.digits.whole, self.digits.extra
        left, right = truncated_svd(folded, whole)
        both = torch.stack((left, right.T)).view(2, base, width, whole)
        self.digits.vectors.copy_(both.permute(1, 0, 3, 2).reshape(base * 2, whole * width))
        if extra is not None:
            digits = (len(extra) + 1) // 2, len(extra) // 2
            rest = (folded - left @ right)[: digits[0] * width, : digits[1] * width]
            column, row = truncated_svd(rest, 1)
            extra[0::2] = column.view(digits[0], width)
            extra[1::2] = row.view(digits[1], width)
        return True

    def rows(self, ids: Tensor) -> Tensor:
        """Sum the products of the rows that the digits of each id choose."""
        powers = self.base ** torch.arange(self.order - 1, -1, -1, device=ids.device)
        digits = ids.unsqueeze(1) // powers % self.base
        # A unit is a digit and its position, the smallest digits of all positions first.
        units = digits * self.order + torch.arange(self.order, device=ids.device)
        return self.digits.sum(units.unsqueeze(1), self.embedding_dim, self.gain, self._real(ids))

    def table(self) -> Tensor:
        """All rows; at order 2 as one matrix product."""
        if self.order != 2:
            return super().table()
        vectors = self.digits.vectors.view(self.base, 2, self.digits.whole, -1)
        if self.digits.extra is not None:
            # A product without its second factor is zero.
            extra = F.pad(self.digits.extra, (0, 0, 0, 2 * self.base - len(self.digits.extra)))
            vectors = torch.cat((vectors, extra.view(self.base, 2, 1, -1)), 2)
        left = vectors[:, 0].transpose(1, 2).to(wide(vectors.dtype)) * self.gain
        return all_pairs(left, vectors[:, 1], self.num_embeddings, self.embedding_dim, self.padding_idx)
