"""A unit index and codes as buffers of a module, so that a checkpoint carries them and no file is needed beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fairseq_see.embeddings.packing import count_packed_bytes, count_rounded_bytes, pack_codes, unpack_codes
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex
from fairseq_see.units.index import ARRAYS, name_by_id

# What stands at the end of names in a packed state dict; the last two belong together where a parameter was rounded.
PACKED, PACKED_CODES, SCALES = "packed_index", ".packed", ".scales"


@dataclass(frozen=True)
class IndexSizes:
    """Sizes of a unit index whose arrays a state dict will bring, with the names that they have there.

    Sememes and morphemes count one padding unit for each position; ``senses`` are the sense slots of all words,
    ``bytes`` those of the packed index; ``fingerprint`` is of the whole index, also where its senses are left out.
    """

    order: int
    rank: int
    sememes: int
    morphemes: int
    groups: int
    senses: int
    fingerprint: str
    bytes: int
    provenance: dict[str, Any] = field(default_factory=dict)


class IndexBuffers(nn.Module):
    """The arrays of a :class:`~fairseq_see.units.UnitIndex` in int32: 16 bits do not survive averaging checkpoints.

    Args:
        rows: V, words of the embedding.
        index: the index, or the sizes of one that a state dict will bring.
        senses: whether the method uses them; if not, they are left out.
    """

    groups: Tensor
    sense_offsets: Tensor
    sense_groups: Tensor
    word_morphemes: Tensor

    def __init__(self, rows: int, index: UnitIndex | IndexSizes, senses: bool = True) -> None:
        super().__init__()
        # Whether the arrays are there: an initialisation that is measured on them must wait, and others be refused.
        self.known = isinstance(index, UnitIndex)
        if isinstance(index, UnitIndex):
            # Of the whole index, by which a resumed run knows its file.
            fingerprint = index.fingerprint
            index = index if senses else index.drop_senses()
            # from_numpy, so that a model planned on the meta device still has its real index; clone, because
            # torch.export.save cannot write what numpy made if it is empty.
            arrays = {name: torch.from_numpy(np.asarray(getattr(index, name), np.int32)).clone() for name in ARRAYS}
            self.sizes = IndexSizes(
                index.order,
                index.rank,
                len(index.sememes),
                len(index.morphemes),
                len(index.groups),
                len(index.sense_groups),
                fingerprint,
                len(index.pack()),
                dict(index.provenance),
            )
        else:
            self.sizes = index
            shapes = (index.groups, index.order), (rows + 1,), (index.senses,), (rows, index.order)
            arrays = {n: torch.zeros(shape, dtype=torch.int32) for n, shape in zip(ARRAYS, shapes, strict=True)}
        for name, array in arrays.items():
            self.register_buffer(name, array)

    def read_morphemes(self, ids: Tensor) -> Tensor:
        """The morphemes of words (n,): (n, o)."""
        return self.word_morphemes.index_select(0, ids)

    def find_slots(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The first sense slot of words (n,), and how many they have: (n,) each."""
        first = self.sense_offsets.index_select(0, ids)
        return first, self.sense_offsets.index_select(0, ids + 1) - first

    def read_groups(self, slots: Tensor) -> Tensor:
        """The sememes of sense slots (n, k): (n, k, o)."""
        groups = self.sense_groups.index_select(0, slots.reshape(-1))
        return self.groups.index_select(0, groups).view(*slots.shape, self.sizes.order)

    def to_unit_index(self) -> UnitIndex:
        """The index that the buffers hold, its units named by their ids."""
        order, rank = self.sizes.order, self.sizes.rank
        names = name_by_id("sememe", self.sizes.sememes, order), name_by_id("morpheme", self.sizes.morphemes, order)
        arrays: dict[str, Any] = {name: getattr(self, name).cpu().numpy() for name in ARRAYS}
        return UnitIndex(order, rank, *names, **arrays, dictionary="")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self.known = True


