"""A method of your own, with an option of its own: embeddings that share their parameters by hashes.

Put this into the ``__init__.py`` of a folder, ``my_methods``. Every command that takes ``--user-dir my_methods`` then
knows the method and its options:

    fairseq-train DATA --user-dir my_methods --arch see_transformer --see-method hashed --see-ratio 20 \
        --see-args hashes=3 ...
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from fairseq_see.embeddings import Embedding, MethodConfig, option, register
from fairseq_see.embeddings.config import check_ratio


@dataclass(frozen=True, kw_only=True)
class HashedConfig(MethodConfig):
    buckets: int | None = option(None, "k, vectors that all words share", least=1, planned=True)
    hashes: int = option(2, "n, vectors of a word", least=1)


@register("hashed")
class HashedEmbedding(Embedding):
    """e(w) = E[h_1(w)] + ... + E[h_n(w)], with E: (k, d), and n hash functions from words to 0, ..., k - 1."""

    Config = HashedConfig

    def __init__(self, config, num_embeddings, embedding_dim, padding_idx=None):
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        std = (config.hashes * embedding_dim) ** -0.5
        self.vectors = nn.Parameter(torch.randn(config.buckets, embedding_dim) * std)

    @classmethod
    def plan(cls, config, ratio, num_embeddings, embedding_dim, index=None):
        buckets = max(1, int(num_embeddings / ratio))
        check_ratio(cls.method, ratio, [num_embeddings / buckets])
        return replace(config, buckets=buckets)

    def _rows(self, ids):
        factors = 2654435761 * torch.arange(1, 2 * self.config.hashes, 2, device=ids.device)
        buckets = (ids.unsqueeze(1) * factors % 2**32) * self.config.buckets >> 32
        return self.vectors[buckets].sum(1)
