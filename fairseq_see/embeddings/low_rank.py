"""Low-rank factorisation of the matrix (Mnih and Salakhutdinov 2007; Lan et al. 2020, ALBERT).

    e(w) = s A[w] B + b,    A: (V, k), B: (k, d), b: (d) or none

s is a fixed scale (init.py). Parameters: k (V + d), and d of the bias. k may be a fraction: with k = 4.5 all words have
four latents and the first half of them, which are the most frequent, a fifth. Initialisation: A and B Gaussian with
equal variances, so that embeddings have variance 1/d, and b zero. With the bias it is the decoder of a linear
autoencoder, A[w] being the latents (Balazy et al. 2021, "Direction is what you need").
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.config import MethodConfig, check_ratio, option
from fairseq_see.embeddings.decompose import factorise
from fairseq_see.embeddings.init import choose_scale, match_variance
from fairseq_see.embeddings.registry import register


@dataclass(frozen=True, kw_only=True)
class LowRankConfig(MethodConfig):
    """Hyper-parameters of ``low_rank``."""

    rank: float | None = option(
        None, "k, the inner dimension; a fraction goes to the most frequent words", least=1, planned=True
    )
    bias: bool = option(False, "add a bias to every embedding")


@register("low_rank")
class LowRankEmbedding(Embedding):
    """A product of two matrices."""

    Config: ClassVar[type[MethodConfig]] = LowRankConfig
    config: LowRankConfig

    def __init__(
        self, config: LowRankConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        k = config.rank or 1.0
        whole, extra = math.floor(k), _count_extra(num_embeddings, k)
        self.left = nn.Parameter(torch.randn(num_embeddings, whole))
        self.extra = nn.Parameter(torch.randn(extra)) if extra else None
        self.right = nn.Parameter(torch.randn(whole + bool(extra), embedding_dim))
        self.bias = nn.Parameter(torch.zeros(embedding_dim)) if config.bias else None
        self.output_scale = choose_scale("balanced", embedding_dim, 2, k)
        factors = [self.left, self.right] if self.extra is None else [self.left, self.extra, self.right]
        match_variance(factors, self._rows, num_embeddings, padding_idx, degree=2)

    @classmethod
    def plan(cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: Any = None) -> Any:
        """The largest k that fits."""
        dense, step = num_embeddings * embedding_dim, num_embeddings + embedding_dim
        fixed = embedding_dim if config.bias else 0
        whole = max(1, math.floor((dense / ratio - fixed) / step))
        # What is left after whole columns buys another row of B, and a number each for as many words as possible.
        words = dense / ratio - fixed - whole * step - embedding_dim
        k = math.floor((whole + max(0.0, words / num_embeddings)) * 10_000) / 10_000
        extra = _count_extra(num_embeddings, k)
        reached = dense / (fixed + whole * step + (embedding_dim + extra if extra else 0))
        check_ratio(cls.method, ratio, [reached])
        return replace(config, rank=k)

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """Truncated SVD, of weighted embeddings if there are weights; a bias of zero.

        With an integer k that is the nearest product of this size. What a fraction adds is the best for what the others
        leave of its words.
        """
        if self.bias is not None:
            self.bias.zero_()
        left, right = factorise(matrix, self.left.shape[1], weights)
        if self.extra is not None:
            words = len(self.extra)
            rest = matrix[:words] - left[:words] @ right
            column, row = factorise(rest, 1, None if weights is None else weights[:words])
            self.extra.copy_(column.squeeze(1) / math.sqrt(self.output_scale))
            right = torch.cat((right, row))
        self.left.copy_(left / math.sqrt(self.output_scale))
        self.right.copy_(right / math.sqrt(self.output_scale))
        return True

    def _rows(self, ids: Tensor) -> Tensor:
        return self.decode(self._read_latents(ids))

    def decode(self, left: Tensor) -> Tensor:
        """The embeddings that have ``left`` (n, ceil(k)) in A: (n, d)."""
        with torch.autocast(left.device.type, enabled=False):
            out = left @ (self.right * self.output_scale)
            return out if self.bias is None else out + self.bias

    def project(self, hidden: Tensor, table: Tensor | None = None) -> Tensor:
        """Scores of every token, by way of k dimensions: B first, then A, and no matrix."""
        if table is not None:
            return super().project(hidden, table)
        left, right = self._read_latents(), self.right * self.output_scale
        if self.bias is not None:
            left, right = F.pad(left, (0, 1), value=1.0), torch.cat((right, self.bias.unsqueeze(0)))
        if self.padding_idx is not None:
            left = left.index_fill(0, torch.full((), self.padding_idx, device=left.device), 0)
        scores = F.linear(F.linear(hidden.reshape(-1, self.embedding_dim), right), left)
        return scores.view(*hidden.shape[:-1], self.num_embeddings)

    @contextmanager
    def hold_table(self) -> Iterator[None]:
        """Nothing is held: neither lookups nor projections need a matrix."""
        yield

    def _read_latents(self, ids: Tensor | None = None) -> Tensor:
        """The rows ``ids`` (n,) of A, or all of them: (n, ceil(k)), the last column zero for the words without."""
        left = self.left if ids is None else F.embedding(ids, self.left)
        if self.extra is None:
            return left
        last = F.pad(self.extra, (0, self.num_embeddings - len(self.extra)))
        return torch.cat((left, (last if ids is None else last[ids]).unsqueeze(1)), 1)


def _count_extra(rows: int, k: float) -> int:
    """Words that have one latent more than the others."""
    return int(rows * (k - math.floor(k)))
