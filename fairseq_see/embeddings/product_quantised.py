"""Product quantisation of a trained table (Jégou, Douze and Schmid 2011).

    e(w) = [C_1[c(w, 1)], ..., C_M[c(w, M)]],    C_j: (K, d_j), d_1 + ... + d_M = d,    c: (V, M) from 0 to K - 1

A row is cut into M pieces, and each is replaced by the nearest of K centroids of its own codebook, which k-means finds
(scikit-learn's). Bytes: V M of codes and 2 K d of codebooks in half precision, K being at most 256. Here the d_j differ
by one at most where M does not divide d.
"""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding, infeasible, meets, register
from fairseq_see.embeddings.stored_codes import StoredCodes
from fairseq_see.errors import SeeError

# Centroids that a code of one byte can name.
MOST = 256

# Of k-means; the number that faiss takes for product quantisers.
ITERATIONS = 25


@register("product_quantised")
class ProductQuantisedEmbedding(Embedding):
    """Pieces of rows out of codebooks; further training moves the codebooks, the codes stay.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        codes: M, from 1 to d.
        centroids: K, from 1 to 256.
    """

    quantised = True

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, codes: int, centroids: int
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        if not 1 <= codes <= embedding_dim or not 1 <= centroids <= MOST:
            raise SeeError(
                f"{codes} codes of {centroids} centroids: there can be 1 to {embedding_dim} codes, and 1 to {MOST} "
                "centroids"
            )
        start = torch.randint(centroids, (num_embeddings, codes), dtype=torch.uint8)
        # "version": see SEE's.
        self.codes_version_1 = StoredCodes(start)
        self.codebooks = nn.Parameter(torch.randn(centroids, embedding_dim) * embedding_dim**-0.5)

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """Of the settings that meet the ratio of bytes, the one whose codes tell most: M log K bits a word."""
        dense = 2 * num_embeddings * embedding_dim
        choices: dict[float, tuple[int, int]] = {}
        for centroids in range(2, min(MOST, num_embeddings) + 1):
            codebooks = 2 * centroids * embedding_dim
            fitting = math.floor((dense / ratio - codebooks) / num_embeddings + 1e-9)
            codes = min(max(1, fitting), embedding_dim)
            choices[dense / (num_embeddings * codes + codebooks)] = codes, centroids
        met = [choice for reached, choice in choices.items() if meets(reached, ratio)]
        if not met:
            raise infeasible("product_quantised", ratio, choices or [1.0])
        codes, centroids = max(met, key=lambda choice: choice[0] * math.log(choice[1]))
        return {"codes": codes, "centroids": centroids}

    def settings(self) -> dict[str, Any]:
        """M and K."""
        return {"codes": self.codes_version_1.codes.shape[1], "centroids": len(self.codebooks)}

    @torch.no_grad()
    def fit_start(self, table: Tensor, weights: Tensor | None = None) -> bool:
        """K-means of the pieces of all rows but the padding row, each as heavy as its weight."""
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        real = self._real(torch.arange(len(table), device=table.device))
        chosen = slice(None) if real is None else real
        rows, counts = table[chosen].cpu().numpy(), None if weights is None else weights[chosen].cpu().numpy()
        found = torch.zeros(len(rows), self.settings()["codes"], dtype=torch.uint8)
        self.codebooks.zero_()
        for piece, columns in enumerate(self._pieces()):
            model = KMeans(
                min(len(self.codebooks), len(rows)), n_init=1, max_iter=ITERATIONS, random_state=piece, init="random"
            )
            with warnings.catch_warnings():
                # Fewer distinct pieces than centroids: some are not used, which is no fault.
                warnings.simplefilter("ignore", ConvergenceWarning)
                found[:, piece] = torch.from_numpy(model.fit_predict(rows[:, columns], sample_weight=counts))
            self.codebooks[: model.n_clusters, columns] = torch.from_numpy(model.cluster_centers_).to(table)
        codes = self.codes_version_1.codes
        codes[chosen] = found.to(codes.device)
        return True

    def rows(self, ids: Tensor) -> Tensor:
        """Every piece from its codebook."""
        codes, real = self.codes_version_1.of(ids).int(), self._real(ids)
        pieces = [F.embedding(code, self.codebooks[:, at]) for code, at in zip(codes.T, self._pieces(), strict=True)]
        rows = torch.cat(pieces, 1)
        return rows if real is None else rows * real.unsqueeze(1)

    def _pieces(self) -> list[slice]:
        """The columns of each piece."""
        pieces = self.codes_version_1.codes.shape[1]
        bounds = [-(-piece * self.embedding_dim // pieces) for piece in range(pieces + 1)]
        return [slice(*both) for both in pairwise(bounds)]
