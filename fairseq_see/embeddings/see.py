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

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.buffers import IndexSizes
from fairseq_see.embeddings.config import MethodConfig, option
from fairseq_see.embeddings.indexed import IndexedEmbedding, add_senses
from fairseq_see.embeddings.init import INITS, align_vectors, choose_scale, initialise_vectors
from fairseq_see.embeddings.registry import register
from fairseq_see.embeddings.unit_vectors import UnitVectors, plan_vectors
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex

SHARE = "part of the units, those used most, that shares half of the vectors; 0: all units own equally many"


@dataclass(frozen=True, kw_only=True)
class MorphTEConfig(MethodConfig):
    """Hyper-parameters of ``morphte``."""

    vectors: float | None = option(
        None, "m, vectors of each unit; a fraction goes to the most used units", least=1, planned=True
    )
    integer_vectors: bool = option(False, "plan an integer m, as the paper does, however coarse")
    frequent_share: float = option(0.0, SHARE)
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
    frequent_share: float = option(0.2, SHARE)
    sememe_share: float = option(1.0, "plan so many vectors for a sememe for each of a morpheme", least=0)


@dataclass(frozen=True, kw_only=True)
class PaperSEEConfig(SEEConfig):
    """Hyper-parameters of ``see_paper``."""

    frequent_share: float = option(0.0, SHARE)
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
        sizes, order = self.index.sizes, self.index.sizes.order
        known = self.index.known
        if self.senses and known and padding_idx is not None and self.index.sense_offsets.diff()[padding_idx]:
            raise SeeError(f"row {padding_idx} is the padding, but a word with senses in the unit index; give another")
        both = config.vectors if isinstance(config.vectors, tuple) else (config.vectors or 1.0,) * 2
        if config.output_scale is None:
            senses = sizes.senses / num_embeddings if self.senses else 0
            terms = math.sqrt(both[0] * both[1]) * (1 + senses)
            self._complete(output_scale=choose_scale(config.init, embedding_dim, order, terms))
        shape = embedding_dim, order, config.frequent_share
        self.sememes = UnitVectors(sizes.sememes, both[0], *shape) if self.senses else None
        self.morphemes = UnitVectors(sizes.morphemes, both[1], *shape)
        self.norm = nn.LayerNorm(embedding_dim) if config.layernorm else None
        if self.norm is not None:
            nn.init.constant_(self.norm.weight, embedding_dim**-0.5)
        if known:
            initialise_vectors(self._kinds, config.init, self._sum_products, num_embeddings, padding_idx)

    def reference_rows(self, ids: Iterable[int]) -> list[Tensor]:
        """Equations 3 and 4 as they are written, one product after another in float64: what the tests compare with."""
        index = self.index.to_unit_index()
        rows = []
        for word in ids:
            groups = [(self.sememes, sense) for sense in index.read_senses(word)]
            row = torch.zeros(self.morphemes.width**index.order, dtype=torch.float64)
            for kind, units in [*groups, (self.morphemes, index.word_morphemes[word])]:
                owned = [kind.select(int(unit)).double() for unit in units]  # type: ignore[union-attr]
                for i in range(min(len(vectors) for vectors in owned)):
                    product = owned[0][i]
                    for vectors in owned[1:]:
                        product = torch.kron(product, vectors[i])
                    row += product
            row = row[: self.embedding_dim] * self._scale
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
        proportion = getattr(config, "sememe_share", 1.0)
        m = plan_vectors(
            cls.method,
            ratio,
            (num_embeddings, embedding_dim),
            index.order,
            (len(index.sememes) if cls.senses else 0, len(index.morphemes)),
            proportion,
            fixed=2 * embedding_dim if config.layernorm else 0,
            integer=config.integer_vectors,
            share=config.frequent_share,
            advice=" (for more, build the index with fewer morphemes: fairseq-see index --max-morphemes)",
        )
        return replace(config, vectors=m[1] if proportion == 1 else m)

    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """Aligned vectors, far from the matrix."""
        align_vectors(self._kinds, self._sum_products, matrix, self.padding_idx)
        return False

    def _rows(self, ids: Tensor) -> Tensor:
        return self._normalise(self._sum_products(ids))

    def _table(self) -> Tensor:
        """All embeddings, each distinct group of sememes reconstructed once if words share many."""
        index = self.index
        if self.sememes is None or 2 * index.sizes.groups >= index.sizes.senses:
            return super()._table()
        groups = self.sememes.sum(index.groups.unsqueeze(1), self._scale)
        morphemes = self.morphemes.sum(index.word_morphemes.unsqueeze(1), self._scale)
        return self._normalise(add_senses(morphemes, groups, index))

    def _sum_products(self, ids: Tensor) -> Tensor:
        """The sums of products, (n, d)."""
        out = self.morphemes.sum(self.index.read_morphemes(ids).unsqueeze(1), self._scale)
        if self.sememes is None:
            return out
        first, senses = self.index.find_slots(ids)
        # Those of words with equally many senses together.
        for count in range(1, max(2, self.index.sizes.rank)):
            words = (senses == count).nonzero().squeeze(1)
            # One sum is made even of nothing: distributed training expects a gradient of every parameter at every step.
            if len(words) or count == 1:
                slots = first[words].unsqueeze(1) + torch.arange(count, device=ids.device)
                out.index_add_(0, words, self.sememes.sum(self.index.read_groups(slots), self._scale))
        return out

    def _normalise(self, rows: Tensor) -> Tensor:
        return rows if self.norm is None else self.norm(rows.to(self.norm.weight.dtype))

    @property
    def _scale(self) -> float:
        return self.config.output_scale or 1.0

    @property
    def _kinds(self) -> list[UnitVectors]:
        return [self.morphemes] if self.sememes is None else [self.sememes, self.morphemes]


@register("see_paper")
class PaperSEEEmbedding(SEEEmbedding):
    """SEE as its paper has it: no LayerNorm, and all units own equally many vectors."""

    Config = PaperSEEConfig


@register("morphte")
class MorphTEEmbedding(SEEEmbedding):
    """A word is a sum of Kronecker products of its morphemes' vectors, normalised."""

    Config = MorphTEConfig
    senses = False
