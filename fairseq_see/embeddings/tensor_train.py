"""Tensor-train matrix (Oseledets 2011; for embeddings Hrinchuk et al. 2020).

    E[(i1 i2 i3), (j1 j2 j3)] = s G1[i1, j1] G2[i2, j2] G3[i3, j3]

    G1: (v1, d1, 1, R1), G2: (v2, d2, R1, R2), G3: (v3, d3, R2, 1);   v1 v2 v3 >= V,  d1 d2 d3 >= d

s is a fixed scale (init.py). Parameters: v1 d1 R1 + R1 v2 d2 R2 + R2 v3 d3. The factors are as equal as can be; rows
behind V and columns behind d are never used. Ranks that need not be equal make the steps fine enough to meet a ratio.
Initialisation: Gaussian cores of equal variance, so that embeddings have variance 1/d.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.config import MethodConfig, check_ratio, meets, option
from fairseq_see.embeddings.decompose import factorise_tensor_train, level
from fairseq_see.embeddings.init import choose_scale, match_variance
from fairseq_see.embeddings.kronecker import ceil_root, compute_dtype, multiply_pairs
from fairseq_see.embeddings.registry import register

# Elements of one gathered operand at a time: 32 MB.
CHUNK_ELEMENTS = 2**23

# How much longer slices of the first two cores take that are read one by one than all of them in one product.
SINGLY = 8


@dataclass(frozen=True, kw_only=True)
class TensorTrainConfig(MethodConfig):
    """Hyper-parameters of ``tensor_train``."""

    rank: tuple[int, int] | None = option(None, "R1 and R2, the inner dimensions", least=1, planned=True)


@register("tensor_train")
class TensorTrainEmbedding(Embedding):
    """A matrix of three tensor-train cores."""

    Config: ClassVar[type[MethodConfig]] = TensorTrainConfig
    config: TensorTrainConfig

    def __init__(
        self, config: TensorTrainConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        (v1, v2, v3), (d1, d2, d3) = find_factors(num_embeddings), find_factors(embedding_dim)
        first, second = config.rank or (1, 1)
        self.first = nn.Parameter(torch.randn(v1, d1, first))
        self.second = nn.Parameter(torch.randn(v2, d2, first, second))
        self.third = nn.Parameter(torch.randn(v3, second, d3))
        self.output_scale = choose_scale("balanced", embedding_dim, 3, first * second)
        match_variance([self.first, self.second, self.third], self._rows, num_embeddings, padding_idx)

    @classmethod
    def plan(cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: Any = None) -> Any:
        """The largest ranks that fit, equal or one apart; where none are, the smaller at least half the larger."""
        dense = num_embeddings * embedding_dim
        (v1, v2, v3), (d1, d2, d3) = find_factors(num_embeddings), find_factors(embedding_dim)

        def reach(first: int, second: int) -> float:
            return dense / (v1 * d1 * first + first * v2 * d2 * second + second * v3 * d3)

        ranks, first = {(1, 1): reach(1, 1)}, 1
        while reach(first, 1) >= ratio:
            second = int((dense / ratio - v1 * d1 * first) / (first * v2 * d2 + v3 * d3))
            # The division may have been rounded down.
            for rank in ((first, second), (first, second + 1)):
                low, high = min(rank), max(rank)
                if low >= 1 and high - low <= max(1, high // 2):
                    ranks[rank] = reach(*rank)
            first += 1
        check_ratio(cls.method, ratio, ranks.values())
        fitting = [rank for rank, value in ranks.items() if meets(value, ratio)]
        return replace(config, rank=min(fitting, key=lambda rank: (abs(rank[0] - rank[1]) > 1, ranks[rank])))

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """TT-SVD of the matrix, zeros behind its rows and columns."""
        (v1, d1, first), (v2, d2, _, second) = self.first.shape, self.second.shape
        v3, _, d3 = self.third.shape
        matrix = F.pad(matrix, (0, d1 * d2 * d3 - matrix.shape[1], 0, v1 * v2 * v3 - len(matrix)))
        folded = matrix.view(v1, v2, v3, d1, d2, d3).permute(0, 3, 1, 4, 2, 5).reshape(v1 * d1, v2 * d2, v3 * d3)
        a, b, c = level(factorise_tensor_train(folded, (first, second)), self.output_scale)
        self.first.copy_(a.view(v1, d1, first))
        self.second.copy_(b.view(first, v2, d2, second).permute(1, 2, 0, 3))
        self.third.copy_(c.view(second, v3, d3).transpose(0, 1))
        return True

    def _rows(self, ids: Tensor) -> Tensor:
        """Multiply the cores' slices; half precision is computed in float32."""
        pairs, last = ids // len(self.third), ids % len(self.third)
        with torch.autocast(ids.device.type, enabled=False):
            few = SINGLY * len(ids) <= len(self.first) * len(self.second)
            left = self._multiply_left(pairs if few else None)
            if few:
                pairs = torch.arange(len(ids), device=ids.device)
            third, step = self.third.to(left.dtype), max(1, CHUNK_ELEMENTS // left.shape[1:].numel())
            chunks = zip(pairs.split(step), last.split(step), strict=True)
            out = torch.cat([torch.bmm(left[pair], third[k]).flatten(1) for pair, k in chunks])
        return out[:, : self.embedding_dim].to(self.third.dtype)

    def _table(self) -> Tensor:
        with torch.autocast(self._device.type, enabled=False):
            left = self._multiply_left()
        return multiply_pairs(left, self.third, self.num_embeddings, self.embedding_dim)

    def _multiply_left(self, pairs: Tensor | None = None) -> Tensor:
        """The product of the first two cores, (v1 v2, d1 d2, R2), or its rows ``pairs`` (n,); in float32 at least."""
        dtype = compute_dtype(self.first.dtype)
        first, second = self.first.to(dtype) * self.output_scale, self.second.to(dtype)
        if pairs is None:
            return torch.einsum("iar,jbrs->ijabs", first, second).flatten(2, 3).flatten(0, 1)
        first, second = first[pairs // len(second)], second[pairs % len(second)]
        return torch.einsum("nar,nbrs->nabs", first, second).flatten(1, 2)


def find_factors(number: int) -> tuple[int, int, int]:
    """Three factors, rising, whose product is at least ``number``, with as little waste as equal factors allow."""
    root = ceil_root(number, 3)
    candidates = (
        (a, b, -(-number // (a * b)))
        for a in range(max(1, root - root // 8 - 1), root + 1)
        for b in range(a, root + root // 8 + 2)
    )
    rising = [triple for triple in candidates if triple[1] <= triple[2] <= root + root // 4 + 2]
    return min(rising, key=lambda triple: (triple[0] * triple[1] * triple[2], triple[2] - triple[0]))
