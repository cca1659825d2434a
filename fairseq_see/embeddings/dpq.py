"""DPQ, differentiable product quantisation (Chen, Li and Sun 2020, arXiv 1908.09756): codes that are learnt.

    e(w) = [C_1[c(w, 1)], ..., C_M[c(w, M)]],    c(w, j) = argmax_k  response(Q[w, j], K_j[k])

    vq    response: -|Q[w, j] - C_j[k]|^2; keys are the codebooks, and the gradient passes straight through to Q
    sx    response: <Q[w, j], K_j[k]>, batch-normalised without affine; the gradient is that of a softmax

Q: (V, M, q) queries, q = ceil(d / M), exist in training only: what is shipped is product quantisation
(product_quantised.py), V M ceil(log2 K) / 8 bytes of codes and 2 K d of codebooks. Codes follow from queries, so
checkpoints can be averaged. As published: temperature 1, a hard forward pass, no noise, no entropy term.
A fit begins from product quantisation of the trained matrix.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.buffers import Footprint
from fairseq_see.embeddings.config import MethodConfig, option
from fairseq_see.embeddings.init import match_variance
from fairseq_see.embeddings.kronecker import compute_dtype
from fairseq_see.embeddings.packing import count_packed_bytes, count_rounded_bytes
from fairseq_see.embeddings.product_quantised import (
    MOST,
    CodesConfig,
    ProductQuantisedConfig,
    ProductQuantisedEmbedding,
    plan_codes,
    quantise,
    split_columns,
)
from fairseq_see.embeddings.registry import register
from fairseq_see.errors import InfeasibleRatio

logger = logging.getLogger(__name__)

# Embeddings whose responses, n M K of them, are computed at a time.
ROWS = 2048


@dataclass(frozen=True, kw_only=True)
class DPQConfig(CodesConfig):
    """Hyper-parameters of ``dpq``."""

    response: str = option("vq", "how a query chooses its code", choices=("vq", "sx"))


@register("dpq")
class DPQEmbedding(Embedding):
    """Subvectors out of codebooks, chosen by queries that are trained."""

    Config: ClassVar[type[MethodConfig]] = DPQConfig
    config: DPQConfig
    quantised = True
    exact_gradients = False

    def __init__(
        self, config: DPQConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        self.subvectors, centroids = config.subvectors or 1, config.centroids or MOST
        self._parts = split_columns(embedding_dim, self.subvectors)
        widths = torch.tensor([part.stop - part.start for part in self._parts])
        # Shorter subvectors end in zeros, which no gradient reaches.
        std = (torch.arange(-(-embedding_dim // self.subvectors)) < widths.unsqueeze(1)) * embedding_dim**-0.5
        books, sx = (self.subvectors, centroids, std.shape[1]), config.response == "sx"
        self.queries = nn.Parameter(torch.randn(num_embeddings, *std.shape) * std)
        self.codebooks = nn.Parameter(torch.randn(books) * std.unsqueeze(1))
        self.keys = nn.Parameter(torch.randn(books) * std.unsqueeze(1)) if sx else None
        self.norm = nn.BatchNorm1d(self.subvectors * centroids, affine=False) if sx else None
        # Alike, which changes no code.
        match_variance([self.queries, self.codebooks], self._rows, num_embeddings, padding_idx, degree=1)

    @classmethod
    def plan(cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: Any = None) -> Any:
        """As product quantisation, but with subvectors of one width where some such setting meets the ratio."""
        every = range(1, embedding_dim + 1)
        try:
            equal = [number for number in every if not embedding_dim % number]
            codes, centroids = plan_codes(cls.method, ratio, num_embeddings, embedding_dim, equal)
        except InfeasibleRatio:
            codes, centroids = plan_codes(cls.method, ratio, num_embeddings, embedding_dim, every)
        return replace(config, subvectors=codes, centroids=centroids)

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """Product quantisation of the matrix; queries are its subvectors."""
        _, codebooks = quantise(matrix, self._parts, self.codebooks.shape[1], self.padding_idx, weights)
        for part, columns in enumerate(self._parts):
            width = columns.stop - columns.start
            self.codebooks[part, :, :width] = codebooks[:, columns]
            self.queries[:, part, :width] = matrix[:, columns]
        if self.keys is not None and self.norm is not None:
            self.keys.copy_(self.codebooks)
            # Those of all words, by which it serves until it is trained on.
            mean = self.queries.mean(0)
            centred = self.queries - mean
            covariance = torch.einsum("nmp,nmq->mpq", centred, centred) / max(1, len(centred) - 1)
            means = torch.einsum("mq,mkq->mk", mean, self.keys).flatten()
            variances = torch.einsum("mkp,mpq,mkq->mk", self.keys, covariance, self.keys).flatten()
            self.norm.load_state_dict({"running_mean": means, "running_var": variances}, strict=False)
        return True

    @torch.no_grad()
    def choose_codes(self, queries: Tensor) -> Tensor:
        """The codes of the words that have these queries (n, M, q): (n, M), from 0 to K - 1."""
        return torch.cat([self._respond(part, self._moments).argmax(2) for part in queries.split(ROWS)])

    def ship(self) -> Embedding:
        """Product quantisation with the codes of now, in eval mode."""
        config = ProductQuantisedConfig(subvectors=self.subvectors, centroids=self.codebooks.shape[1])
        # What it draws is overwritten, and training that goes on counts on its own random numbers.
        with torch.random.fork_rng(devices=[]):
            small = ProductQuantisedEmbedding(config, self.num_embeddings, self.embedding_dim, self.padding_idx)
        small = small.to(self.codebooks.device)
        mode = self.training
        self.eval()
        with torch.no_grad():
            codes = self.choose_codes(self.queries)
            small.codes_version_1.codes.copy_(codes)
            small.codebooks.copy_(self._join(self.codebooks.transpose(0, 1)))
        self.train(mode)
        used = sum(len(column.unique()) for column in codes.T) / (self.subvectors * self.codebooks.shape[1])
        logger.info(f"{used:.0%} of the centroids are used by some word")
        return small.eval()

    def footprint(self, bits: int = 16) -> Footprint:
        """Of what is shipped: queries and keys are not."""
        codes, centroids = self.num_embeddings * self.subvectors, self.codebooks.shape[1]
        shape = centroids, self.embedding_dim
        return Footprint(
            codes + math.prod(shape), count_packed_bytes(codes, centroids) + count_rounded_bytes(shape, bits)
        )

    def _rows(self, ids: Tensor) -> Tensor:
        """The subvectors that the queries choose; gradients pass straight through, or as those of a softmax."""
        queries = F.embedding(ids, self.queries.flatten(1)).view(-1, *self.queries.shape[1:])
        if self.norm is None or not torch.is_grad_enabled():
            return self._choose_hard(queries)
        rows = []
        for part in queries.split(ROWS):
            # Responses are n M K values: computed again in the backward pass instead of kept. The moments move once.
            chosen, *moments = checkpoint(self._choose_soft, part, use_reentrant=False)
            rows.append(chosen)
            for ours, moved in zip(self._moments, moments, strict=True):
                ours.copy_(moved)
        return torch.cat(rows)

    def _join(self, subvectors: Tensor) -> Tensor:
        """Subvectors (n, M, q) as embeddings (n, d)."""
        if self.embedding_dim % self.subvectors == 0:
            return subvectors.flatten(1)
        pairs = zip(subvectors.unbind(1), self._parts, strict=True)
        return torch.cat([each[:, : columns.stop - columns.start] for each, columns in pairs], 1)

    def _choose_hard(self, queries: Tensor) -> Tensor:
        first = torch.arange(self.subvectors, device=queries.device) * self.codebooks.shape[1]
        values = F.embedding(self.choose_codes(queries) + first, self.codebooks.flatten(0, 1))
        return self._join(values + (queries - queries.detach()))

    def _choose_soft(self, queries: Tensor) -> tuple[Tensor, ...]:
        """Embeddings (n, d), and the moments after them."""
        moments = [each.clone() for each in self._moments]
        soft = self._respond(queries, moments).softmax(2).to(queries.dtype)
        hard = F.one_hot(soft.argmax(2), soft.shape[2]).to(soft.dtype)
        rows = self._join(torch.einsum("nmk,mkq->nmq", soft + (hard - soft).detach(), self.codebooks))
        return rows, *moments

    @property
    def _moments(self) -> list[Tensor]:
        """Running mean and variance of the responses of ``sx``, (M K,) each."""
        return [] if self.norm is None else [self.norm.get_buffer(f"running_{name}") for name in ("mean", "var")]

    def _respond(self, queries: Tensor, moments: Sequence[Tensor]) -> Tensor:
        """The responses of queries (n, M, q): (n, M, K), in float32 at least: near ones must not become equal.

        ``moments`` are moved in place in training mode.
        """
        dtype = compute_dtype(queries.dtype)
        with torch.autocast(queries.device.type, enabled=False):
            if self.keys is None:
                codebooks = self.codebooks.to(dtype)
                products = torch.einsum("nmq,mkq->nmk", queries.to(dtype), codebooks)
                return 2 * products - codebooks.square().sum(2)
            responses = torch.einsum("nmq,mkq->nmk", queries.to(dtype), self.keys.to(dtype))
            # One response has no variance. And not the module's forward: the batches that it counts differ between
            # checkpoints, which are then not those of one model to whoever averages them.
            (mean, variance), batched = moments, self.training and len(responses) > 1
            return F.batch_norm(responses.flatten(1), mean, variance, training=batched).view(responses.shape)
