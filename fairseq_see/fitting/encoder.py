"""The encoder of a linear autoencoder, which exists while its decoder is fitted and leaves the latents behind.

    A[w] = E[w] W + c,    W: (d, k), c: (k) where the decoder has a bias           E the matrix, decoder: low_rank.py

The latents of all words are one linear map of their embeddings, so those that the fit did not see have latents too, and
show which epoch is best (Balazy et al. 2021).
"""

import torch
from torch import Tensor, nn

from fairseq_see.embeddings import Embedding
from fairseq_see.embeddings.decompose import factorise
from fairseq_see.embeddings.low_rank import LowRankEmbedding
from fairseq_see.errors import SeeError


class LinearEncoder(nn.Module):
    """A ``low_rank`` embedding whose latents are computed from the matrix (V, d) that it is fitted to.

    Both halves begin at the truncated SVD of the embeddings ``train`` (n,), weighted if there are ``weights`` (V,),
    and with biases of zero: around the mean, which is that of rare words, frequent words would be met less well.
    """

    def __init__(self, embedding: Embedding, matrix: Tensor, train: Tensor, weights: Tensor | None = None) -> None:
        super().__init__()
        if not isinstance(embedding, LowRankEmbedding):
            raise SeeError(f"a linear encoder goes with --see-method low_rank, not with {embedding.method!r}")
        self.embedding = embedding
        # Not a buffer: it is no part of what is saved.
        self._matrix = matrix
        with torch.no_grad():
            rows, counts = matrix[train], None if weights is None else weights[train]
            right = factorise(rows, len(embedding.right), counts)[1]
            embedding.right.copy_(right / embedding.output_scale**0.5)
            # Of orthogonal rows: what maps an embedding to the latents that decode to its projection.
            self.weight = nn.Parameter(torch.linalg.pinv(embedding.right * embedding.output_scale))
        self.bias = None
        if embedding.bias is not None:
            nn.init.zeros_(embedding.bias)
            self.bias = nn.Parameter(torch.zeros_like(embedding.right[:, 0]))

    def rows(self, ids: Tensor) -> Tensor:
        """The embeddings ``ids`` (n,) encoded and decoded: (n, d)."""
        return self.embedding.decode(self._encode(ids))

    @torch.no_grad()
    def leave_latents(self) -> None:
        """Write the latents of all words into the embedding."""
        latents = self._encode(torch.arange(len(self._matrix), device=self._matrix.device))
        whole = self.embedding.left.shape[1]
        self.embedding.left.copy_(latents[:, :whole])
        if self.embedding.extra is not None:
            self.embedding.extra.copy_(latents[: len(self.embedding.extra), whole])

    def _encode(self, ids: Tensor) -> Tensor:
        latents = self._matrix[ids] @ self.weight
        if self.bias is not None:
            latents = latents + self.bias
        if self.embedding.extra is not None:
            latents[:, -1] *= ids < len(self.embedding.extra)
        return latents
