"""SEE, Sememe Entanglement Encoding (Zhang et al. 2024, arXiv 2412.12204, equations 3 and 4).

    e(w) = g sum_{i=1..m} sum_{j=1..r}  v_i[I(w,j,1)] (x) ... (x) v_i[I(w,j,o)]        cut to d numbers

    I(w, j, k)   the unit index: products j = 1..r-1 are the senses of w, o sememes each; the last is its o morphemes
    v_i[u]       the i-th vector, q = ceil(d^(1/o)) numbers, of unit u
    g            a fixed factor that lets one learning rate suit all methods (start.py); the paper has none

Parameters: (|S| + |M|) x q x m; the rank r costs none. S are the sememes, M the morphemes, one padding unit for each
of the o positions counted in both. A whole m, as in the paper, is too coarse to meet a ratio (with 14,200 units m = 4
gives 45x, m = 5 gives 36x), so m may be a fraction: with m = 4.5 every unit owns 4 vectors and the half that is used
most a fifth; the fifth product of a group exists where all of its units own one. m may differ for sememes and
morphemes, and with a ``head`` the most used units own more of the vectors (unit_vectors.py).

A word with fewer than r-1 senses has fewer products; nothing is computed for the missing ones.

Models that are trained with it from nothing normalise rows, as MorphTE does, and have a head; the paper does neither
(``see_paper``). With a head they learn more from the same text, with LayerNorm they bear higher learning rates
(docs/results.md). Fits to trained tables do not normalise, as rows of those have lengths, and have no head.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import FEW, Embedding, register
from fairseq_see.embeddings.buffers import FEWER_UNITS, StoredIndex, index_to_plan
from fairseq_see.embeddings.few import FewRows
from fairseq_see.embeddings.init import align_vectors, gain_of, row_norm, start_vectors
from fairseq_see.embeddings.kronecker import factor_width
from fairseq_see.embeddings.unit_vectors import UnitVectors, plan_vectors
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex

# Words whose senses are added at a time: small beside a table.
WORDS = 2048


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
        share: plan with so many vectors for a sememe for each that a morpheme owns, but at least one (the paper's: 1).
        head: the part of the units, those used most, that shares half of the vectors; 0: none, as in the paper.
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

    for_training = MappingProxyType({"layernorm": True, "head": 0.2})

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        index: UnitIndex | None = None,
        m: float | tuple[float, float] | None = None,
        whole_m: bool = False,
        share: float = 1.0,
        head: float = 0.0,
        order: int | None = None,
        rank: int | None = None,
        layernorm: bool = False,
        init: str = "balanced",
        gain: float | None = None,
        shape: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        self._few: FewRows | None = None
        if m is None:
            raise SeeError("say how small the embedding shall be: give a ratio (--see-ratio 20) or m (--see-m 9)")
        self.m, self.head = _pair(m), head
        if not min(self.m) >= 1:
            raise SeeError(f"m is {m}, but every unit needs at least one vector")
        # "version", because fairseq's EMA decays every entry of a state dict but those, and integers cannot be decayed.
        self.index_version_1 = StoredIndex(num_embeddings, index, shape)
        self.index.check(order, rank)
        if index is not None and padding_idx is not None and np.diff(index.sense_offsets)[padding_idx]:
            raise SeeError(f"row {padding_idx} is the padding, but a word with senses in the unit index; give another")
        terms = math.sqrt(self.m[0] * self.m[1]) * (1 + self.index.shape["senses"] / num_embeddings)
        self.gain = gain_of(init, embedding_dim, self.index.order, terms) if gain is None else gain
        width = factor_width(embedding_dim, self.index.order)
        self.sememes = UnitVectors(self.index.shape["sememes"], self.m[0], width, self.index.order, head)
        self.morphemes = UnitVectors(self.index.shape["morphemes"], self.m[1], width, self.index.order, head)
        self.norm = row_norm(embedding_dim) if layernorm else None
        if self.index.known:
            start_vectors(self._banks(), self.index.order, init, self._sums, num_embeddings, padding_idx)

    @property
    def index(self) -> StoredIndex:
        """The unit index of the words."""
        return self.index_version_1

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """The largest m that fits; two, if ``share`` is not 1."""
        if "m" in options:
            raise SeeError("give either a ratio or m, not both")
        share = options.get("share", 1.0)
        if not 0 <= share < math.inf:
            raise SeeError(f"share is {share}, but a sememe's vectors for each of a morpheme's are 0 or more")
        index = index_to_plan(cls.method, options)
        fixed = 2 * embedding_dim if options.get("layernorm") else 0
        units = [len(index.sememes), len(index.morphemes)]
        shape, whole = (num_embeddings, embedding_dim), options.get("whole_m", False)
        head = options.get("head", 0.0)
        m = plan_vectors(cls.method, ratio, shape, index.order, units, (share, 1.0), fixed, whole, head, FEWER_UNITS)
        return {"m": m[0] if share == 1 else m}

    def settings(self) -> dict[str, Any]:
        """Number of vectors, head if there is one, LayerNorm, gain, and the sizes of the index."""
        sizes = {"m": self.m, **({"head": self.head} if self.head else {}), "shape": self.index.shape}
        return {**sizes, "layernorm": self.norm is not None, "gain": self.gain}

    def fit_start(self, table: Tensor, weights: Tensor | None = None) -> bool:
        """Aligned vectors, far from the table."""
        align_vectors(self._banks(), self.index.order, self._sums, table, self.padding_idx)
        return False

    def rows(self, ids: Tensor) -> Tensor:
        """Sum the products of each word, and normalise the sum if LayerNorm is on."""
        return self._normalised(self._sums(ids), self.norm, ids)

    def table(self) -> Tensor:
        """The whole table, each distinct group of sememes reconstructed once if words share many."""
        if 2 * self.index.shape["groups"] >= self.index.shape["senses"]:
            return super().table()
        ids = torch.arange(self.num_embeddings, device=self._device())
        index = {name: self.index.array(name) for name in ("groups", "sense_groups", "sense_offsets")}
        groups = self.sememes.sum(index["groups"].unsqueeze(1), self.embedding_dim, self.gain)
        sums = _AddSenses.apply(self._morphemes(ids), groups, index["sense_groups"], index["sense_offsets"])
        return self._normalised(sums, self.norm, ids)

    def _banks(self) -> list[tuple[nn.Parameter, int, float]]:
        return self.sememes.banks() + self.morphemes.banks()

    def _sums(self, ids: Tensor) -> Tensor:
        """The sums of products."""
        if 0 < len(ids) <= FEW and self.inference == "factored" and self._serving():
            if self._few is None or not self._few.holds(self.morphemes, self.sememes):
                kinds = self.morphemes, self.sememes
                dim, pad = self.embedding_dim, self.padding_idx
                self._few = FewRows(self.index, *kinds, dim, self.gain, pad) if FewRows.suits(*kinds) else None
            if self._few is not None:
                return self._few(ids)
        out = self._morphemes(ids)
        first, senses = self.index.senses_of(ids)
        if len(ids) <= FEW:
            # Each product by itself: more passes over rows, but few operations.
            nth = torch.arange(self.index.rank - 1, device=ids.device)
            words, nth = (nth < senses.unsqueeze(1)).nonzero().unbind(1)
            slots = first.index_select(0, words) + nth
            return out.index_add_(0, words, self._senses(slots.unsqueeze(1)))
        # Those of words with equally many senses together.
        for count in range(1, max(2, self.index.rank)):
            words = (senses == count).nonzero().squeeze(1)
            # One sum is made even of nothing: distributed training expects a gradient of every parameter at every step.
            if len(words) or count == 1:
                slots = first[words].unsqueeze(1) + torch.arange(count, device=ids.device)
                out.index_add_(0, words, self._senses(slots))
        return out

    def _forget(self) -> None:
        super()._forget()
        self._few = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_few": None}

    def _morphemes(self, ids: Tensor) -> Tensor:
        """The products of morphemes of the words ``ids`` (n,): (n, d)."""
        return self.morphemes.sum(
            self.index.morphemes_of(ids).unsqueeze(1), self.embedding_dim, self.gain, self._real(ids)
        )

    def _senses(self, slots: Tensor) -> Tensor:
        """The sums of the products of sense slots (n, k): (n, d)."""
        return self.sememes.sum(self.index.groups_at(slots), self.embedding_dim, self.gain)


class _AddSenses(torch.autograd.Function):
    """``out`` (V, d) += the rows of ``groups`` (G, d) that each word's slots name, without another V x d."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, groups: Tensor, slots: Tensor, offsets: Tensor) -> Tensor:
        ctx.mark_dirty(out)
        ctx.save_for_backward(slots, offsets)
        ctx.groups = len(groups)
        for first in range(0, len(out), WORDS):
            bounds = offsets[first : first + WORDS + 1]
            mine = slots[bounds[0] : bounds[-1]]
            out[first : first + WORDS] += F.embedding_bag(
                mine, groups, bounds - bounds[0], mode="sum", include_last_offset=True
            )
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        slots, offsets = ctx.saved_tensors
        grad_groups = grad.new_zeros(ctx.groups, grad.shape[1])
        for first in range(0, len(grad), WORDS):
            bounds = offsets[first : first + WORDS + 1]
            words = torch.repeat_interleave(bounds.diff())
            mine = slots[bounds[0] : bounds[-1]]
            grad_groups.index_add_(0, mine.long(), grad[first : first + WORDS].index_select(0, words))
        return grad, grad_groups, None, None


def _pair(m: float | tuple[float, float]) -> tuple[float, float]:
    both = m if isinstance(m, (tuple, list)) else (m, m)
    if len(both) != 2:
        raise SeeError(f"m is one number, or two, of sememes and of morphemes; not {m}")
    return float(both[0]), float(both[1])
