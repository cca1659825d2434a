"""MorphTE (Gan et al. 2022, NeurIPS; arXiv 2210.15379): a word is an entangled state of its morphemes.

    e(w) = LayerNorm( g sum_{j=1..r}  v_j[M(w,1)] (x) ... (x) v_j[M(w,o)] )          cut to d before LayerNorm

    M(w, k): the o morphemes of w;  v_j[u]: q = ceil(d^(1/o)) numbers, the j-th vector of morpheme u

g is a fixed factor (start.py). Parameters: |M| r q, and 2 d of the LayerNorm; r may be a fraction, as SEE's m. It is
SEE without senses and with LayerNorm: the r "rank banks" of the paper are the m vectors of a unit here. What we do
otherwise than its published code: morpheme ids do not depend on hash order, the padding row stays zero (there it
drifts to the LayerNorm's bias), and the start is matched to a dense table's variance; the code's own, variance 5e-13
before LayerNorm, is ``init="xavier"``.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fairseq_see.embeddings.base import Embedding, register
from fairseq_see.embeddings.buffers import FEWER_UNITS, StoredIndex, index_to_plan
from fairseq_see.embeddings.init import align_vectors, gain_of, row_norm, start_vectors
from fairseq_see.embeddings.kronecker import factor_width
from fairseq_see.embeddings.unit_vectors import UnitVectors, plan_vectors
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex


@register("morphte")
class MorphTEEmbedding(Embedding):
    """A word is a sum of Kronecker products of its morphemes' vectors, normalised.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        index: the unit index of the V words, of which the morphemes are used.
        rank: r, vectors of a morpheme; a fraction goes to the most used morphemes.
        head: the part of the morphemes, those used most, that shares half of the vectors; 0: none, as in the paper.
        order: o; checked against the index.
        layernorm: off leaves the sum as it is.
        init: ``balanced``, ``normal`` or ``xavier``, as in SEE.
        gain: factor of all rows (default: what suits the start).
        shape: sizes of an index yet to be loaded, from :meth:`settings`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rank: float,
        index: UnitIndex | None = None,
        head: float = 0.0,
        order: int | None = None,
        layernorm: bool = True,
        init: str = "balanced",
        gain: float | None = None,
        shape: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if not rank >= 1:
            raise SeeError(f"rank is {rank}, but every morpheme needs at least one vector")
        # "version": see SEE's.
        self.index_version_1 = StoredIndex(num_embeddings, index, shape, senses=False)
        self.index.check(order, None)
        self.rank, self.head = rank, head
        self.gain = gain_of(init, embedding_dim, self.index.order, rank) if gain is None else gain
        width = factor_width(embedding_dim, self.index.order)
        self.morphemes = UnitVectors(self.index.shape["morphemes"], rank, width, self.index.order, head)
        self.norm = row_norm(embedding_dim) if layernorm else None
        if self.index.known:
            start_vectors(self.morphemes.banks(), self.index.order, init, self._sums, num_embeddings, padding_idx)

    @property
    def index(self) -> StoredIndex:
        """The unit index of the words; it has no senses."""
        return self.index_version_1

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """The largest rank that fits."""
        index = index_to_plan("morphte", options)
        fixed = 2 * embedding_dim if options.get("layernorm", True) else 0
        units, shape = [len(index.morphemes)], (num_embeddings, embedding_dim)
        head = options.get("head", 0.0)
        (rank,) = plan_vectors("morphte", ratio, shape, index.order, units, fixed=fixed, head=head, advice=FEWER_UNITS)
        return {"rank": rank}

    def settings(self) -> dict[str, Any]:
        """Rank, head if there is one, LayerNorm, gain, and the sizes of the index."""
        sizes = {"rank": self.rank, **({"head": self.head} if self.head else {}), "shape": self.index.shape}
        return {**sizes, "layernorm": self.norm is not None, "gain": self.gain}

    def fit_start(self, table: Tensor, weights: Tensor | None = None) -> bool:
        """Aligned vectors, far from the table."""
        align_vectors(self.morphemes.banks(), self.index.order, self._sums, table, self.padding_idx)
        return False

    def rows(self, ids: Tensor) -> Tensor:
        """Sum the products of each word's morphemes, and normalise the sum."""
        return self._normalised(self._sums(ids), self.norm, ids)

    def _sums(self, ids: Tensor) -> Tensor:
        morphemes = self.index.morphemes_of(ids).unsqueeze(1)
        return self.morphemes.sum(morphemes, self.embedding_dim, self.gain, self._real(ids))
