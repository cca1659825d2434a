"""SEE, Sememe Entanglement Encoding (Zhang et al. 2024, arXiv 2412.12204, equations 3 and 4), and its relatives.

    e(w) = s sum_{i=1..m} sum_{j=1..r}  v_i[I(w,j,1)] (x) ... (x) v_i[I(w,j,o)]        truncated to d dimensions

    I(w, j, k)   the unit index: products j = 1..r-1 are the senses of w, o sememes each; the last is its o morphemes
    v_i[u]       the i-th vector, q = ceil(d^(1/o)) dimensions, of unit u
    s            a fixed scale that lets one learning rate suit all methods (init.py); the paper has none

Parameters: (S + M) q m, and 2 d of a LayerNorm; the rank r costs none. S are the sememes, M the morphemes, one padding
unit for each of the o positions counted in both. A word with fewer senses has fewer products.

| method      | differs from the paper                                                                       |
|-------------|----------------------------------------------------------------------------------------------|
| `see_paper` | not at all, with ``integer_vectors``; else m may be a fraction                               |
| `see`       | a LayerNorm of each embedding, and half of the vectors for the fifth of the units used most  |
| `morphte`   | no senses, and a LayerNorm: MorphTE (Gan et al. 2022, arXiv 2210.15379), whose rank is our m |

An integer m, as in the paper, is too coarse to meet a ratio (with 14,200 units m = 4 gives 45x, m = 5 gives 36x). With
m = 4.5 every unit owns 4 vectors and the half used most a fifth; the fifth product of a group exists where all of its
units own one. Unlike MorphTE's published code, morpheme ids do not depend on hash order and padding stays zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.buffers import IndexSizes
from fairseq_see.embeddings.config import MethodConfig, option
from fairseq_see.embeddings.indexed import IndexedEmbedding
from fairseq_see.embeddings.init import INITS, align_vectors, default_scale, initialise_vectors, row_norm
from fairseq_see.embeddings.kronecker import factor_width
from fairseq_see.embeddings.registry import register
from fairseq_see.embeddings.unit_vectors import UnitVectors, plan_vectors
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex

# Words whose senses are added at a time: small beside a matrix.
WORDS = 2048

FEWER_UNITS = " (for more, build the index with fewer morphemes: fairseq-see index --max-morphemes)"


@dataclass(frozen=True, kw_only=True)
class MorphTEConfig(MethodConfig):
    """Hyper-parameters of ``morphte``."""

    vectors: float | None = option(
        None, "m, vectors of each unit; a fraction goes to the most used units", least=1, planned=True
    )
    integer_vectors: bool = option(False, "plan an integer m, as the paper does, however coarse")
    frequent_share: float = option(
        0.0, "part of the units, those used most, that shares half of the vectors; 0: all units own equally many"
    )
    layernorm: bool = option(True, "normalise each embedding")
    init: str = option("balanced", "initialisation of the vectors", choices=INITS)
    output_scale: float | None = option(None, "fixed factor of all embeddings (default: suits the initialisation)")


@dataclass(frozen=True, kw_only=True)
class SEEConfig(MorphTEConfig):
    """Hyper-parameters of ``see``."""

    vectors: float | tuple[float, float] | None = option(  # type: ignore[assignment]
        None,
        "m, vectors of each unit, or [of a sememe, of a morpheme]; a fraction goes to the most used units",
        least=1,
        planned=True,
    )
    frequent_share: float = option(
        0.2, "part of the units, those used most, that shares half of the vectors; 0: all units own equally many"
    )
    sememe_share: float = option(1.0, "plan so many vectors for a sememe for each of a morpheme", least=0)


@dataclass(frozen=True, kw_only=True)
class PaperSEEConfig(SEEConfig):
    """Hyper-parameters of ``see_paper``."""

    frequent_share: float = option(0.0, "as of see")
    layernorm: bool = option(False, "normalise each embedding")


@register("see")
class SEEEmbedding(IndexedEmbedding):
    """A word is a sum of Kronecker products of its sememes' and its morphemes' vectors."""

    Config: ClassVar[type[MethodConfig]] = SEEConfig
    config: SEEConfig

    def __init__(
        self,
        config: SEEConfig,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        index: UnitIndex | IndexSizes | None = None,
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx, index)
        sizes, order = self.index.sizes, self.index.order
        counts = self.index.sense_offsets.diff()
        if self.senses and self.index.known and padding_idx is not None and counts[padding_idx]:
            raise SeeError(f"row {padding_idx} is the padding, but a word with senses in the unit index; give another")
        both = config.vectors if isinstance(config.vectors, tuple) else (config.vectors or 1.0,) * 2
        if config.output_scale is None:
            senses = sizes.senses / num_embeddings if self.senses else 0
            terms = math.sqrt(both[0] * both[1]) * (1 + senses)
            self._complete(output_scale=default_scale(config.init, embedding_dim, order, terms))
        width, share = factor_width(embedding_dim, order), config.frequent_share
        self.sememes = UnitVectors(sizes.sememes, both[0], width, order, share) if self.senses else None
        self.morphemes = UnitVectors(sizes.morphemes, both[1], width, order, share)
        self.norm = row_norm(embedding_dim) if config.layernorm else None
        if self.index.known:
            initialise_vectors(self._banks(), order, config.init, self._sums, num_embeddings, padding_idx)

    def reference_rows(self, ids: list[int]) -> list[Tensor]:
        """Equations 3 and 4 as they are written, one product after another in float64: what the tests compare with."""
        index, order = self.index.unit_index(), self.index.order
        kinds = {"sememes": self.sememes, "morphemes": self.morphemes}
        rows = []
        for word in ids:
            senses = index.sense_groups[index.sense_offsets[word] : index.sense_offsets[word + 1]]
            groups = [("sememes", index.groups[sense]) for sense in senses]
            row = torch.zeros(factor_width(self.embedding_dim, order) ** order, dtype=torch.float64)
            for kind, units in [*groups, ("morphemes", index.word_morphemes[word])]:
                owned = [kinds[kind].of(int(unit)).double() for unit in units]  # type: ignore[union-attr]
                for i in range(min(len(vectors) for vectors in owned)):
                    product = owned[0][i]
                    for vectors in owned[1:]:
                        product = torch.kron(product, vectors[i])
                    row += product
            row = row[: self.embedding_dim] * (self.config.output_scale or 1.0)
            if self.norm is not None:
                row = F.layer_norm(row, row.shape, self.norm.weight.double(), self.norm.bias.double())
            rows.append(torch.zeros_like(row) if word == self.padding_idx else row)
        return rows

    @classmethod
    def plan(
        cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: UnitIndex | None = None
    ) -> Any:
        """The largest m that fits; two, if ``sememe_share`` is not 1."""
        assert index is not None
        share = getattr(config, "sememe_share", 1.0)
        units = [len(index.sememes)] * cls.senses + [len(index.morphemes)]
        m = plan_vectors(
            cls.method,
            ratio,
            (num_embeddings, embedding_dim),
            index.order,
            units,
            ([share] if cls.senses else []) + [1.0],
            2 * embedding_dim if config.layernorm else 0,
            config.integer_vectors,
            config.frequent_share,
            FEWER_UNITS,
        )
        return replace(config, vectors=m[0] if share == 1 else m)

    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """Aligned vectors, far from the matrix."""
        align_vectors(self._banks(), self.index.order, self._sums, matrix, self.padding_idx)
        return False

    def _rows(self, ids: Tensor) -> Tensor:
        """Sum the products of each word, and normalise the sum if LayerNorm is on."""
        return self._normalise(self._sums(ids))

    def _table(self) -> Tensor:
        """All embeddings, each distinct group of sememes reconstructed once if words share many."""
        sizes = self.index.sizes
        if self.sememes is None or 2 * sizes.groups >= sizes.senses:
            return super()._table()
        ids = torch.arange(self.num_embeddings, device=self._device())
        groups = self.sememes.sum(self.index.groups.unsqueeze(1), self.embedding_dim, self._scale)
        sums = _AddSenses.apply(self._morphemes(ids), groups, self.index.sense_groups, self.index.sense_offsets)
        return self._normalise(sums)

    @property
    def _scale(self) -> float:
        return self.config.output_scale or 1.0

    def _banks(self) -> list[tuple[nn.Parameter, int, float]]:
        return ([] if self.sememes is None else self.sememes.banks()) + self.morphemes.banks()

    def _sums(self, ids: Tensor) -> Tensor:
        """The sums of products, (n, d)."""
        out = self._morphemes(ids)
        if self.sememes is None:
            return out
        first, senses = self.index.senses_of(ids)
        # Those of words with equally many senses together.
        for count in range(1, max(2, self.index.sizes.rank)):
            words = (senses == count).nonzero().squeeze(1)
            # One sum is made even of nothing: distributed training expects a gradient of every parameter at every step.
            if len(words) or count == 1:
                slots = first[words].unsqueeze(1) + torch.arange(count, device=ids.device)
                products = self.sememes.sum(self.index.groups_at(slots), self.embedding_dim, self._scale)
                out.index_add_(0, words, products)
        return out

    def _morphemes(self, ids: Tensor) -> Tensor:
        """The products of morphemes of the words ``ids`` (n,): (n, d)."""
        return self.morphemes.sum(self.index.morphemes_of(ids).unsqueeze(1), self.embedding_dim, self._scale)

    def _normalise(self, rows: Tensor) -> Tensor:
        return rows if self.norm is None else self.norm(rows.to(self.norm.weight.dtype))


@register("see_paper")
class PaperSEEEmbedding(SEEEmbedding):
    """SEE as its paper has it: no LayerNorm, and all units own equally many vectors."""

    Config = PaperSEEConfig


@register("morphte")
class MorphTEEmbedding(SEEEmbedding):
    """A word is a sum of Kronecker products of its morphemes' vectors, normalised."""

    Config = MorphTEConfig
    senses = False


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
