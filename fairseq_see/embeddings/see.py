"""SEE, Sememe Entanglement Encoding (Zhang et al. 2024, arXiv 2412.12204, equations 3 and 4).

    e(w) = sum_{i=1..m} sum_{j=1..r}  v_i[I(w,j,1)] (x) ... (x) v_i[I(w,j,o)]          cut to d numbers

    I(w, j, k)   the unit index: products j = 1..r-1 are the senses of w, o sememes each; the last is its o morphemes
    v_i[u]       the i-th vector, q = ceil(d^(1/o)) numbers, of unit u

Parameters: (|S| + |M|) x q x m; the rank r costs none. S are the sememes, M the morphemes, one padding unit for each of the
o positions counted in both. Here S and M may own different numbers of vectors, m = (m_S, m_M): one m for both, as in the
paper, is too coarse to meet a ratio (with 14,200 units m = 4 gives 45x, m = 5 gives 36x).

A word with fewer than r-1 senses has fewer products; nothing is computed for the missing ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fairseq_see.embeddings.base import TOLERANCE, Embedding, Footprint, register
from fairseq_see.embeddings.kronecker import factor_width, kronecker_sum
from fairseq_see.errors import InfeasibleRatio, SeeError
from fairseq_see.units import UnitIndex

INITS = ("normal", "uniform", "xavier")

# Rows whose variance the start is matched on: all of them up to here, evenly spaced ones beyond.
CALIBRATION_ROWS = 2**16

INDEX_BUFFERS = ("groups", "sense_offsets", "sense_groups", "word_morphemes")


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
        init: ``normal`` or ``uniform``, scaled so that rows start with the variance of a dense table, 1/d; or ``xavier``,
            the start of MorphTE's published code, which is many orders of magnitude smaller.
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
        init: str = "normal",
        shape: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if index is None and shape is None:
            raise SeeError("method 'see' needs a unit index; fairseq-see index builds one from a dictionary and HowNet")
        if index is not None:
            _check(index, num_embeddings, order, rank)
            shape = _shape(index)
        assert shape is not None
        if m is None:
            raise SeeError("say how small the embedding shall be: give a ratio (--see-ratio 20) or m (--see-m 9)")
        self.shape = shape
        self.m: int | tuple[int, int] = m if isinstance(m, int) else (int(m[0]), int(m[1]))
        sememe_m, morpheme_m = _pair(self.m)
        if min(sememe_m, morpheme_m) < 1:
            raise SeeError(f"m is {self.m}, but every unit needs at least one vector")
        if init not in INITS:
            raise SeeError(f"unknown start {init!r}; there are: {', '.join(INITS)}")
        self.single_m = single_m
        width = factor_width(embedding_dim, shape["order"])
        self.sememe_vectors = nn.Parameter(torch.empty(shape["sememes"], sememe_m * width))
        self.morpheme_vectors = nn.Parameter(torch.empty(shape["morphemes"], morpheme_m * width))
        self.norm = nn.LayerNorm(embedding_dim) if layernorm else None
        self._register_index(index)
        self._index_known = index is not None
        if self._index_known and not self.sememe_vectors.is_meta:
            self._start(init)

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
        return {"m": self.m, "layernorm": self.norm is not None, "shape": self.shape}

    def rows(self, ids: Tensor) -> Tensor:
        """Sum the products of each word, those of words with equally many senses together."""
        sememe_m, morpheme_m = _pair(self.m)
        real = None if self.padding_idx is None else (ids != self.padding_idx).to(torch.float32)
        weight = real if real is None else real.to(torch.promote_types(self.morpheme_vectors.dtype, torch.float32))
        morphemes = self.word_morphemes[ids].unsqueeze(1)
        out = kronecker_sum(self.morpheme_vectors, morphemes, morpheme_m, self.embedding_dim, weight)
        first = self.sense_offsets[ids]
        senses = self.sense_offsets[ids + 1] - first
        for count in range(1, self.shape["rank"]):
            words = (senses == count).nonzero().squeeze(1)
            # One sum is made even of nothing: distributed training expects a gradient of every parameter at every step.
            if len(words) or count == 1:
                slots = first[words].unsqueeze(1) + torch.arange(count, device=ids.device)
                groups = self.groups[self.sense_groups[slots]]
                out.index_add_(0, words, kronecker_sum(self.sememe_vectors, groups, sememe_m, self.embedding_dim))
        if self.norm is not None:
            out = self.norm(out.to(self.norm.weight.dtype))
            if real is not None:
                out = out * real.to(out.dtype).unsqueeze(1)
        return out

    def footprint(self) -> Footprint:
        """Parameters; bytes count the packed unit index in."""
        parameters, size = super().footprint()
        return Footprint(parameters, size + self.shape["index_bytes"])

    def _register_index(self, index: UnitIndex | None) -> None:
        # int32, not 16 bits: averaging checkpoints adds buffers, and uint16 has no addition.
        order, rows = self.shape["order"], self.num_embeddings
        sizes = (self.shape["groups"], order), (rows + 1,), (self.shape["senses"],), (rows, order)
        for name, size in zip(INDEX_BUFFERS, sizes, strict=True):
            array = np.zeros(size, np.int32) if index is None else np.ascontiguousarray(getattr(index, name), np.int32)
            self.register_buffer(name, torch.from_numpy(array.copy()))

    @torch.no_grad()
    def _start(self, init: str) -> None:
        tables = (self.sememe_vectors, self.morpheme_vectors)
        order = self.shape["order"]
        if self.norm is not None:
            nn.init.constant_(self.norm.weight, self.embedding_dim**-0.5)
        for table, m in zip(tables, _pair(self.m), strict=True):
            if init == "xavier":
                bound = math.sqrt(6 / ((len(table) + m) * (table.shape[1] // m)))
                nn.init.uniform_(table, -bound, bound)
            else:
                # Every product starts with the same variance, whatever the number m of terms in it.
                std = m ** (-0.5 / order)
                bound = std * math.sqrt(3)
                nn.init.normal_(table, std=std) if init == "normal" else nn.init.uniform_(table, -bound, bound)
        if init != "xavier":
            scale = (1 / self.embedding_dim / self._mean_square()) ** (0.5 / order)
            for table in tables:
                table.mul_(scale)

    def _mean_square(self) -> float:
        """Mean square of the numbers before LayerNorm, padding row left out.

        Measured, not derived: repeated units in a group, shared padding units, missing senses and the cut all move it.
        """
        step = -(-self.num_embeddings // CALIBRATION_ROWS)
        ids = torch.arange(0, self.num_embeddings, step)
        ids = ids[ids != self.padding_idx] if self.padding_idx is not None else ids
        norm, self.norm = self.norm, None
        total = sum(float(self.rows(chunk).double().square().mean(1).sum()) for chunk in ids.split(4096))
        self.norm = norm
        return total / max(1, len(ids)) or 1.0

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        missing, unexpected, errors = args[-3:]
        saved = {name: state_dict.get(prefix + name) for name in INDEX_BUFFERS}
        differs = (
            value is not None and not (value.shape == getattr(self, name).shape and value.equal(getattr(self, name).cpu()))
            for name, value in saved.items()
        )
        if self._index_known and any(differs):
            errors.append("the checkpoint was trained with another unit index; give the --see-index it was trained with")
            return
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._index_known = True


def _check(index: UnitIndex, num_embeddings: int, order: int | None, rank: int | None) -> None:
    if index.num_words != num_embeddings:
        raise SeeError(f"the unit index has {index.num_words} words, the dictionary {num_embeddings}; build it again")
    for name, wanted in (("order", order), ("rank", rank)):
        if wanted is not None and wanted != getattr(index, name):
            raise SeeError(
                f"{name} {wanted} was asked for, but the unit index has {name} {getattr(index, name)}; "
                f"build it again with fairseq-see index --{name} {wanted}"
            )


def _shape(index: UnitIndex) -> dict[str, Any]:
    return {
        "order": index.order,
        "rank": index.rank,
        "sememes": len(index.sememes),
        "morphemes": len(index.morphemes),
        "groups": len(index.groups),
        "senses": len(index.sense_groups),
        "index": index.fingerprint,
        "index_bytes": len(index.packed()),
    }


def _pair(m: int | tuple[int, int]) -> tuple[int, int]:
    return (m, m) if isinstance(m, int) else m


def _plan_m(ratio: float, dense: int, sizes: tuple[int, int], fixed: int, single: bool) -> int | tuple[int, int]:
    """The m, or pair of m, with ``dense`` / parameters in [ratio, ratio * TOLERANCE].

    ``sizes`` are the numbers that one vector more for each sememe, for each morpheme costs.
    """
    budget = dense / ratio - fixed
    if single:
        if budget < sum(sizes):
            raise _infeasible(ratio, dense / (sum(sizes) + fixed))
        return int(budget // sum(sizes))
    pairs = [
        (sememe_m, morpheme_m)
        for morpheme_m in range(1, int((budget - sizes[0]) // sizes[1]) + 2)
        # The largest that fits, and the smallest that does not.
        for top in [max(1, int((budget - morpheme_m * sizes[1]) // sizes[0]))]
        for sememe_m in range(1, top + 2)
    ] or [(1, 1)]
    ratios = {pair: dense / (pair[0] * sizes[0] + pair[1] * sizes[1] + fixed) for pair in pairs}
    fitting = [pair for pair in pairs if ratio <= ratios[pair] <= ratio * TOLERANCE]
    if not fitting:
        raise _infeasible(ratio, min(ratios.values(), key=lambda reached: abs(math.log(reached / ratio))))
    best = min(fitting, key=lambda pair: (abs(math.log(pair[0] / pair[1])), ratios[pair]))
    return best[0] if best[0] == best[1] else best


def _infeasible(ratio: float, nearest: float) -> InfeasibleRatio:
    return InfeasibleRatio(
        f"'see' cannot compress {ratio:g}x with this unit index; nearest ratio: {nearest:.1f}x "
        "(for more, build the index with fewer morphemes: fairseq-see index --max-morphemes)",
        nearest,
    )
