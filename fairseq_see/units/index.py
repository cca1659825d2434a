"""The unit index: which basic units every word of a dictionary is made of. Its arrays, their packing and their file.

A word is a sum of Kronecker products of its units' vectors (SEE, arXiv 2412.12204, eq. 3 and 4). Its first products are
its senses, ``order`` sememes each; the last is its ``order`` morphemes. Most words have one sense or none, and words
share senses, so each distinct group of sememes is stored once and words point to groups.
"""

import hashlib
import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fairseq_see.errors import SeeError
from fairseq_see.io import replacing
from fairseq_see.units.vocabulary import SPECIALS, Vocabulary

MAGIC = b"fairseq-see unit index "
VERSION = 1
MASK = "<mask>"


def padding_names(order: int) -> tuple[str, ...]:
    """Names of the padding units, one per position: they are the first ``order`` sememes and morphemes of an index."""
    return tuple(f"<pad:{position}>" for position in range(1, order + 1))


def numbered_names(kind: str, number: int, order: int) -> tuple[str, ...]:
    """Names of ``number`` units (``kind``: sememe or morpheme) whose own are not known: the padding, then their ids."""
    return padding_names(order) + tuple(f"{kind} {i}" for i in range(order, number))


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
        provenance: what it was made from and how, for a person: senses, morphemes, options, control and seed.
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
        """V, the rows of the embedding table."""
        return len(self.word_morphemes)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that a model is made from; two indexes make the same model if and only if this is equal.

        The provenance is left out: the same units from a file of another name are the same units.
        """
        names = [self.order, self.rank, self.sememes, self.morphemes, self.dictionary]
        digest = hashlib.sha256(json.dumps(names).encode("ascii"))
        for array in (self.groups, self.sense_offsets, self.sense_groups, self.word_morphemes):
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

    def for_dictionary(self, vocabulary: Vocabulary) -> "UnitIndex":
        """This index; or, of a dictionary that is its own with ``<mask>`` at the end, one that has that symbol too.

        fairseq's tasks masked_lm and sentence_prediction add the symbol to a dictionary that they read. Its units are
        what an index of the longer dictionary gives it: a morpheme of its own, after those of fairseq's other symbols.

        Raises:
            SeeError: the index was built for another dictionary.
        """
        shorter = replace(vocabulary, symbols=vocabulary.symbols[:-1], counts=vocabulary.counts[:-1])
        if self.dictionary == vocabulary.hash or vocabulary.symbols[-1] != MASK or self.dictionary != shorter.hash:
            self.check_dictionary(vocabulary)
            return self
        specials = [row for row, symbol in enumerate(shorter.symbols) if symbol in SPECIALS]
        own = int(self.word_morphemes[specials, 0].max()) + 1
        moved = self.word_morphemes + (self.word_morphemes >= own)
        row = [own, *range(1, self.order)]
        return replace(
            self,
            morphemes=(*self.morphemes[:own], MASK, *self.morphemes[own:]),
            sense_offsets=np.append(self.sense_offsets, self.sense_offsets[-1]),
            word_morphemes=np.vstack([moved, row]).astype(np.int32),
            dictionary=vocabulary.hash,
        )

    def without_senses(self) -> "UnitIndex":
        """The same words as their morphemes alone, as MorphTE has them."""
        return replace(
            self,
            rank=1,
            sememes=padding_names(self.order),
            groups=np.zeros((0, self.order), np.int32),
            sense_offsets=np.zeros(self.num_words + 1, np.int32),
            sense_groups=np.zeros(0, np.int32),
        )

    def validate(self) -> None:
        """Raise SeeError unless shapes, offsets, ids and names are consistent."""

        def check(condition: object, problem: str) -> None:
            if not condition:
                raise SeeError(f"invalid unit index: {problem}")

        check(self.order >= 2, f"order {self.order}, must be at least 2")
        check(self.rank >= 1, f"rank {self.rank}, must be at least 1")
        for kind, names in (("sememe", self.sememes), ("morpheme", self.morphemes)):
            check(names[: self.order] == padding_names(self.order), f"the first {kind}s are not the padding units")
            check(len(set(names)) == len(names), f"a {kind} is named twice")
        arrays = ("groups", 2), ("sense_offsets", 1), ("sense_groups", 1), ("word_morphemes", 2)
        for name, dimensions in arrays:
            array = getattr(self, name)
            check(array.dtype == np.int32, f"{name} is {array.dtype}, must be int32")
            check(array.ndim == dimensions, f"{name} has {array.ndim} dimensions, must have {dimensions}")
        for name in ("groups", "word_morphemes"):
            width = getattr(self, name).shape[1]
            check(width == self.order, f"{name} has {width} columns, must have {self.order}")
        check(len(self.sense_offsets) == self.num_words + 1, "sense_offsets does not fit the number of words")
        senses = np.diff(self.sense_offsets)
        check(self.sense_offsets[0] == 0 and (senses >= 0).all(), "sense_offsets does not rise from 0")
        check(self.sense_offsets[-1] == len(self.sense_groups), "sense_offsets does not end at the last sense")
        check((senses < self.rank).all(), f"a word has more than {self.rank - 1} senses")
        ids = ("groups", self.sememes), ("sense_groups", self.groups), ("word_morphemes", self.morphemes)
        for name, targets in ids:
            array = getattr(self, name)
            in_range = not array.size or (array.min() >= 0 and array.max() < len(targets))
            check(in_range, f"{name} has ids outside 0..{len(targets) - 1}")

    def packed(self) -> bytes:
        """The numbers without the names, as few bytes as is reasonable; what an exported model carries.

        Little-endian uint32: CRC-32 of what follows, order, rank, V, G, N, sememes, morphemes. Then one raw LZMA2
        stream of the senses per word, the sense groups' ids, the groups and the morphemes; 8, 16 or 32 bits each,
        column by column.

        Raises:
            SeeError: the index is not valid.
        """
        self.validate()
        shape = (self.order, self.rank, self.num_words, len(self.groups), len(self.sense_groups))
        sizes = np.array([*shape, len(self.sememes), len(self.morphemes)], "<u4")
        arrays = (np.diff(self.sense_offsets), self.sense_groups, self.groups, self.word_morphemes)
        raw = b"".join(
            array.astype(dtype).tobytes(order="F")
            for array, (_, dtype) in zip(arrays, _layout(sizes.tolist()), strict=True)
        )
        content = sizes.tobytes() + lzma.compress(raw, format=lzma.FORMAT_RAW, filters=_FILTERS)
        return crc32(content).to_bytes(4, "little") + content

    @classmethod
    def unpacked(
        cls,
        payload: bytes,
        sememes: tuple[str, ...] | None = None,
        morphemes: tuple[str, ...] | None = None,
        dictionary: str = "",
    ) -> "UnitIndex":
        """The index that ``packed`` was called on, given its names; units without names are named by their ids.

        Raises:
            SeeError: the bytes are damaged or do not fit the names.
        """
        checksum, content = payload[:4], payload[4:]
        if len(content) < _SIZES_BYTES or crc32(content).to_bytes(4, "little") != checksum:
            raise SeeError("damaged unit index: its packed arrays are cut short or changed")
        sizes = np.frombuffer(content[:_SIZES_BYTES], "<u4").tolist()
        order, rank, _, _, _, num_sememes, num_morphemes = sizes
        layout = _layout(sizes)
        lengths = [int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize for shape, dtype in layout]
        try:
            stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
            raw = stream.decompress(content[_SIZES_BYTES:], max_length=sum(lengths) + 1)
        except (lzma.LZMAError, OverflowError) as error:
            raise SeeError(f"damaged unit index: its packed arrays cannot be decompressed ({error})") from error
        if len(raw) != sum(lengths):
            raise SeeError(f"damaged unit index: {len(raw)} bytes of arrays, expected {sum(lengths)}")
        arrays, start = [], 0
        for (shape, dtype), length in zip(layout, lengths, strict=True):
            flat = np.frombuffer(raw[start : start + length], dtype)
            arrays.append(np.ascontiguousarray(flat.reshape(shape, order="F"), np.int32))
            start += length
        senses, sense_groups, groups, word_morphemes = arrays
        offsets = np.concatenate(([0], np.cumsum(senses, dtype=np.int64))).astype(np.int32)
        # To name as many as a damaged number says could take all memory.
        if max(num_sememes - groups.size, num_morphemes - word_morphemes.size) > _UNUSED:
            raise SeeError("damaged unit index: it has millions of units that no word uses")
        if sememes is None:
            sememes = numbered_names("sememe", num_sememes, order)
        if morphemes is None:
            morphemes = numbered_names("morpheme", num_morphemes, order)
        if (len(sememes), len(morphemes)) != (num_sememes, num_morphemes):
            raise SeeError("damaged unit index: its names do not fit its packed arrays")
        index = cls(order, rank, sememes, morphemes, groups, offsets, sense_groups, word_morphemes, dictionary)
        index.validate()
        return index

    def save(self, path: str | Path) -> None:
        """Write a magic line, a JSON header line and the packed arrays; the same index gives the same bytes.

        Raises:
            SeeError: the index is not valid, or the file cannot be written.
        """
        payload = self.packed()
        header = {
            "order": self.order,
            "rank": self.rank,
            "sememes": self.sememes,
            "morphemes": self.morphemes,
            "dictionary": self.dictionary,
            "provenance": dict(self.provenance),
            "fingerprint": self.fingerprint,
            "payload_bytes": len(payload),
            "payload_sha256": hashlib.sha256(payload).hexdigest(),
        }
        line = json.dumps(dict(sorted(header.items())), ensure_ascii=False).encode("utf-8")
        with replacing(path) as temporary:
            temporary.write_bytes(MAGIC + f"{VERSION}\n".encode("ascii") + line + b"\n" + payload)

    @classmethod
    def load(cls, path: str | Path) -> "UnitIndex":
        """Read what ``save`` wrote.

        Raises:
            SeeError: no such file, another kind of file, a newer version, cut short or damaged.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise SeeError(f"cannot read {path}: {error.strerror}") from error
        magic, _, rest = content.partition(b"\n")
        if not magic.startswith(MAGIC):
            raise SeeError(f"{path} is not a unit index; fairseq-see index writes one")
        version = magic.removeprefix(MAGIC).decode("ascii", "replace")
        if version != str(VERSION):
            raise SeeError(f"{path} is a unit index of version {version}, this fairseq-see reads version {VERSION}")
        line, newline, payload = rest.partition(b"\n")
        if not newline:
            raise SeeError(f"{path} is cut short; run fairseq-see index again")
        try:
            header: dict[str, Any] = json.loads(line.decode("utf-8"))
            length, sha256, fingerprint = (header[key] for key in ("payload_bytes", "payload_sha256", "fingerprint"))
            sememes, morphemes = (tuple(map(str, header[key])) for key in ("sememes", "morphemes"))
            dictionary = str(header["dictionary"])
            # Files of before it was recorded have none.
            provenance = {str(key): value for key, value in dict(header.get("provenance", {})).items()}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SeeError(f"{path} has a damaged header; run fairseq-see index again") from error
        if len(payload) != length:
            raise SeeError(f"{path} has {len(payload)} bytes of arrays, expected {length}; run fairseq-see index again")
        if hashlib.sha256(payload).hexdigest() != sha256:
            raise SeeError(f"{path} is damaged (wrong checksum); run fairseq-see index again")
        try:
            index = cls.unpacked(payload, sememes, morphemes, dictionary)
        except SeeError as error:
            raise SeeError(f"{path}: {error}") from error
        if index.fingerprint != fingerprint:
            raise SeeError(f"{path} is damaged (its names do not match its fingerprint); run fairseq-see index again")
        return replace(index, provenance=provenance)


_SIZES_BYTES = 7 * 4
# Units that no group of an index may have, at most: far more than any lexicon.
_UNUSED = 2**20
# Ids are 16-bit as a rule: the coder is told to keep low and high bytes apart. Within 10% of the ids' entropy.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 1, "pb": 1}]


def _layout(sizes: list[int]) -> list[tuple[tuple[int, ...], str]]:
    """Shape and type of the packed arrays, in their order in the stream."""
    order, rank, words, groups, senses, sememes, morphemes = sizes

    def smallest(ids: int) -> str:
        return "<u1" if ids <= 1 << 8 else "<u2" if ids <= 1 << 16 else "<u4"

    return [
        ((words,), smallest(rank)),
        ((senses,), smallest(groups)),
        ((groups, order), smallest(sememes)),
        ((words, order), smallest(morphemes)),
    ]
