"""A unit index as buffers of a module, so that a checkpoint carries it and no file is needed beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex
from fairseq_see.units.index import numbered_names

# Advice where even one vector for each unit is too much.
FEWER_UNITS = " (for more, build the index with fewer morphemes: fairseq-see index --max-morphemes)"

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

    @property
    def order(self) -> int:
        """o, units in a group."""
        return self.shape["order"]

    @property
    def rank(self) -> int:
        """r, groups of a word at most, its morphemes among them."""
        return self.shape["rank"]

    def unit_index(self) -> UnitIndex:
        """The index that the buffers hold, its units named by their ids."""
        sememes, morphemes = (
            numbered_names(kind, self.shape[f"{kind}s"], self.order) for kind in ("sememe", "morpheme")
        )
        arrays = {name: getattr(self, name).cpu().numpy() for name in ARRAYS}
        return UnitIndex(self.order, self.rank, sememes, morphemes, **arrays, dictionary="")

    def check(self, order: int | None, rank: int | None) -> None:
        """Raise SeeError unless the index has the order and rank asked for (None: any)."""
        for name, wanted in (("order", order), ("rank", rank)):
            if wanted is not None and wanted != self.shape[name]:
                raise SeeError(
                    f"{name} {wanted} was asked for, but the unit index has {name} {self.shape[name]}; "
                    f"build it again with fairseq-see index --{name} {wanted}"
                )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        errors: list[str] = args[-1]
        for name in ARRAYS:
            saved, ours = state_dict.get(prefix + name), getattr(self, name)
            if self.known and saved is not None and not (saved.shape == ours.shape and saved.equal(ours.cpu())):
                errors.append(
                    "the checkpoint was trained with another unit index; give the --see-index of its training"
                )
                return
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self.known = True


def packed_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict of a module, each unit index in it packed to a single uint8 tensor (``UnitIndex.packed``)."""
    state = dict(module.state_dict())
    for path, child in module.named_modules():
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
