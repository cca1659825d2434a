"""What methods share whose parameters belong to units: the unit index as a buffer, and further words made of it."""

from __future__ import annotations

from typing import Any, ClassVar

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.buffers import IndexBuffers, IndexSizes
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex


class IndexedEmbedding(Embedding):
    """An embedding that reads the units of a word in a unit index of the V tokens, or in one that a state dict brings.

    Raises:
        SeeError: there is no index.
    """

    uses_index = True
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
        # "version": fairseq's EMA decays every entry of a state dict but those, and integers cannot be decayed.
        self.index_version_1 = IndexBuffers(num_embeddings, index, self.senses)

    @property
    def index(self) -> IndexBuffers:
        """The unit index of the words."""
        return self.index_version_1

    def extend(self, index: UnitIndex) -> None:
        """Take in the words of a longer index, made of the vectors that exist: no parameter changes.

        Args:
            index: the embedding's own, extended (units/extension.py).

        Raises:
            SeeError: it has other units.
        """
        known, sizes = index if self.senses else index.without_senses(), self.index.sizes
        units = (known.order, len(known.sememes), len(known.morphemes))
        if units != (sizes.order, sizes.sememes, sizes.morphemes):
            raise SeeError("the longer unit index has other units than the embedding; extend the embedding's own index")
        self.index_version_1 = IndexBuffers(index.num_words, index, self.senses).to(self._device())
        self.num_embeddings = index.num_words
        self._complete()
        self._forget()
