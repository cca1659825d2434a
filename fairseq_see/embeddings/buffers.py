"""A unit index as buffers of a module, so that a checkpoint carries it and no file is needed beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fairseq_see.embeddings.stored_codes import StoredCodes
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex
from fairseq_see.units.index import numbered_names

# Advice where even one vector for each unit is too much.
FEWER_UNITS = " (for more, build the index with fewer morphemes: fairseq-see index --max-morphemes)"

# Words whose offsets are stored relative to the first of them, in 8 bits, where an index is narrow.
BLOCK_BITS = 4

ARRAYS = ("groups", "sense_offsets", "sense_groups", "word_morphemes")
PACKED = "packed_index"


def index_to_plan(method: str, options: dict[str, Any]) -> UnitIndex:
    """The unit index among the options of a plan; SeeError if there is none."""
    index = options.get("index")
    if index is None:
        raise SeeError(f"planning {method!r} needs a unit index; fairseq-see index builds one")
    return index


class StoredIndex(nn.Module):
    """The arrays of a :class:`~fairseq_see.units.UnitIndex` in int32: 16 bits do not survive averaging checkpoints.

    Args:
        rows: V, words of the embedding.
        index: the index, or None to load one of the sizes ``shape`` from a state dict.
        shape: what :attr:`shape` of the saved index was.
        senses: whether the method uses them; if not, they are left out.
    """

    groups: Tensor
    sense_offsets: Tensor
    sense_groups: Tensor
    word_morphemes: Tensor
    block_offsets: Tensor | None

    def __init__(
        self, rows: int, index: UnitIndex | None, shape: dict[str, Any] | None = None, senses: bool = True
    ) -> None:
        super().__init__()
        if index is not None:
            if index.num_words != rows:
                raise SeeError(f"the unit index has {index.num_words} words, the dictionary {rows}; build it again")
            # Of the whole index, by which a resumed run knows its file.
            fingerprint = index.fingerprint
            index = index if senses else index.without_senses()
            shape = {
                "order": index.order,
                "rank": index.rank,
                "sememes": len(index.sememes),
                "morphemes": len(index.morphemes),
                "groups": len(index.groups),
                "senses": len(index.sense_groups),
                "fingerprint": fingerprint,
                "bytes": len(index.packed()),
                "provenance": dict(index.provenance),
            }
        if shape is None:
            raise SeeError("this method needs a unit index; fairseq-see index builds one from a dictionary and HowNet")
        self.shape = shape
        self.known = index is not None
        sizes = (shape["groups"], shape["order"]), (rows + 1,), (shape["senses"],), (rows, shape["order"])
        for name, size in zip(ARRAYS, sizes, strict=True):
            array = np.zeros(size, np.int32) if index is None else getattr(index, name)
            # from_numpy, so that a model planned on the meta device still has its real index.
            self.register_buffer(name, torch.from_numpy(np.array(array, np.int32)))
        self.register_buffer("block_offsets", None, persistent=False)

    @property
    def order(self) -> int:
        """o, units in a group."""
        return self.shape["order"]

    @property
    def rank(self) -> int:
        """r, groups of a word at most, its morphemes among them."""
        return self.shape["rank"]

    def morphemes_of(self, ids: Tensor) -> Tensor:
        """The morphemes of words (n,): (n, o)."""
        return self.word_morphemes.index_select(0, ids).int()

    def senses_of(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The first sense slot of words (n,), and how many they have: (n,) each."""
        first = self._offsets(ids)
        return first, self._offsets(ids + 1) - first

    def groups_at(self, slots: Tensor) -> Tensor:
        """The sememes of sense slots (n, k): (n, k, o)."""
        groups = self.sense_groups.index_select(0, slots.reshape(-1)).int()
        return self.groups.index_select(0, groups).int().view(*slots.shape, self.order)

    def array(self, name: str) -> Tensor:
        """One of ARRAYS, in int32."""
        if name == "sense_offsets" and self.block_offsets is not None:
            return self._offsets(torch.arange(len(self.sense_offsets), device=self.sense_offsets.device))
        return getattr(self, name).int()

    def narrow(self, on: bool) -> None:
        """Hold ids in 16 bits and offsets in 8, where they fit; or in 32 again. It serves where memory counts."""
        if self.groups.is_meta:
            return
        arrays = {name: self.array(name) for name in ARRAYS}
        self.block_offsets = None
        for name, wide in arrays.items():
            fits = on and wide.numel() and int(wide.max()) < 2**15
            setattr(self, name, wide.to(torch.int16) if fits else wide)
        if on and (self.rank - 1) << BLOCK_BITS < 2**8:
            offsets = arrays["sense_offsets"]
            self.block_offsets = offsets[:: 1 << BLOCK_BITS].clone()
            blocks = torch.arange(len(offsets), device=offsets.device) >> BLOCK_BITS
            self.sense_offsets = (offsets - self.block_offsets.index_select(0, blocks)).to(torch.uint8)

    def _offsets(self, ids: Tensor) -> Tensor:
        offsets = self.sense_offsets.index_select(0, ids).int()
        if self.block_offsets is None:
            return offsets
        return offsets + self.block_offsets.index_select(0, ids >> BLOCK_BITS)

    def reader(self) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Reads for words (n,) their morphemes (n, o), the sememes of their k senses (k, o), and whose these are (k,).

        In numpy, from the arrays as they are now.
        """
        groups, offsets, sense_groups, morphemes = (getattr(self, name).numpy() for name in ARRAYS)
        blocks = None if self.block_offsets is None else self.block_offsets.numpy()
        self_and_next = np.array([[0], [1]])

        def read(words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            both = words + self_and_next
            begin, end = offsets.take(both) if blocks is None else offsets.take(both) + blocks.take(both >> BLOCK_BITS)
            counts = end - begin
            whose = np.arange(len(words)).repeat(counts)
            slots = (end - counts.cumsum()).repeat(counts) + np.arange(len(whose))
            return morphemes.take(words, 0), groups.take(sense_groups.take(slots), 0), whose

        return read

    def unit_index(self) -> UnitIndex:
        """The index that the buffers hold, its units named by their ids."""
        sememes, morphemes = (
            numbered_names(kind, self.shape[f"{kind}s"], self.order) for kind in ("sememe", "morpheme")
        )
        arrays: dict[str, Any] = {name: self.array(name).cpu().numpy() for name in ARRAYS}
        return UnitIndex(self.order, self.rank, sememes, morphemes, **arrays, dictionary="")

    def check(self, order: int | None, rank: int | None) -> None:
        """Raise SeeError unless the index has the order and rank asked for (None: any)."""
        for name, wanted in (("order", order), ("rank", rank)):
            if wanted is not None and wanted != self.shape[name]:
                raise SeeError(
                    f"{name} {wanted} was asked for, but the unit index has {name} {self.shape[name]}; "
                    f"build it again with fairseq-see index --{name} {wanted}"
                )

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name in ARRAYS:
            destination[prefix + name] = self.array(name)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        errors: list[str] = args[-1]
        self.narrow(False)
        for name in ARRAYS:
            saved, ours = state_dict.get(prefix + name), getattr(self, name)
            if not self.known or saved is None:
                continue
            if saved.shape != ours.shape or not saved.to(ours.device, ours.dtype).equal(ours):
                errors.append(
                    "the checkpoint was trained with another unit index; give the --see-index of its training"
                )
                return
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self.known = True


def packed_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict of a module as it is shipped.

    Each unit index is packed to a single uint8 tensor (``UnitIndex.packed``), and codes have a byte each.
    """
    state = dict(module.state_dict())
    for path, child in module.named_modules():
        if isinstance(child, StoredCodes):
            state[f"{path}.codes"] = child.codes
        if isinstance(child, StoredIndex):
            for name in ARRAYS:
                del state[f"{path}.{name}"]
            state[f"{path}.{PACKED}"] = torch.frombuffer(bytearray(child.unit_index().packed()), dtype=torch.uint8)
    return state


def unpacked_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What ``packed_state`` was made from.

    Raises:
        SeeError: a packed index is damaged.
    """
    unpacked: dict[str, Tensor] = {}
    for name, value in state.items():
        path, _, last = name.rpartition(".")
        if last == PACKED:
            index = UnitIndex.unpacked(value.numpy().tobytes())
            unpacked |= {f"{path}.{array}": torch.from_numpy(getattr(index, array)) for array in ARRAYS}
        else:
            unpacked[name] = value
    return unpacked
