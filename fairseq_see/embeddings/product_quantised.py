"""A trained matrix as codes: product quantisation (Jégou, Douze and Schmid 2011), and rounding to eight bits.

    product_quantised   e(w) = [C_1[c(w, 1)], ..., C_M[c(w, M)]],    C_j: (K, d_j), d_1 + ... + d_M = d
                               + [C'_1[c'(w, 1)], ..., C'_2M[c'(w, 2 M)]] for the first n = floor(s V) words
                        c: (V, M), c': (n, 2 M) codes from 0 to K - 1, K at most 256; bytes: of codes
                        (V + 2 n) M ceil(log2 K) / 8, of codebooks 4 K d

    int8                e(w) = s[w] c[w],    s[w] = max |E[w]| / 127,    c[w] = round(E[w] / s[w])    (Krishnamoorthi
                        2018, arXiv 1806.08342, 2.1.2); c: (V, d) integers of one byte, s: (V); bytes: V (d + 2)

Product quantisation splits an embedding into M subvectors and replaces each by the nearest of K centroids of its own
codebook, which k-means finds (scikit-learn's). The d_j differ by one at most where M does not divide d. What is left of
the first n words is quantised once more: vocabularies begin with the most frequent words, whose errors are met most
often (Chung et al. 2020, arXiv 2009.07453, likewise spend more bits on them).
"""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.buffers import CodeBuffer
from fairseq_see.embeddings.config import MethodConfig, check_ratio, meets, option
from fairseq_see.embeddings.init import match_variance
from fairseq_see.embeddings.packing import count_packed_bytes, round_rows
from fairseq_see.embeddings.registry import register
from fairseq_see.errors import SeeError, needs_extra

# Centroids that a code of one byte can name.
MOST = 256

# Of k-means; the number that faiss takes for product quantisers.
ITERATIONS = 25


@dataclass(frozen=True, kw_only=True)
class CodesConfig(MethodConfig):
    """Hyper-parameters of codes out of codebooks."""

    subvectors: int | None = option(None, "M, codes of an embedding", least=1, planned=True)
    centroids: int | None = option(None, "K, centroids of a codebook", least=1, most=MOST, planned=True)


@dataclass(frozen=True, kw_only=True)
class ProductQuantisedConfig(CodesConfig):
    """Hyper-parameters of ``product_quantised``."""

    refined_share: float = option(
        0.0, "s, the share of the words, from the first, that have 2 M codes more", least=0, most=1
    )

    def to_json(self) -> dict[str, Any]:
        """JSON values by field; of a share of 0 none, as of models from before there was one."""
        return {name: value for name, value in super().to_json().items() if name != "refined_share" or value}


class _Quantiser(NamedTuple):
    """Codes (n, M) of the first n words, out of codebooks (K, d), and the columns of each of the M subvectors."""

    codes: Tensor
    codebooks: Tensor
    parts: Sequence[slice]

    @property
    def words(self) -> int:
        return len(self.codes)

    def fit(self, matrix: Tensor, padding_idx: int | None, weights: Tensor | None) -> None:
        """Quantise the first n embeddings of a matrix."""
        some, padding = slice(self.words), None if (padding_idx or 0) >= self.words else padding_idx
        heavy = None if weights is None else weights[some]
        codes, codebooks = quantise(matrix[some], self.parts, len(self.codebooks), padding, heavy)
        self.codes.copy_(codes)
        self.codebooks.copy_(codebooks)

    def join(self, codes: Tensor) -> Tensor:
        """The embeddings (m, d) of codes (m, M)."""
        columns = zip(codes.int().T, self.parts, strict=True)
        return torch.cat([F.embedding(code, self.codebooks[:, at]) for code, at in columns], 1)

    def prepare_scores(self, hidden: Tensor) -> Callable[[Tensor], Tensor]:
        """A word's score is the sum of its centroids': M additions in place of d multiplications."""
        of_centroids = torch.cat([F.linear(self.codebooks[:, at], hidden[:, at]) for at in self.parts])
        first = torch.arange(0, len(of_centroids), len(self.codebooks), dtype=torch.int32, device=hidden.device)
        return lambda ids: F.embedding_bag(self.codes.index_select(0, ids) + first, of_centroids, mode="sum").T


