"""Low-rank factorisation of the table (Mnih and Salakhutdinov 2007; Lan et al. 2020, ALBERT).

    e(w) = g A[w] B + b,    A: (V, k), B: (k, d), b: (d) or none

g is a fixed factor (start.py). Parameters: k (V + d), and d of the bias. k may be a fraction: with k = 4.5 all words
have four numbers and the first half of them, which are the most frequent, a fifth. Start: A and B Gaussian with equal
variances, so that rows have variance 1/d, and b zero. With the bias it is the decoder of a linear autoencoder, A[w]
being the latents (Balazy et al. 2021, "Direction is what you need").
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding, infeasible, meets, register
from fairseq_see.embeddings.decompose import weighted_mean, weighted_svd
from fairseq_see.embeddings.init import gain_of, match_variance
from fairseq_see.errors import SeeError


@register("matrix")
class MatrixEmbedding(Embedding):
    """A product of two matrices.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        k: inner dimension, at least 1; a fraction goes to the most frequent words.
        bias: whether rows have b.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, k: float, bias: bool = False
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if not k >= 1:
            raise SeeError(f"k is {k}, but a factorisation needs at least one column")
        self.k = k
        whole, extra = math.floor(k), _extra_rows(num_embeddings, k)
        self.left = nn.Parameter(torch.randn(num_embeddings, whole))
        self.extra = nn.Parameter(torch.randn(extra)) if extra else None
        self.right = nn.Parameter(torch.randn(whole + bool(extra), embedding_dim))
        self.bias = nn.Parameter(torch.zeros(embedding_dim)) if bias else None
        self.gain = gain_of("balanced", embedding_dim, 2, k)
        tables = [self.left, self.right] if self.extra is None else [self.left, self.extra, self.right]
        match_variance(tables, self.rows, num_embeddings, padding_idx, degree=2)

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """The largest k that fits."""
        dense, step = num_embeddings * embedding_dim, num_embeddings + embedding_dim
        fixed = embedding_dim if options.get("bias") else 0
        whole = max(1, math.floor((dense / ratio - fixed) / step))
        # What is left after whole columns buys another row of B, and a number each for as many words as possible.
        words = dense / ratio - fixed - whole * step - embedding_dim
        k = math.floor((whole + max(0.0, words / num_embeddings)) * 10_000) / 10_000
        extra = _extra_rows(num_embeddings, k)
        reached = dense / (fixed + whole * step + (embedding_dim + extra if extra else 0))
        if not meets(reached, ratio):
            raise infeasible("matrix", ratio, [reached])
        return {"k": k}

    def settings(self) -> dict[str, Any]:
        """k, and whether there is a bias."""
        return {"k": self.k, "bias": self.bias is not None}

    @torch.no_grad()
    def fit_start(self, table: Tensor, weights: Tensor | None = None) -> bool:
        """Truncated SVD, with a bias after the mean of the rows is taken off; of weighted rows if there are weights.

        With a whole k that is the nearest table there is. What a fraction adds is the best for what the whole columns
        leave of its words.
        """
        if self.bias is not None:
            real = self._real(torch.arange(len(table), device=table.device))
            chosen = slice(None) if real is None else real
            self.bias.copy_(weighted_mean(table[chosen], None if weights is None else weights[chosen]))
            table = table - self.bias
            if self.padding_idx is not None:
                table[self.padding_idx] = 0
        left, right = weighted_svd(table, self.left.shape[1], weights)
        if self.extra is not None:
            words = len(self.extra)
            rest = table[:words] - left[:words] @ right
            column, row = weighted_svd(rest, 1, None if weights is None else weights[:words])
            self.extra.copy_(column.squeeze(1) / math.sqrt(self.gain))
            right = torch.cat((right, row))
        self.left.copy_(left / math.sqrt(self.gain))
        self.right.copy_(right / math.sqrt(self.gain))
        return True

    def rows(self, ids: Tensor) -> Tensor:
        """Rows of A, times B."""
        return self.decode(self._latents(ids), ids)

    def decode(self, left: Tensor, ids: Tensor) -> Tensor:
        """The rows ``ids`` (n,), had they ``left`` (n, ceil(k)) in A: (n, d)."""
        with torch.autocast(ids.device.type, enabled=False):
            left, right = self._operands(left, ids)
            return left @ right

    def project(self, hidden: Tensor, table: Tensor | None = None) -> Tensor:
        """Scores of every token, by way of k numbers: B first, then A, and no table."""
        if table is not None:
            return super().project(hidden, table)
        left, right = self._operands(self._latents(), torch.arange(self.num_embeddings, device=self._device()))
        scores = F.linear(F.linear(hidden.reshape(-1, self.embedding_dim), right), left)
        return scores.view(*hidden.shape[:-1], self.num_embeddings)

    @contextmanager
    def hold_table(self) -> Iterator[None]:
        """Nothing is held: neither lookups nor projections need a table."""
        yield

    def _latents(self, ids: Tensor | None = None) -> Tensor:
        """The rows ``ids`` (n,) of A, or all of them: (n, ceil(k)), the last column zero for the words without."""
        left = self.left if ids is None else F.embedding(ids, self.left)
        if self.extra is None:
            return left
        last = F.pad(self.extra, (0, self.num_embeddings - len(self.extra)))
        return torch.cat((left, (last if ids is None else last[ids]).unsqueeze(1)), 1)

    def _operands(self, left: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """``left`` and B, whose product are the rows ``ids``."""
        right = self.right * self.gain
        if self.bias is not None:
            left = F.pad(left, (0, 1), value=1.0)
            right = torch.cat((right, self.bias.unsqueeze(0)))
        real = self._real(ids)
        return (left if real is None else left * real.unsqueeze(1)), right


def _extra_rows(rows: int, k: float) -> int:
    """Words that have a number more than the others."""
    return int(rows * (k - math.floor(k)))
