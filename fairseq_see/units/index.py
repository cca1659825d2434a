"""The unit index: which basic units every word of a dictionary is made of. Its arrays, their packing and their file.

A word is a sum of Kronecker products of its units' vectors (SEE, arXiv 2412.12204, eq. 3 and 4). Its first products are
its senses, ``order`` sememes each; the last is its ``order`` morphemes. Most words have one sense or none, and words
share senses, so each distinct group of sememes is stored once and words point to groups.
"""

import hashlib
import json
import lzma
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fairseq_see.errors import SeeError
from fairseq_see.io import replace_file
from fairseq_see.units.vocabulary import SPECIALS, Vocabulary

ARRAYS = ("groups", "sense_offsets", "sense_groups", "word_morphemes")

# The one key of a file's metadata: safetensors writes several in an order that changes.
_HEADER = "unit_index"
# Ids are 16-bit as a rule: the coder keeps low and high bytes apart. Within 10% of the ids' entropy.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 1, "pb": 1}]
_SIZES_BYTES = 7 * 4


def name_padding(order: int) -> tuple[str, ...]:
    """Names of the padding units, one per position: they are the first ``order`` sememes and morphemes of an index."""
    return tuple(f"<pad:{position}>" for position in range(1, order + 1))


def name_by_id(kind: str, number: int, order: int) -> tuple[str, ...]:
    """Names of ``number`` units (``kind``: sememe or morpheme) whose own are not known: the padding, then their ids."""
    return name_padding(order) + tuple(f"{kind} {i}" for i in range(order, number))


