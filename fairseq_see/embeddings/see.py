"""SEE, Sememe Entanglement Encoding (Zhang et al. 2024, arXiv 2412.12204, equations 3 and 4).

    e(w) = g sum_{i=1..m} sum_{j=1..r}  v_i[I(w,j,1)] (x) ... (x) v_i[I(w,j,o)]        cut to d numbers

    I(w, j, k)   the unit index: products j = 1..r-1 are the senses of w, o sememes each; the last is its o morphemes
    v_i[u]       the i-th vector, q = ceil(d^(1/o)) numbers, of unit u
    g            a fixed factor that lets one learning rate suit all methods (start.py); the paper has none

Parameters: (|S| + |M|) x q x m; the rank r costs none. S are the sememes, M the morphemes, one padding unit for each
of the o positions counted in both. A whole m, as in the paper, is too coarse to meet a ratio (with 14,200 units m = 4
gives 45x, m = 5 gives 36x), so m may be a fraction: with m = 4.5 every unit owns 4 vectors and the half that is used
most a fifth; the fifth product of a group exists where all of its units own one. m may differ for sememes and
morphemes.

A word with fewer than r-1 senses has fewer products; nothing is computed for the missing ones.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from fairseq_see.embeddings.base import Embedding, register
from fairseq_see.embeddings.kronecker import factor_width
from fairseq_see.embeddings.start import gain_of, row_norm, start_vectors
from fairseq_see.embeddings.stored_index import FEWER_UNITS, StoredIndex, index_to_plan
from fairseq_see.embeddings.unit_vectors import UnitVectors, plan_vectors
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex


@register("see")
class SEEEmbedding(Embedding):
    """A word is a sum of Kronecker products of its sememes' and its morphemes' vectors.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        index: the unit index of the V words; None only to be filled from a state dict (:meth:`restore`).
        m: vectors of a unit; one number for all, or two, (sememes, morphemes). A fraction goes to the most used units.
        whole_m: plan with a whole m, as in the paper, however coarse.
        order: o; checked against the index.
        rank: r; checked against the index.
        layernorm: normalise each row, as MorphTE does; its gain starts at d^-0.5, so that rows start as without it.
        init: the start. ``balanced``, random directions of equal length, so that all products start equally long;
            ``normal``, Gaussian vectors, whose products have heavy tails; both scaled so that rows start with the
            variance of a dense table, 1/d. ``xavier`` is the start of MorphTE's published code, many orders of
            magnitude smaller.
        gain: factor of all rows (default: what suits the start).
        shape: sizes of an index yet to be loaded, from :meth:`settings`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        index: UnitIndex | None = None,
        m: float | tuple[float, float] | None = None,
        whole_m: bool = False,
        order: int | None = None,
        rank: int | None = None,
        layernorm: bool = False,
        init: str = "balanced",
        gain: float | None = None,
        shape: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if m is None:
            raise SeeError("say how small the embedding shall be: give a ratio (--see-ratio 20) or m (--see-m 9)")
        self.m = _pair(m)
        if not min(self.m) >= 1:
            raise SeeError(f"m is {m}, but every unit needs at least one vector")
        # "version", because fairseq's EMA decays every entry of a state dict but those, and integers cannot be decayed.
        self.index_version_1 = StoredIndex(num_embeddings, index, shape)
        self.index.check(order, rank)
        terms = math.sqrt(self.m[0] * self.m[1]) * (1 + self.index.shape["senses"] / num_embeddings)
        self.gain = gain_of(init, embedding_dim, self.index.order, terms) if gain is None else gain
        width = factor_width(embedding_dim, self.index.order)
        self.sememes = UnitVectors(self.index.shape["sememes"], self.m[0], width, self.index.order)
        self.morphemes = UnitVectors(self.index.shape["morphemes"], self.m[1], width, self.index.order)
        self.norm = row_norm(embedding_dim) if layernorm else None
        if self.index.known:
            tables = self.sememes.banks() + self.morphemes.banks()
            start_vectors(tables, self.index.order, init, self._sums, num_embeddings, padding_idx)

    @property
    def index(self) -> StoredIndex:
        """The unit index of the words."""
        return self.index_version_1

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """The largest m that fits."""
        if "m" in options:
            raise SeeError("give either a ratio or m, not both")
        index = index_to_plan("see", options)
        fixed = 2 * embedding_dim if options.get("layernorm") else 0
        units = [len(index.sememes), len(index.morphemes)]
        shape, whole = (num_embeddings, embedding_dim), options.get("whole_m", False)
        return {"m": plan_vectors("see", ratio, shape, index.order, units, fixed, whole, FEWER_UNITS)}

    def settings(self) -> dict[str, Any]:
        """Number of vectors, LayerNorm, gain, and the sizes of the index."""
        return {"m": self.m, "layernorm": self.norm is not None, "gain": self.gain, "shape": self.index.shape}

    def rows(self, ids: Tensor) -> Tensor:
        """Sum the products of each word, and normalise the sum if LayerNorm is on."""
        return self._normalised(self._sums(ids), self.norm, ids)

    def _sums(self, ids: Tensor) -> Tensor:
        """The sums of products, those of words with equally many senses together."""
        morphemes = self.index.word_morphemes[ids].unsqueeze(1)
        out = self.morphemes.sum(morphemes, self.embedding_dim, self.gain, self._real(ids))
        first = self.index.sense_offsets[ids]
        senses = self.index.sense_offsets[ids + 1] - first
        for count in range(1, max(2, self.index.rank)):
            words = (senses == count).nonzero().squeeze(1)
            # One sum is made even of nothing: distributed training expects a gradient of every parameter at every step.
            if len(words) or count == 1:
                slots = first[words].unsqueeze(1) + torch.arange(count, device=ids.device)
                groups = self.index.groups[self.index.sense_groups[slots]]
                out.index_add_(0, words, self.sememes.sum(groups, self.embedding_dim, self.gain))
        return out


def _pair(m: float | tuple[float, float]) -> tuple[float, float]:
    return (float(m[0]), float(m[1])) if isinstance(m, (tuple, list)) else (float(m), float(m))
