"""Word2Ket and Word2KetXS (Panahi, Saeedi and Arodz 2020, arXiv 1911.04975, sections 2 and 3).

    word2ket     e(w) = s sum_{j=1..r}  v[w,j,1] (x) ... (x) v[w,j,o]          truncated to d dimensions
                 v: (V, o, r, q), q = ceil(d^(1/o)); parameters: V r o q

    word2ketxs   E = s sum_{j=1..r}  F[j,1] (x) ... (x) F[j,o]                 truncated to V rows and d columns
                 F[j,k]: (t, q), t = ceil(V^(1/o)); parameters: r o t q

s is a fixed scale (init.py). Both are the Kronecker sum of SEE: the units of Word2Ket are each word's own leaves, and
those of Word2KetXS the digits i_1 ... i_o of w in base t, with which row w reads row i_k of F[j,k]. r may be a
fraction, as SEE's m: the most frequent words, or those of the smallest digits, then have one product more. Word2Ket
compresses the dimension alone, so 40x is out of reach at usual sizes.

With ``tree_layernorm`` Word2Ket's products are made pairwise in a balanced tree, every inner node normalised and the
sum scaled. The paper has these LayerNorms, its published code has not.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.config import MethodConfig, option
from fairseq_see.embeddings.decompose import factorise, factorise_canonical
from fairseq_see.embeddings.init import choose_scale, initialise_vectors
from fairseq_see.embeddings.kronecker import ceil_root, compute_dtype, multiply_pairs, read_factors
from fairseq_see.embeddings.registry import register
from fairseq_see.embeddings.unit_vectors import UnitVectors, plan_vectors


@dataclass(frozen=True, kw_only=True)
class Word2KetConfig(MethodConfig):
    """Hyper-parameters of ``word2ket``."""

    rank: float | None = option(
        None, "r, products of a word; a fraction goes to the most frequent words", least=1, planned=True
    )
    order: int = option(3, "o, vectors in a product", least=2)
    tree_layernorm: bool = option(False, "normalise the inner nodes of the product tree")


@dataclass(frozen=True, kw_only=True)
class Word2KetXSConfig(MethodConfig):
    """Hyper-parameters of ``word2ketxs``."""

    rank: float | None = option(
        None, "r, products in the sum; a fraction goes to the words of the smallest digits", least=1, planned=True
    )
    order: int = option(2, "o, matrices in a product", least=2)


@register("word2ket")
class Word2KetEmbedding(Embedding):
    """Every word owns ``rank`` x ``order`` short vectors."""

    Config: ClassVar[type[MethodConfig]] = Word2KetConfig
    config: Word2KetConfig

    def __init__(
        self, config: Word2KetConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        rank, self.order = config.rank or 1.0, config.order
        self.leaves = UnitVectors(num_embeddings * self.order, rank, embedding_dim, self.order)
        self.output_scale = choose_scale("balanced", embedding_dim, self.order, rank)
        initialise_vectors([self.leaves], "balanced", self._sum_products, num_embeddings, padding_idx)
        tree_scale = torch.full((embedding_dim,), (rank * embedding_dim) ** -0.5)
        self.scale = nn.Parameter(tree_scale) if config.tree_layernorm else None

    @classmethod
    def plan(cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: Any = None) -> Any:
        """The largest rank that fits."""
        shape, units = (num_embeddings, embedding_dim), (0, num_embeddings * config.order)
        fixed = embedding_dim if config.tree_layernorm else 0
        return replace(config, rank=plan_vectors(cls.method, ratio, shape, config.order, units, fixed=fixed)[1])

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """Every embedding decomposed by itself: by SVD at order 2, by alternating least squares beyond; zeros behind d.

        The tree with LayerNorm has no closed form.
        """
        if self.scale is not None:
            return False
        order, width = self.order, self.leaves.width
        rows = F.pad(matrix, (0, width**order - matrix.shape[1])).unflatten(1, (width,) * order) / self.output_scale
        whole, extra = self.leaves.whole, self.leaves.extra
        more = 0 if extra is None else len(extra) // order
        leaves = self.leaves.vectors.view(len(rows), order, whole, width)
        leaves[more:] = torch.stack(factorise_canonical(rows[more:], whole), 1)
        if extra is not None:
            full = torch.stack(factorise_canonical(rows[:more], whole + 1), 1)
            leaves[:more] = full[:, :, :whole]
            extra[: more * order] = full[:, :, whole].flatten(0, 1)
        return True

    def _rows(self, ids: Tensor) -> Tensor:
        if self.scale is None:
            return self._sum_products(ids)
        factors = read_factors(self.leaves.vectors, self.leaves.extra, self._find_leaves(ids), self.leaves.whole)
        return _multiply_tree(list(factors)).sum(1)[:, : self.embedding_dim] * self.scale

    def _sum_products(self, ids: Tensor) -> Tensor:
        return self.leaves.sum(self._find_leaves(ids), self.output_scale)

    def _find_leaves(self, ids: Tensor) -> Tensor:
        """The leaves of words (n,), of one group each: (n, 1, o)."""
        return ids.view(-1, 1, 1) * self.order + torch.arange(self.order, device=ids.device)


@register("word2ketxs")
class Word2KetXSEmbedding(Embedding):
    """A sum of Kronecker products of small matrices."""

    Config: ClassVar[type[MethodConfig]] = Word2KetXSConfig
    config: Word2KetXSConfig

    def __init__(
        self, config: Word2KetXSConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        rank, self.order = config.rank or 1.0, config.order
        self.base = ceil_root(num_embeddings, self.order)
        self.digits = UnitVectors(self.order * self.base, rank, embedding_dim, self.order)
        self.output_scale = choose_scale("balanced", embedding_dim, self.order, rank)
        initialise_vectors([self.digits], "balanced", self._rows, num_embeddings, padding_idx)

    @classmethod
    def plan(cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: Any = None) -> Any:
        """The largest rank that fits."""
        shape, units = (num_embeddings, embedding_dim), (0, config.order * ceil_root(num_embeddings, config.order))
        return replace(config, rank=plan_vectors(cls.method, ratio, shape, config.order, units)[1])

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """At order 2 the truncated SVD of the rearranged matrix (Van Loan and Pitsianis 1993), zeros behind its ends.

        What a fraction of the rank adds is the best for what the whole products leave of its digits.
        """
        if self.order != 2:
            return False
        base, width = self.base, self.digits.width
        matrix = F.pad(matrix, (0, width**2 - matrix.shape[1], 0, base**2 - len(matrix))) / self.output_scale
        # (i1 i2), (j1 j2) -> (i1 j1), (i2 j2): a Kronecker product becomes an outer one.
        folded = matrix.view(base, base, width, width).transpose(1, 2).reshape(base * width, base * width)
        whole, extra = self.digits.whole, self.digits.extra
        left, right = factorise(folded, whole)
        both = torch.stack((left, right.T)).view(2, base, width, whole)
        self.digits.vectors.copy_(both.permute(1, 0, 3, 2).reshape(base * 2, whole * width))
        if extra is not None:
            digits = (len(extra) + 1) // 2, len(extra) // 2
            rest = (folded - left @ right)[: digits[0] * width, : digits[1] * width]
            column, row = factorise(rest, 1)
            extra[0::2] = column.view(digits[0], width)
            extra[1::2] = row.view(digits[1], width)
        return True

    def _rows(self, ids: Tensor) -> Tensor:
        powers = self.base ** torch.arange(self.order - 1, -1, -1, device=ids.device)
        digits = ids.unsqueeze(1) // powers % self.base
        # A unit is a digit and its position, the smallest digits of all positions first.
        units = digits * self.order + torch.arange(self.order, device=ids.device)
        return self.digits.sum(units.unsqueeze(1), self.output_scale)

    def _table(self) -> Tensor:
        """All rows; at order 2 as one matrix product."""
        if self.order != 2:
            return super()._table()
        vectors = self.digits.vectors.view(self.base, 2, self.digits.whole, -1)
        if self.digits.extra is not None:
            # A product without its second factor is zero.
            extra = F.pad(self.digits.extra, (0, 0, 0, 2 * self.base - len(self.digits.extra)))
            vectors = torch.cat((vectors, extra.view(self.base, 2, 1, -1)), 2)
        left = vectors[:, 0].transpose(1, 2).to(compute_dtype(vectors.dtype)) * self.output_scale
        return multiply_pairs(left, vectors[:, 1], self.num_embeddings, self.embedding_dim)


def _multiply_tree(factors: list[Tensor]) -> Tensor:
    """Balanced tree of row-wise Kronecker products of (n, r, q) tensors, each node normalised."""
    if len(factors) == 1:
        return factors[0]
    half = (len(factors) + 1) // 2
    node = (_multiply_tree(factors[:half]).unsqueeze(3) * _multiply_tree(factors[half:]).unsqueeze(2)).flatten(2)
    return F.layer_norm(node, node.shape[2:])
