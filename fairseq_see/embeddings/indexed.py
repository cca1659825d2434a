"""Embeddings that are made of units: a unit index in the state dict, and sums over the senses of words."""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.buffers import IndexBuffers, IndexSizes
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex

# Words whose senses are added at a time: small beside a matrix.
WORDS = 2048


class IndexedEmbedding(Embedding):
    """An embedding whose fifth argument is a unit index of its V words, or the sizes of one that is to be loaded."""

    uses_index = True
    # Whether words are made of their senses too; if not, these are left out.
    senses: ClassVar[bool] = True

    def __init__(
        self,
        config: Any,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        index: UnitIndex | IndexSizes | None = None,
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx)
        if index is None:
            raise SeeError(f"{self.method!r} needs a unit index; fairseq-see index builds one")
        # "version": as of config_version.
        self.index_version_1 = IndexBuffers(num_embeddings, index, self.senses)

    @property
    def index(self) -> IndexBuffers:
        """The unit index of the words."""
        return self.index_version_1

    def extend(self, index: UnitIndex) -> None:
        """Take in the words of the index extended (units/extension.py), made of the vectors that exist, or SeeError."""
        known, sizes = index if self.senses else index.drop_senses(), self.index.sizes
        units = (known.order, len(known.sememes), len(known.morphemes))
        if units != (sizes.order, sizes.sememes, sizes.morphemes):
            raise SeeError("the longer unit index has other units than the embedding; extend the embedding's own index")
        self.index_version_1 = IndexBuffers(index.num_words, index, self.senses).to(self._device)
        self.num_embeddings = index.num_words
        self._complete()
        self._matrices.cached = None


def add_senses(out: Tensor, groups: Tensor, index: IndexBuffers) -> Tensor:
    """``out`` (V, d) += the rows of ``groups`` (G, d) that are senses of each word, without another V x d."""
    return _AddSenses.apply(out, groups, index.sense_groups, index.sense_offsets)


class _AddSenses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, out: Tensor, groups: Tensor, slots: Tensor, offsets: Tensor) -> Tensor:
        ctx.mark_dirty(out)
        ctx.save_for_backward(slots, offsets)
        ctx.groups = len(groups)
        for first in range(0, len(out), WORDS):
            bounds = offsets[first : first + WORDS + 1]
            mine = slots[bounds[0] : bounds[-1]]
            out[first : first + WORDS] += F.embedding_bag(
                mine, groups, bounds - bounds[0], mode="sum", include_last_offset=True
            )
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        slots, offsets = ctx.saved_tensors
        grad_groups = grad.new_zeros(ctx.groups, grad.shape[1])
        for first in range(0, len(grad), WORDS):
            bounds = offsets[first : first + WORDS + 1]
            words = torch.repeat_interleave(bounds.diff())
            mine = slots[bounds[0] : bounds[-1]]
            grad_groups.index_add_(0, mine.long(), grad[first : first + WORDS].index_select(0, words))
        return grad, grad_groups, None, None