@dataclass(frozen=True, eq=False)
class UnitIndex:
    """Words as groups of basic units; V words, G distinct sense groups, N sense slots.

    Attributes:
        order: o, units in a group (factors of a Kronecker product), at least 2.
        rank: r, groups a word has at most: ``rank - 1`` senses and its morphemes.
        sememes: names; a unit's id is its position. The first ``order`` are the padding units, one per position.
        morphemes: names, as ``sememes``. After the padding come the special symbols' own units.
        groups: (G, o) int32, the distinct sense groups as sememe ids.
        sense_offsets: (V+1,) int32; word w owns ``sense_groups[sense_offsets[w]:sense_offsets[w+1]]``.
        sense_groups: (N,) int32, ids of groups.
        word_morphemes: (V, o) int32 morpheme ids.
        dictionary: ``Vocabulary.hash`` of the dictionary it was built for.
        provenance: what it was made from and how: senses, morphemes, options, control and seed.
    """

    order: int
    rank: int
    sememes: tuple[str, ...]
    morphemes: tuple[str, ...]
    groups: NDArray[np.int32]
    sense_offsets: NDArray[np.int32]
    sense_groups: NDArray[np.int32]
    word_morphemes: NDArray[np.int32]
    dictionary: str
    provenance: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def num_words(self) -> int:
        """V, the embeddings of the matrix."""
        return len(self.word_morphemes)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that a model is made from; the provenance is left out."""
        names = [self.order, self.rank, self.sememes, self.morphemes, self.dictionary]
        digest = hashlib.sha256(json.dumps(names).encode("ascii"))
        for name in ARRAYS:
            array = getattr(self, name)
            digest.update(repr(array.shape).encode("ascii"))
            digest.update(np.ascontiguousarray(array, "<i4").tobytes())
        return digest.hexdigest()

    def check_dictionary(self, vocabulary: Vocabulary) -> None:
        """Raise SeeError if the index was built for another dictionary."""
        if self.dictionary != vocabulary.hash:
            raise SeeError(
                f"the unit index was built for another dictionary ({self.num_words} symbols, hash "
                f"{self.dictionary[:12]}) than this one ({len(vocabulary)} symbols, hash {vocabulary.hash[:12]}); "
                "run fairseq-see index on this one"
            )

    def adapt(self, vocabulary: Vocabulary) -> "UnitIndex":
        """This index; or, of its dictionary with special symbols appended, one that has these symbols too.

        Tasks of fairseq append ``<mask>`` or language tags (``[de_DE]``, ``__de__``). Each gets what an index of the
        longer dictionary gives it: a morpheme of its own, after those of fairseq's other symbols. SeeError if the index
        was built for another dictionary.
        """
        symbols, added = vocabulary.symbols[: self.num_words], vocabulary.symbols[self.num_words :]
        if not added or not all(map(vocabulary.is_special, added)) or self.dictionary != Vocabulary(symbols, ()).hash:
            self.check_dictionary(vocabulary)
            return self
        own = [row for row, symbol in enumerate(symbols) if symbol in SPECIALS or vocabulary.is_added(symbol)]
        first = int(self.word_morphemes[own, 0].max()) + 1
        moved = self.word_morphemes + len(added) * (self.word_morphemes >= first)
        rows = [[first + i, *range(1, self.order)] for i in range(len(added))]
        return replace(
            self,
            morphemes=(*self.morphemes[:first], *added, *self.morphemes[first:]),
            sense_offsets=np.append(self.sense_offsets, self.sense_offsets[-1:].repeat(len(added))),
            word_morphemes=np.vstack([moved, rows]).astype(np.int32),
            dictionary=vocabulary.hash,
        )

    def read_senses(self, word: int) -> list[list[int]]:
        """The senses of a word, each as the ids of its ``order`` sememes."""
        slots = self.sense_groups[self.sense_offsets[word] : self.sense_offsets[word + 1]]
        senses: list[list[int]] = self.groups[slots].tolist()
        return senses

    def drop_senses(self) -> "UnitIndex":
        """The same words as their morphemes alone, as MorphTE has them."""
        return replace(
            self,
            rank=1,
            sememes=name_padding(self.order),
            groups=np.zeros((0, self.order), np.int32),
            sense_offsets=np.zeros(self.num_words + 1, np.int32),
            sense_groups=np.zeros(0, np.int32),
        )

    def validate(self) -> None:
        """Raise SeeError unless shapes, offsets, ids and names are consistent."""

        def check(condition: object, problem: str) -> None:
            if not condition:
                raise SeeError(f"invalid unit index: {problem}")

        check(self.order >= 2 and self.rank >= 1, f"order {self.order}, rank {self.rank}")
        for kind, names in (("sememe", self.sememes), ("morpheme", self.morphemes)):
            check(names[: self.order] == name_padding(self.order), f"the first {kind}s are not the padding units")
            check(len(set(names)) == len(names), f"a {kind} is named twice")
        senses = len(self.sense_groups)
        shapes = (len(self.groups), self.order), (self.num_words + 1,), (senses,), (self.num_words, self.order)
        limits = len(self.sememes), senses + 1, len(self.groups), len(self.morphemes)
        for name, shape, limit in zip(ARRAYS, shapes, limits, strict=True):
            array = getattr(self, name)
            check(array.dtype == np.int32 and array.shape == shape, f"{name} is {array.dtype} {array.shape}")
            in_range = not array.size or (array.min() >= 0 and array.max() < limit)
            check(in_range, f"{name} has ids outside 0..{limit - 1}")
        counts = np.diff(self.sense_offsets)
        check(self.sense_offsets[0] == 0 and self.sense_offsets[-1] == senses, "sense_offsets is not from 0 to the end")
        check((counts >= 0).all() and (counts < self.rank).all(), f"a word has not 0 to {self.rank - 1} senses")

    def pack(self) -> bytes:
        """The arrays without the names, as few bytes as is reasonable; what an exported model carries.

        Little-endian uint32: CRC-32 of what follows, order, rank, V, G, N, sememes, morphemes. Then one raw LZMA2
        stream of the senses per word, the sense groups' ids, the groups and the morphemes; 8, 16 or 32 bits each,
        column by column.
        """
        self.validate()
        shape = (self.order, self.rank, self.num_words, len(self.groups), len(self.sense_groups))
        sizes = np.array([*shape, len(self.sememes), len(self.morphemes)], "<u4")
        arrays = (np.diff(self.sense_offsets), self.sense_groups, self.groups, self.word_morphemes)
        raw = b"".join(
            array.astype(dtype).tobytes(order="F")
            for array, (_, dtype) in zip(arrays, _lay_out(sizes.tolist()), strict=True)
        )
        content = sizes.tobytes() + lzma.compress(raw, format=lzma.FORMAT_RAW, filters=_FILTERS)
        return crc32(content).to_bytes(4, "little") + content

    @classmethod
    def unpack(cls, payload: bytes) -> "UnitIndex":
        """The index that ``pack`` was called on, its units named by their ids; SeeError if the bytes are damaged."""
        checksum, content = payload[:4], payload[4:]
        if len(content) < _SIZES_BYTES or crc32(content).to_bytes(4, "little") != checksum:
            raise SeeError("damaged unit index: its packed arrays are truncated or changed")
        sizes = np.frombuffer(content[:_SIZES_BYTES], "<u4").tolist()
        raw = lzma.decompress(content[_SIZES_BYTES:], format=lzma.FORMAT_RAW, filters=_FILTERS)
        arrays, start = [], 0
        for shape, dtype in _lay_out(sizes):
            flat = np.frombuffer(raw, dtype, math.prod(shape), start)
            arrays.append(np.ascontiguousarray(flat.reshape(shape, order="F"), np.int32))
            start += flat.nbytes
        senses, sense_groups, groups, word_morphemes = arrays
        index = cls(
            order=sizes[0],
            rank=sizes[1],
            sememes=name_by_id("sememe", sizes[5], sizes[0]),
            morphemes=name_by_id("morpheme", sizes[6], sizes[0]),
            groups=groups,
            sense_offsets=np.concatenate(([0], np.cumsum(senses, dtype=np.int64))).astype(np.int32),
            sense_groups=sense_groups,
            word_morphemes=word_morphemes,
            dictionary="",
        )
        index.validate()
        return index

    def save(self, path: str | Path) -> None:
        """Write a safetensors file: the arrays, and all else as JSON in its metadata; the same index, the same bytes.

        SeeError if the index is not valid, or the file cannot be written.
        """
        self.validate()
        header = {name: getattr(self, name) for name in ("order", "rank", "sememes", "morphemes", "dictionary")}
        header |= {"provenance": dict(self.provenance), "fingerprint": self.fingerprint}
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in ARRAYS}
        content = save(arrays, {_HEADER: json.dumps(header, ensure_ascii=False)})
        with replace_file(path) as temporary:
            temporary.write_bytes(content)

    @classmethod
    def load(cls, path: str | Path) -> "UnitIndex":
        """Read what ``save`` wrote; SeeError if there is no such file, or it is another kind of file or damaged."""
        try:
            with safe_open(path, "numpy") as tensors:
                header = json.loads(tensors.metadata()[_HEADER])
                arrays = {name: tensors.get_tensor(name) for name in ARRAYS}
            fingerprint = header.pop("fingerprint")
            header |= arrays | {kind: tuple(header[kind]) for kind in ("sememes", "morphemes")}
            index = cls(**header)
            index.validate()
            if index.fingerprint != fingerprint:
                raise ValueError("wrong fingerprint")
        except OSError as error:
            raise SeeError(f"cannot read {path}: {error.strerror or error}") from error
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            problem = f"{path} is not a unit index, or a damaged one ({error})"
            raise SeeError(f"{problem}; build it with fairseq-see index") from error
        return index


def _lay_out(sizes: list[int]) -> list[tuple[tuple[int, ...], str]]:
    """Shape and type of the packed arrays, in their order in the stream."""
    order, rank, words, groups, senses, sememes, morphemes = sizes

    def choose_type(ids: int) -> str:
        return "<u1" if ids <= 1 << 8 else "<u2" if ids <= 1 << 16 else "<u4"

    return [
        ((words,), choose_type(rank)),
        ((senses,), choose_type(groups)),
        ((groups, order), choose_type(sememes)),
        ((words, order), choose_type(morphemes)),
    ]
