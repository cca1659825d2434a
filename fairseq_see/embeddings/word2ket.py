"""Word2Ket (Panahi, Saeedi and Arodz 2020, arXiv 1911.04975, section 2): a word is a state of its own leaves.

    e(w) = g sum_{j=1..r}  v[w,j,1] (x) ... (x) v[w,j,o]          cut to d numbers

    v: (V, o, r, q), q = ceil(d^(1/o))

g is a fixed factor (start.py). Parameters: V r o q; only the dimension is compressed, so 40x is out of reach at usual
sizes. It is the Kronecker sum of SEE with units of each word's own. r may be a fraction, as SEE's m: with r = 1.5 the
first half of the words, which are the most frequent, has two products and the others have one.

With ``tree_layernorm`` the products are made pairwise in a balanced tree, as the paper draws it, every inner node
normalised and the sum scaled. The paper has these LayerNorms, its published code has not; off is the code's behaviour.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding, register
from fairseq_see.embeddings.decompose import canonical
from fairseq_see.embeddings.init import gain_of, start_vectors
from fairseq_see.embeddings.kronecker import factor_width
from fairseq_see.embeddings.unit_vectors import UnitVectors, plan_vectors
from fairseq_see.errors import SeeError


@register("word2ket")
class Word2KetEmbedding(Embedding):
    """Every word owns ``rank`` x ``order`` short vectors.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        rank: r, products in a sum, at least 1; a fraction goes to the most frequent words.
        order: o, vectors in a product.
        tree_layernorm: normalise the inner nodes of the product tree.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rank: float,
        order: int = 3,
        tree_layernorm: bool = False,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if not rank >= 1 or order < 2:
            raise SeeError(f"word2ket needs a rank of at least 1 and an order of at least 2, not {rank} and {order}")
        self.rank, self.order = rank, order
        self.leaves = UnitVectors(num_embeddings * order, rank, factor_width(embedding_dim, order), order)
        self.gain = gain_of("balanced", embedding_dim, order, rank)
        start_vectors(self.leaves.banks(), order, "balanced", self._sums, num_embeddings, padding_idx)
        gain = torch.full((embedding_dim,), (rank * embedding_dim) ** -0.5)
        self.scale = nn.Parameter(gain) if tree_layernorm else None

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """The largest rank that fits."""
        order = options.get("order", 3)
        fixed = embedding_dim if options.get("tree_layernorm") else 0
        shape, units = (num_embeddings, embedding_dim), [num_embeddings * order]
        (rank,) = plan_vectors("word2ket", ratio, shape, order, units, fixed=fixed)
        return {"rank": rank}

    def settings(self) -> dict[str, Any]:
        """Rank, order, LayerNorm."""
        return {"rank": self.rank, "order": self.order, "tree_layernorm": self.scale is not None}

    @torch.no_grad()
    def fit_start(self, table: Tensor, weights: Tensor | None = None) -> bool:
        """Every row decomposed by itself: by SVD at order 2, by alternating least squares beyond; zeros behind the cut.

        The tree with LayerNorm has no such start.
        """
        if self.scale is not None:
            return False
        order, width = self.order, factor_width(self.embedding_dim, self.order)
        rows = F.pad(table, (0, width**order - table.shape[1])).unflatten(1, (width,) * order) / self.gain
        whole, extra = self.leaves.whole, self.leaves.extra
        more = 0 if extra is None else len(extra) // order
        leaves = self.leaves.vectors.view(len(rows), order, whole, width)
        leaves[more:] = torch.stack(canonical(rows[more:], whole), 1)
        if extra is not None:
            full = torch.stack(canonical(rows[:more], whole + 1), 1)
            leaves[:more] = full[:, :, :whole]
            extra[: more * order] = full[:, :, whole].flatten(0, 1)
        return True

    def rows(self, ids: Tensor) -> Tensor:
        """Sum the products of each word's own leaves."""
        if self.scale is None:
            return self._sums(ids)
        factors = self.leaves.factors(self._leaves_of(ids).unsqueeze(1))
        out = _tree(list(factors)).sum(1)[:, : self.embedding_dim] * self.scale
        real = self._real(ids)
        return out if real is None else out * real.to(out.dtype).unsqueeze(1)

    def _sums(self, ids: Tensor) -> Tensor:
        index = self._leaves_of(ids).unsqueeze(1)
        return self.leaves.sum(index, self.embedding_dim, self.gain, self._real(ids))

    def _leaves_of(self, ids: Tensor) -> Tensor:
        return ids.unsqueeze(1) * self.order + torch.arange(self.order, device=ids.device)


def _tree(factors: list[Tensor]) -> Tensor:
    """Balanced tree of row-wise Kronecker products of (n, r, q) tensors, each node normalised."""
    if len(factors) == 1:
        return factors[0]
    half = (len(factors) + 1) // 2
    node = (_tree(factors[:half]).unsqueeze(3) * _tree(factors[half:]).unsqueeze(2)).flatten(2)
    return F.layer_norm(node, node.shape[2:])