class CodeBuffer(nn.Module):
    """Codes (V, M) of ``states`` different values: one byte each in memory, log2 K bits where shipped.

    In state dicts they take four bytes, since averaging adds them up.
    """

    codes: Tensor

    def __init__(self, codes: Tensor, states: int) -> None:
        super().__init__()
        self.states = states
        self.register_buffer("codes", codes)

    def list_codes(self) -> dict[str, tuple[Tensor, int]]:
        """Codes and their number of states, by the name they have in the state dict."""
        return {"codes": (self.codes, self.states)}

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}codes"] = self.codes.to(torch.int32)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # What is assigned in place of being copied would keep its four bytes a code.
        if (codes := state_dict.get(f"{prefix}codes")) is not None:
            state_dict[f"{prefix}codes"] = codes.to(self.codes.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class Footprint(NamedTuple):
    """Parameters, and codes that stand for such; bytes of these (in the bits asked for, packed) and of a unit index."""

    parameters: int
    bytes: int


def count_footprint(module: nn.Module, bits: int) -> Footprint:
    """What a module's parameters, in so many bits, its codes and its unit index cost where they are shipped."""
    parts, parameters = list(module.modules()), list(module.parameters())
    size = sum(count_rounded_bytes(parameter.shape, bits) for parameter in parameters)
    index = sum(part.sizes.bytes for part in parts if isinstance(part, IndexBuffers))
    buffers = [part for part in parts if isinstance(part, CodeBuffer)]
    size += sum(count_packed_bytes(each.codes.numel(), each.states) for each in buffers)
    numbers = sum(map(Tensor.numel, [*parameters, *(each.codes for each in buffers)]))
    return Footprint(numbers, size + index)


def check_indexes(module: nn.Module, state_dict: Mapping[str, Tensor], prefix: str) -> None:
    """Raise SeeError if a module was built with other indexes than those of a state dict that is about to be loaded.

    Before its hyper-parameters, because those that a method decides itself depend on the index.
    """
    for path, child in module.named_modules(prefix=prefix.removesuffix(".")):
        for name in ARRAYS if isinstance(child, IndexBuffers) and child.known else ():
            saved, ours = state_dict.get(f"{path}.{name}"), getattr(child, name)
            if saved is not None and not (saved.shape == ours.shape and saved.to(ours.device, ours.dtype).equal(ours)):
                raise SeeError("the weights were trained with another unit index; give the index of their training")


def pack_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict of a module as it is shipped: codes packed, and each unit index (``UnitIndex.pack``), in uint8."""
    state = dict(module.state_dict())
    for path, child in module.named_modules():
        for name, (codes, states) in getattr(child, "list_codes", dict)().items():
            full = f"{path}.{name}".removeprefix(".")
            del state[full]
            state[full + PACKED_CODES] = pack_codes(codes, states)
        if isinstance(child, IndexBuffers):
            for name in ARRAYS:
                del state[f"{path}.{name}"]
            state[f"{path}.{PACKED}"] = torch.frombuffer(bytearray(child.to_unit_index().pack()), dtype=torch.uint8)
    return state


def unpack_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What ``pack_state`` was made from, rounded parameters in float32; SeeError if an index or codes are damaged."""
    unpacked: dict[str, Tensor] = {}
    for name, value in state.items():
        path, _, last = name.rpartition(".")
        if last == PACKED:
            index = UnitIndex.unpack(value.cpu().numpy().tobytes())
            unpacked |= {f"{path}.{array}": torch.from_numpy(getattr(index, array)) for array in ARRAYS}
        elif name.endswith(PACKED_CODES):
            full = name.removesuffix(PACKED_CODES)
            codes, scales = unpack_codes(value), state.get(full + SCALES)
            unpacked[full] = codes if scales is None else codes.view(*scales.shape, -1) * scales.float().unsqueeze(-1)
        elif name.removesuffix(SCALES) + PACKED_CODES not in state:
            unpacked[name] = value
    return unpacked
