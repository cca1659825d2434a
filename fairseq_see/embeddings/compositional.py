"""Compositional codes (Shu and Nakayama 2018, arXiv 1711.01068): a word is a sum of codewords, one out of each book.

    e(w) = C_1[c(w, 1)] + ... + C_M[c(w, M)],    C_j: (K, d),    c: (V, M) codes from 0 to K - 1

    c(w, j) = argmin_k |r_j - C_j[k]|,    r_1 = Q[w],    r_(j+1) = r_j - C_j[c(w, j)]    (Chen, Guan and Wang 2010)

Q: (V, d) queries, through which gradients pass straight, exist in training only: what is shipped has the codes, V M
ceil(log2 K) / 8 bytes, and the books, 2 M K d. Codes follow from queries, so checkpoints can be averaged; the paper
learns them with a Gumbel softmax instead. With ``codes=fixed`` the codes stay and only the books are trained. A fit
begins with k-means of what the books before leave of the matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.base import Embedding, Footprint
from fairseq_see.embeddings.buffers import CodeBuffer
from fairseq_see.embeddings.config import MethodConfig, option
from fairseq_see.embeddings.init import match_variance
from fairseq_see.embeddings.kronecker import compute_dtype
from fairseq_see.embeddings.packing import packed_bytes, rounded_bytes
from fairseq_see.embeddings.product_quantised import MOST, plan_codes, quantise
from fairseq_see.embeddings.registry import register


@dataclass(frozen=True, kw_only=True)
class CompositionalConfig(MethodConfig):
    """Hyper-parameters of ``compositional``."""

    books: int | None = option(None, "M, codes of an embedding", least=1, planned=True)
    codewords: int | None = option(None, "K, codewords of a book", least=1, most=MOST, planned=True)
    codes: str = option("learnt", "whether codes go on learning", choices=("learnt", "fixed"))


@register("compositional")
class CompositionalEmbedding(Embedding):
    """Sums of codewords."""

    Config: ClassVar[type[MethodConfig]] = CompositionalConfig
    config: CompositionalConfig
    quantised = True
    exact_gradients = False

    def __init__(
        self, config: CompositionalConfig, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        books, codewords = config.books or 1, config.codewords or 1
        self.books = nn.Parameter(torch.randn(books, codewords, embedding_dim) * (books * embedding_dim) ** -0.5)
        scaled = [self.books]
        if config.codes == "learnt":
            self.queries = nn.Parameter(torch.randn(num_embeddings, embedding_dim) * embedding_dim**-0.5)
            # Alike, which changes no code.
            scaled.append(self.queries)
        else:
            # "version": see SEE's.
            codes = torch.randint(codewords, (num_embeddings, books), dtype=torch.uint8)
            self.codes_version_1 = CodeBuffer(codes, codewords)
        match_variance(scaled, self._rows, num_embeddings, padding_idx, degree=1)

    @classmethod
    def plan(cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: Any = None) -> Any:
        """Of the settings that meet the ratio of bytes, the one whose codes take most off the error."""
        choices = range(1, embedding_dim + 1)
        books, codewords = plan_codes(cls.method, ratio, num_embeddings, embedding_dim, choices, shared=False)
        return replace(config, books=books, codewords=codewords)

    @torch.no_grad()
    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """One book after another, k-means of what is left; queries are the matrix."""
        rest, whole = matrix.clone(), [slice(0, self.embedding_dim)]
        for j, book in enumerate(self.books):
            codes, codewords = quantise(rest, whole, len(book), self.padding_idx, weights)
            book.copy_(codewords)
            rest -= codewords[codes.squeeze(1).to(matrix.device).long()]
            if self.config.codes == "fixed":
                self.codes_version_1.codes[:, j] = codes.squeeze(1)
        if self.config.codes == "learnt":
            self.queries.copy_(matrix)
        return True

    @torch.no_grad()
    def codes(self, ids: Tensor) -> Tensor:
        """The codes of the words ``ids`` (n,): (n, M), from 0 to K - 1."""
        if self.config.codes == "fixed":
            return self.codes_version_1.codes.index_select(0, ids).long()
        # In float32 at least: near distances must not become equal.
        dtype = compute_dtype(self.queries.dtype)
        rest, codes = F.embedding(ids, self.queries).to(dtype), []
        with torch.autocast(ids.device.type, enabled=False):
            for book in self.books.to(dtype):
                codes.append((2 * rest @ book.T - book.square().sum(1)).argmax(1))
                rest = rest - book[codes[-1]]
        return torch.stack(codes, 1)

    def reference_rows(self, ids: list[int]) -> list[Tensor]:
        """The formulas read one codeword at a time in float64, for learnt codes: what the tests compare with."""
        rows = []
        for word in ids:
            rest, row = self.queries[word].double(), torch.zeros(self.embedding_dim, dtype=torch.float64)
            for book in self.books.double():
                chosen = book[(book - rest).norm(dim=1).argmin()]
                rest, row = rest - chosen, row + chosen
            rows.append(torch.zeros_like(row) if word == self.padding_idx else row)
        return rows

    def shipped(self) -> Embedding:
        """The same with the codes of now, fixed, in eval mode."""
        if self.config.codes == "fixed":
            return self
        small = CompositionalEmbedding(
            replace(self.config, codes="fixed"), self.num_embeddings, self.embedding_dim, self.padding_idx
        ).to(self.books.device)
        with torch.no_grad():
            small.codes_version_1.codes.copy_(self.codes(torch.arange(self.num_embeddings, device=self.books.device)))
            small.books.copy_(self.books)
        return small.eval()

    def footprint(self, bits: int = 16) -> Footprint:
        """Of what is shipped: queries are not."""
        books, codewords, _ = self.books.shape
        codes = self.num_embeddings * books
        size = packed_bytes(codes, codewords) + rounded_bytes(self.books.shape, bits)
        return Footprint(codes + math.prod(self.books.shape), size)

    def _rows(self, ids: Tensor) -> Tensor:
        """The sums; gradients pass straight through to the queries."""
        books, codewords, _ = self.books.shape
        places = self.codes(ids) + torch.arange(books, device=ids.device) * codewords
        rows = F.embedding_bag(places, self.books.flatten(0, 1), mode="sum")
        if self.config.codes == "fixed":
            return rows
        queries = F.embedding(ids, self.queries)
        return rows + (queries - queries.detach())
