"""Random frozen embeddings with a learnt map, the zero of every comparison (arXiv 2104.08677).

    e(w) = R[w] M,    R: (V, d) of independent N(0, 1/d), never trained;    M: (d, d)

R follows from a seed and is not stored. Parameters: d^2. What such a model reaches, it reaches without knowing one word
from another by more than chance.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.config import MethodConfig, option
from fairseq_see.embeddings.registry import register


@dataclass(frozen=True, kw_only=True)
class RandomConfig(MethodConfig):
    """Hyper-parameters of ``random``."""

    seed: int = option(1, "of the frozen embeddings", least=0)


@register("random")
class RandomEmbedding(Embedding):
    """Frozen random embeddings, and a matrix that maps them."""

    Config: ClassVar[type[MethodConfig]] = RandomConfig
    config: RandomConfig
    compresses = False
    frozen: Tensor

    def __init__(
        self, config: RandomConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        generator = torch.Generator().manual_seed(config.seed)
        frozen = torch.randn(num_embeddings, embedding_dim, generator=generator, device="cpu")
        self.register_buffer("frozen", frozen * embedding_dim**-0.5, persistent=False)
        self.map = nn.Parameter(torch.randn(embedding_dim, embedding_dim) * embedding_dim**-0.5)

    def _rows(self, ids: Tensor) -> Tensor:
        with torch.autocast(ids.device.type, enabled=False):
            return F.embedding(ids, self.frozen) @ self.map
