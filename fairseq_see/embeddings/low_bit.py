"""Latents of few bits, the control without a lexicon: a code for each word, and one matrix for all.

    e(w) = s a(w) B,    a(w): k ternary digits, -1, 0 or 1, of L[w];    B: (k, d)

Digits are those of ternary weight networks (Li, Zhang and Liu 2016, arXiv 1605.04711): 0 up to 0.7 times the mean
magnitude, the sign beyond. L: (V, k) exists in training only, its gradient passing straight through the rounding; five
digits are shipped in a byte. Bytes: V k / 5, and 2 k d of B. s is a fixed scale (init.py).
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.buffers import Footprint
from fairseq_see.embeddings.config import MethodConfig, check_ratio, option
from fairseq_see.embeddings.decompose import factorise
from fairseq_see.embeddings.init import choose_scale, match_variance
from fairseq_see.embeddings.kronecker import compute_dtype
from fairseq_see.embeddings.packing import count_packed_bytes, count_rounded_bytes
from fairseq_see.embeddings.registry import register

STATES = 3
# Of the mean magnitude, below which a latent is 0.
THRESHOLD = 0.7


@dataclass(frozen=True, kw_only=True)
class LowBitConfig(MethodConfig):
    """Hyper-parameters of ``low_bit``."""

    rank: int | None = option(None, "k, ternary digits of an embedding", least=1, planned=True)


@register("low_bit")
class LowBitEmbedding(Embedding):
    """Ternary digits times a matrix."""

    Config: ClassVar[type[MethodConfig]] = LowBitConfig
    config: LowBitConfig
    quantised = True
    exact_gradients = False

    def __init__(
        self, config: LowBitConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        rank = config.rank or 1
        self.output_scale = choose_scale("balanced", embedding_dim, 2, rank)
        self.latents = nn.Parameter(torch.randn(num_embeddings, rank) * embedding_dim**-0.5)
        self.right = nn.Parameter(torch.randn(rank, embedding_dim))
        match_variance([self.right], self._rows, num_embeddings, padding_idx)

    @classmethod
    def plan(cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: Any = None) -> Any:
        """The largest rank that fits."""
        dense = 2 * num_embeddings * embedding_dim

        def reach(rank: int) -> float:
            return dense / (count_packed_bytes(num_embeddings * rank, STATES) + 2 * rank * embedding_dim)

        rank = max(1, int(reach(1) / ratio) + 1)
        while rank > 1 and reach(rank) < ratio:
            rank -= 1
        check_ratio(cls.method, ratio, [reach(rank)])
        return replace(config, rank=rank)

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """Digits of the truncated SVD's latents, and the least-squares matrix for these digits."""
        self.latents.copy_(factorise(matrix, self.latents.shape[1], weights)[0])
        left = self.round_latents()
        if weights is not None:
            left, matrix = left * weights.sqrt().unsqueeze(1), matrix * weights.sqrt().unsqueeze(1)
        self.right.copy_(torch.linalg.lstsq(left, matrix).solution / self.output_scale)
        return True

    def round_latents(self, ids: Tensor | None = None) -> Tensor:
        """The digits of the words ``ids`` (n,), or of all: (n, k), -1, 0 or 1 in the dtype of the parameters."""
        dtype = compute_dtype(self.latents.dtype)
        threshold = THRESHOLD * self.latents.detach().to(dtype).abs().mean()
        latents = self.latents if ids is None else F.embedding(ids, self.latents)
        with torch.no_grad():
            digits = latents.sign() * (latents.to(dtype).abs() > threshold)
        return digits + (latents - latents.detach())

    def list_codes(self) -> dict[str, tuple[Tensor, int]]:
        """The digits in place of the latents: a model that is loaded from them has the same."""
        return {"latents": (self.round_latents().detach().to(torch.int8), STATES)}

    def footprint(self, bits: int = 16) -> Footprint:
        """Of what is shipped: digits, and B."""
        digits, parameters = self.latents.numel(), self.right.numel()
        return Footprint(
            digits + parameters, count_packed_bytes(digits, STATES) + count_rounded_bytes(self.right.shape, bits)
        )

    def _rows(self, ids: Tensor) -> Tensor:
        with torch.autocast(ids.device.type, enabled=False):
            return self.round_latents(ids) @ (self.right * self.output_scale)
