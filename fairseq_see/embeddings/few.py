"""Rows of a few words on a CPU, for serving without a table.

Where there is little to compute, starting operations is what takes the time. The sums of kronecker.py are therefore
made in numpy, whose operations start in a quarter of the time that torch's take, and the products of sememes and
morphemes are made together.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fairseq_see.embeddings.buffers import StoredIndex
from fairseq_see.embeddings.unit_vectors import UnitVectors


class FewRows:
    """Makes rows of SEE from views of its weights and index: not to be used when they are replaced (:meth:`holds`).

    Args:
        index: sememes and morphemes of the words.
        morphemes: their vectors.
        sememes: theirs, of equally many whole m.
        dim: d.
        gain: factor of all rows.
        padding_idx: the zero row, or None.
    """

    def __init__(
        self,
        index: StoredIndex,
        morphemes: UnitVectors,
        sememes: UnitVectors,
        dim: int,
        gain: float,
        padding_idx: int | None,
    ) -> None:
        self.dim, self.gain, self.padding_idx = dim, gain, padding_idx
        self._index = index.reader()
        self._places = self._weights(morphemes, sememes)
        self._kinds = [
            (kind.vectors.detach().numpy(), None if kind.extra is None else kind.extra.detach().numpy())
            for kind in (morphemes, sememes)
        ]
        self._order, self._width = index.order, morphemes.vectors.shape[1] // morphemes.whole
        self._extra = max((extra.shape[1] for _, extra in self._kinds if extra is not None), default=0)
        self._dtype = morphemes.vectors.dtype
        self._wide = np.float64 if self._dtype is torch.float64 else np.float32

    @staticmethod
    def suits(morphemes: UnitVectors, sememes: UnitVectors) -> bool:
        """Whether rows of these vectors can be made so: on a CPU, in a precision that numpy has, both of one m."""
        weight = morphemes.vectors
        return weight.device.type == "cpu" and weight.dtype is not torch.bfloat16 and morphemes.whole == sememes.whole

    @staticmethod
    def _weights(*kinds: UnitVectors) -> list[int]:
        return [parameter.data_ptr() for kind in kinds for parameter in kind.parameters()]

    def holds(self, morphemes: UnitVectors, sememes: UnitVectors) -> bool:
        """Whether what it reads is still where the vectors are."""
        return self._places == self._weights(morphemes, sememes)

    def __call__(self, ids: Tensor) -> Tensor:
        """Rows ``ids`` (n,), in the dtype of the vectors; half precision is computed in float32: (n, d)."""
        words = ids.numpy()
        if words.min() < 0:
            raise IndexError(f"index {words.min()} is out of range")
        morphemes, sememes, whose = self._index(words)
        products = self._products((morphemes, sememes))
        # Every word has one product of morphemes.
        sums, senses = products[: len(words)], products[len(words) :]
        out = torch.from_numpy(sums).index_add_(0, torch.from_numpy(whose), torch.from_numpy(senses))
        if self.padding_idx is not None:
            sums[words == self.padding_idx] = 0
        return out if out.dtype is self._dtype else out.to(self._dtype)

    def _products(self, units: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """The sums over i of the products of groups (g, o) of each kind of unit, kinds one after the other: (G, d)."""
        stored, groups = self._kinds[0][0].shape[1], sum(map(len, units))
        factors = np.empty((groups, self._order, stored + self._extra), self._kinds[0][0].dtype)
        start = 0
        for (vectors, extra), ids in zip(self._kinds, units, strict=True):
            read = factors[start : start + len(ids)]
            start += len(ids)
            # All ids exist; clipping is what lets numpy write in place.
            vectors.take(ids, 0, read[..., :stored], "clip")
            owned = stored
            if extra is not None:
                owned += extra.shape[1]
                extra.take(ids, 0, read[..., stored:owned], "clip")
                # A product exists if all its units own the vector.
                read[..., stored:owned][ids >= len(extra)] = 0
            read[..., owned:] = 0
        factors = factors.astype(self._wide, copy=False)
        factors[:, 0] *= self.gain
        split = self._order // 2
        left, right = self._outer(factors[:, :split]), self._outer(factors[:, split:])
        return np.matmul(left.transpose(0, 2, 1), right).reshape(groups, -1)[:, : self.dim]

    def _outer(self, factors: np.ndarray) -> np.ndarray:
        """Kronecker products of the k vectors of (G, k, m q): (G, m, q^k).

        Broadcasting would run in strips of q numbers, far slower.
        """
        groups, width = len(factors), self._width
        out = factors[:, 0].reshape(groups, -1, width)
        for nth in range(1, factors.shape[1]):
            factor = factors[:, nth].reshape(groups, -1, 1, width).repeat(out.shape[2], 2)
            out = out.repeat(width, 2)
            out *= factor.reshape(out.shape)
        return out
