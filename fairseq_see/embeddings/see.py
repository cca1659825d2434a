"""SEE, Sememe Entanglement Encoding (Zhang et al. 2024, arXiv 2412.12204, equations 3 and 4).

    e(w) = sum_{i=1..m} sum_{j=1..r}  v_i[I(w,j,1)] (x) ... (x) v_i[I(w,j,o)]          cut to d numbers

    I(w, j, k)   the unit index: products j = 1..r-1 are the senses of w, o sememes each; the last is its o morphemes
    v_i[u]       the i-th vector, q = ceil(d^(1/o)) numbers, of unit u

Parameters: (|S| + |M|) x q x m; the rank r costs none. S are the sememes, M the morphemes, one padding unit for each
of the o positions counted in both. Here S and M may own different numbers of vectors, m = (m_S, m_M): one m for both,
as in the paper, is too coarse to meet a ratio (with 14,200 units m = 4 gives 45x, m = 5 gives 36x).

A word with fewer than r-1 senses has fewer products; nothing is computed for the missing ones.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding, Footprint, infeasible, meets, register
from fairseq_see.embeddings.kronecker import factor_width, kronecker_sum
from fairseq_see.embeddings.start import start_vectors
from fairseq_see.embeddings.stored_index import StoredIndex
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex

ADVICE = " (for more, build the index with fewer morphemes: fairseq-see index --max-morphemes)"


@register("see")
class SEEEmbedding(Embedding):
    """A word is a sum of Kronecker products of its sememes' and its morphemes' vectors.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        index: the unit index of the V words; None only to be filled from a state dict (:meth:`restore`).
        m: vectors of a unit; one number for all (paper) or two, (sememes, morphemes).
        single_m: plan with one m for all units, as the paper does, however coarse.
        order: o; checked against the index.
        rank: r; checked against the index.
        layernorm: normalise each row, as MorphTE does; its gain starts at d^-0.5, so that rows start as without it.
        init: the start. ``balanced``, random directions of equal length, so that all products start equally long;
            ``normal``, Gaussian vectors, whose products have heavy tails; both scaled so that rows start with the
            variance of a dense table, 1/d. ``xavier`` is the start of MorphTE's published code, many orders of
            magnitude smaller.
        shape: sizes of an index yet to be loaded, from :meth:`settings`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        index: UnitIndex | None = None,
        m: int | tuple[int, int] | None = None,
        single_m: bool = False,
        order: int | None = None,
        rank: int | None = None,
        layernorm: bool = False,
        init: str = "balanced",
        shape: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if m is None:
            raise SeeError("say how small the embedding shall be: give a ratio (--see-ratio 20) or m (--see-m 9)")
        self.m: int | tuple[int, int] = m if isinstance(m, int) else (int(m[0]), int(m[1]))
        sememe_m, morpheme_m = _pair(self.m)
        if min(sememe_m, morpheme_m) < 1:
            raise SeeError(f"m is {self.m}, but every unit needs at least one vector")
        self.single_m = single_m
        # "version", because fairseq's EMA decays every entry of a state dict but those, and integers cannot be decayed.
        self.index_version_1 = StoredIndex(num_embeddings, index, shape)
        self.index.check(order, rank)
        width = factor_width(embedding_dim, self.index.order)
        self.sememe_vectors = nn.Parameter(torch.empty(self.index.shape["sememes"], sememe_m * width))
        self.morpheme_vectors = nn.Parameter(torch.empty(self.index.shape["morphemes"], morpheme_m * width))
        self.norm = nn.LayerNorm(embedding_dim) if layernorm else None
        if self.norm is not None:
            nn.init.constant_(self.norm.weight, embedding_dim**-0.5)
        if self.index.known:
            tables = (self.sememe_vectors, sememe_m), (self.morpheme_vectors, morpheme_m)
            start_vectors(tables, self.index.order, init, self._sums, num_embeddings, padding_idx)

    @property
    def index(self) -> StoredIndex:
        """The unit index of the words."""
        return self.index_version_1

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """Choose m; of all pairs within the tolerance the one nearest to the paper's single m."""
        if "m" in options:
            raise SeeError("give either a ratio or m, not both")
        index = options.get("index")
        if index is None:
            raise SeeError("planning 'see' needs a unit index; fairseq-see index builds one")
        fixed = 2 * embedding_dim if options.get("layernorm") else 0
        width = factor_width(embedding_dim, index.order)
        sizes = len(index.sememes) * width, len(index.morphemes) * width
        return {"m": _plan_m(ratio, num_embeddings * embedding_dim, sizes, fixed, options.get("single_m", False))}

    def settings(self) -> dict[str, Any]:
        """Number of vectors, LayerNorm, and the sizes of the index."""
        return {"m": self.m, "layernorm": self.norm is not None, "shape": self.index.shape}

    def rows(self, ids: Tensor) -> Tensor:
        """Sum the products of each word, and normalise the sum if LayerNorm is on."""
        return self._normalised(self._sums(ids), self.norm, ids)

    def _sums(self, ids: Tensor) -> Tensor:
        """The sums of products, those of words with equally many senses together."""
        sememe_m, morpheme_m = _pair(self.m)
        morphemes = self.index.word_morphemes[ids].unsqueeze(1)
        out = kronecker_sum(self.morpheme_vectors, morphemes, morpheme_m, self.embedding_dim, self._real(ids))
        first = self.index.sense_offsets[ids]
        senses = self.index.sense_offsets[ids + 1] - first
        for count in range(1, max(2, self.index.rank)):
            words = (senses == count).nonzero().squeeze(1)
            # One sum is made even of nothing: distributed training expects a gradient of every parameter at every step.
            if len(words) or count == 1:
                slots = first[words].unsqueeze(1) + torch.arange(count, device=ids.device)
                groups = self.index.groups[self.index.sense_groups[slots]]
                out.index_add_(0, words, kronecker_sum(self.sememe_vectors, groups, sememe_m, self.embedding_dim))
        return out

    def footprint(self) -> Footprint:
        """Parameters; bytes count the packed unit index in."""
        parameters, size = super().footprint()
        return Footprint(parameters, size + self.index.shape["bytes"])


def _pair(m: int | tuple[int, int]) -> tuple[int, int]:
    return (m, m) if isinstance(m, int) else m


def _plan_m(ratio: float, dense: int, sizes: tuple[int, int], fixed: int, single: bool) -> int | tuple[int, int]:
    """The m, or pair of m, with ``dense`` / parameters in [ratio, ratio * TOLERANCE].

    ``sizes`` are the numbers that one vector more for each sememe, for each morpheme costs.
    """
    budget = dense / ratio - fixed
    if single:
        if budget < sum(sizes):
            raise infeasible("see", ratio, [dense / (sum(sizes) + fixed)], ADVICE)
        return int(budget // sum(sizes))
    pairs = [
        (sememe_m, morpheme_m)
        for morpheme_m in range(1, int((budget - sizes[0]) // sizes[1]) + 2)
        # The largest that fits, and the smallest that does not.
        for top in [max(1, int((budget - morpheme_m * sizes[1]) // sizes[0]))]
        for sememe_m in range(1, top + 2)
    ] or [(1, 1)]
    ratios = {pair: dense / (pair[0] * sizes[0] + pair[1] * sizes[1] + fixed) for pair in pairs}
    fitting = [pair for pair in pairs if meets(ratios[pair], ratio)]
    if not fitting:
        raise infeasible("see", ratio, ratios.values(), ADVICE)
    best = min(fitting, key=lambda pair: (abs(math.log(pair[0] / pair[1])), ratios[pair]))
    return best[0] if best[0] == best[1] else best