@register("product_quantised")
class ProductQuantisedEmbedding(Embedding):
    """Subvectors out of codebooks; further training moves the codebooks, the codes stay."""

    Config: ClassVar[type[MethodConfig]] = ProductQuantisedConfig
    config: ProductQuantisedConfig
    quantised = True
    factored_on = "cpu"

    def __init__(
        self, config: ProductQuantisedConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        codes, centroids = config.subvectors or 1, config.centroids or MOST
        self._parts = [split_columns(embedding_dim, codes)]
        # "version": see SEE's.
        self.codes_version_1 = _make_codes(num_embeddings, codes, centroids)
        self.codebooks = nn.Parameter(torch.randn(centroids, embedding_dim) * embedding_dim**-0.5)
        if refined := int(config.refined_share * num_embeddings):
            self._parts.append(split_columns(embedding_dim, min(2 * codes, embedding_dim)))
            self.fine_codes_version_1 = _make_codes(refined, len(self._parts[1]), centroids)
            self.fine_codebooks = nn.Parameter(torch.randn(centroids, embedding_dim) * embedding_dim**-0.5)
        match_variance([*self.parameters()], self._rows, num_embeddings, padding_idx, degree=1)

    @property
    def _quantisers(self) -> list[_Quantiser]:
        """That of all words, and that of the first ones where there is one, as they are now: loading exchanges them."""
        first = _Quantiser(self.codes_version_1.codes, self.codebooks, self._parts[0])
        if len(self._parts) == 1:
            return [first]
        return [first, _Quantiser(self.fine_codes_version_1.codes, self.fine_codebooks, self._parts[1])]

    @classmethod
    def plan(cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: Any = None) -> Any:
        """Of the settings that meet the ratio of bytes, the one that lost least on trained matrices."""
        choices, refined = range(1, embedding_dim + 1), int(config.refined_share * num_embeddings)
        codes, centroids = plan_codes(cls.method, ratio, num_embeddings, embedding_dim, choices, refined)
        return replace(config, subvectors=codes, centroids=centroids)

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """K-means of the subvectors of all embeddings but the padding, each as heavy as its weight."""
        for each in self._quantisers:
            each.fit(matrix, self.padding_idx, weights)
            matrix = matrix[: each.words] - each.join(each.codes)
        return True

    def _rows(self, ids: Tensor) -> Tensor:
        first, *finer = self._quantisers
        rows = first.join(first.codes.index_select(0, ids))
        for each in finer:
            more = each.join(each.codes.index_select(0, ids.clamp(max=each.words - 1)))
            rows = rows + more * (ids < each.words).to(more.dtype).unsqueeze(1)
        return rows

    def _table(self) -> Tensor:
        first, *finer = self._quantisers
        rows = first.join(first.codes)
        for each in finer:
            rows = torch.cat((rows[: each.words] + each.join(each.codes), rows[each.words :]))
        return rows

    def _prepare_scores(self, hidden: Tensor) -> Callable[[Tensor], Tensor]:
        first, *finer = [(each.words, each.prepare_scores(hidden)) for each in self._quantisers]

        def score(ids: Tensor) -> Tensor:
            scores = first[1](ids)
            for words, refine in finer:
                refined = ids < words
                scores[:, refined] += refine(ids[refined])
            return scores

        return score


@register("int8")
class Int8Embedding(Embedding):
    """Embeddings of small integers, each with its scale; further training moves the scales alone."""

    compresses = False
    quantised = True

    def __init__(self, config: Any, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        # "version": see SEE's.
        self.codes_version_1 = CodeBuffer(torch.zeros(num_embeddings, embedding_dim, dtype=torch.int8), 256)
        self.scales = nn.Parameter(torch.zeros(num_embeddings))
        self.initialise_from(torch.randn(num_embeddings, embedding_dim) * embedding_dim**-0.5)

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """Round the matrix."""
        codes, scales = round_rows(matrix, 8)
        if self.padding_idx is not None:
            codes[self.padding_idx], scales[self.padding_idx] = 0, 0
        self.codes_version_1.codes.copy_(codes)
        self.scales.copy_(scales)
        return True

    def _rows(self, ids: Tensor) -> Tensor:
        return self.codes_version_1.codes.index_select(0, ids).to(self.scales.dtype) * self.scales[ids].unsqueeze(1)


def _make_codes(words: int, codes: int, centroids: int) -> CodeBuffer:
    return CodeBuffer(torch.randint(centroids, (words, codes), dtype=torch.uint8), centroids)


def split_columns(dim: int, subvectors: int) -> list[slice]:
    """The columns of each subvector of d dimensions, whose widths differ by one at most; SeeError if d are too few."""
    if subvectors > dim:
        raise SeeError(f"subvectors is {subvectors}, but an embedding of {dim} dimensions has no more than those")
    bounds = [-(-part * dim // subvectors) for part in range(subvectors + 1)]
    return [slice(*both) for both in pairwise(bounds)]


def plan_codes(
    method: str, ratio: float, num_embeddings: int, embedding_dim: int, choices: Iterable[int], refined: int = 0
) -> tuple[int, int]:
    """Of the M and K that meet a ratio of bytes, the best at one size: those with the most M (log K)^1.5.

    The ratio is against a dense matrix in half precision; M is one of ``choices``, and so many words are ``refined``
    with twice as many codes more. ``method`` is for the message of InfeasibleRatio.
    """
    dense, best, reached = 2 * num_embeddings * embedding_dim, (0.0, 1, 2), set()
    for codes in choices:
        numbers = [number for number in (num_embeddings * codes, refined * min(2 * codes, embedding_dim)) if number]
        for centroids in range(2, max(2, min(MOST, num_embeddings)) + 1):
            size = sum(count_packed_bytes(number, centroids) + 2 * centroids * embedding_dim for number in numbers)
            reached.add(dense / size)
            if meets(dense / size, ratio):
                # A bit of a large codebook is worth more than one of a small one: measured, docs/codes.md.
                best = max(best, (codes * math.log(centroids) ** 1.5, codes, centroids))
    check_ratio(method, ratio, reached)
    return best[1], best[2]


@torch.no_grad()
def quantise(
    matrix: Tensor, parts: Sequence[slice], centroids: int, padding_idx: int | None, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """K-means of each part of the embeddings (V, d): codes (V, M), uint8, and codebooks (K, d).

    ``parts`` are the columns of each subvector; the padding does not count, each other one as its weight (V,).
    """
    with needs_extra("units"):
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

    chosen = torch.arange(len(matrix), device=matrix.device)
    chosen = chosen if padding_idx is None else chosen[chosen != padding_idx]
    rows, counts = matrix[chosen].cpu().numpy(), None if weights is None else weights[chosen].cpu().numpy()
    codes = torch.zeros(len(matrix), len(parts), dtype=torch.uint8)
    codebooks = matrix.new_zeros(centroids, matrix.shape[1])
    for part, columns in enumerate(parts):
        model = KMeans(min(centroids, len(rows)), n_init=1, max_iter=ITERATIONS, random_state=part, init="random")
        with warnings.catch_warnings():
            # Fewer distinct subvectors than centroids: some are not used, which is no fault.
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = model.fit_predict(rows[:, columns], sample_weight=counts)
        codes[chosen.cpu(), part] = torch.from_numpy(found).byte()
        codebooks[: model.n_clusters, columns] = torch.from_numpy(model.cluster_centers_).to(matrix)
    return codes, codebooks
