from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex, Vocabulary
from fairseq_see.units.index import MAGIC

ARRAYS = ("groups", "sense_offsets", "sense_groups", "word_morphemes")


def ids(values: Any, *shape: int) -> np.ndarray:
    return np.array(values, np.int32).reshape(shape or np.shape(values))


@pytest.fixture
def index() -> UnitIndex:
    """Three words: one of two senses, one of none, one that shares a sense."""
    return UnitIndex(
        order=2,
        rank=3,
        sememes=("<pad:1>", "<pad:2>", "human|人", "able|能"),
        morphemes=("<pad:1>", "<pad:2>", "<s>", "power", "ful"),
        groups=ids([[2, 1], [3, 2]]),
        sense_offsets=ids([0, 2, 2, 3]),
        sense_groups=ids([0, 1, 1]),
        word_morphemes=ids([[3, 4], [2, 1], [3, 1]]),
        dictionary="0" * 64,
    )


def assert_same(left: UnitIndex, right: UnitIndex) -> None:
    for name in ("order", "rank", "sememes", "morphemes", "dictionary"):
        assert getattr(left, name) == getattr(right, name)
    for name in ARRAYS:
        a, b = getattr(left, name), getattr(right, name)
        assert a.dtype == b.dtype == np.int32
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)
    assert left.fingerprint == right.fingerprint


@st.composite
def indexes(draw: st.DrawFn) -> UnitIndex:
    order, rank = draw(st.integers(2, 5)), draw(st.integers(1, 4))
    # Beside and beyond the borders of 8 and 16 bits.
    sizes = st.one_of(st.integers(1, 5), st.sampled_from([250, 256, 257, 65_530, 65_536, 65_537]))
    num_sememes, num_morphemes = order + draw(sizes), order + draw(sizes)
    num_groups, num_words = draw(st.integers(0, 6)), draw(st.integers(0, 6))

    def array(limit: int, *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return ids(draw(st.lists(st.integers(0, limit - 1), min_size=size, max_size=size)), *shape)

    most = rank - 1 if num_groups else 0
    counts = draw(st.lists(st.integers(0, most), min_size=num_words, max_size=num_words))
    padding = tuple(f"<pad:{k + 1}>" for k in range(order))
    return UnitIndex(
        order=order,
        rank=rank,
        sememes=padding + tuple(f"s{i}" for i in range(num_sememes - order)),
        morphemes=padding + tuple(f"m{i}" for i in range(num_morphemes - order)),
        groups=array(num_sememes, num_groups, order),
        sense_offsets=ids(np.cumsum([0, *counts])),
        sense_groups=array(max(num_groups, 1), sum(counts)),
        word_morphemes=array(num_morphemes, num_words, order),
        dictionary="d",
    )


@settings(max_examples=40, deadline=None)
@given(indexes())
def test_unpacked_is_the_inverse_of_packed(index: UnitIndex) -> None:
    assert_same(index, UnitIndex.unpacked(index.packed(), index.sememes, index.morphemes, index.dictionary))


def test_numbers_survive_without_names(index: UnitIndex) -> None:
    unpacked = UnitIndex.unpacked(index.packed())
    assert unpacked.sememes == ("<pad:1>", "<pad:2>", "sememe 2", "sememe 3")
    assert_same(index, replace(unpacked, sememes=index.sememes, morphemes=index.morphemes, dictionary="0" * 64))


def test_packed_is_small() -> None:
    """10,000 words of 3 out of 4,000 morphemes, unpredictable: 12 bits each, and nothing near 32."""
    rng = np.random.default_rng(0)
    padding = ("<pad:1>", "<pad:2>", "<pad:3>")
    index = UnitIndex(
        3, 1, padding, padding + tuple(map(str, range(3997))), ids([], 0, 3), ids(np.zeros(10_001, int)), ids([], 0),
        rng.integers(0, 4000, (10_000, 3), np.int32), "d",
    )  # fmt: skip
    floor = 10_000 * 3 * np.log2(4000) / 8
    assert floor < len(index.packed()) < 1.15 * floor


def test_saved_and_loaded(index: UnitIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "a.see")
    index.save(tmp_path / "b.see")
    content = (tmp_path / "a.see").read_bytes()
    assert content == (tmp_path / "b.see").read_bytes()
    assert content.startswith(b"fairseq-see unit index 1\n{")
    assert_same(index, UnitIndex.load(tmp_path / "a.see"))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.see", "b.see"]


def test_provenance(index: UnitIndex, tmp_path: Path) -> None:
    """It is kept, and no part of the identity; a file of before it was recorded can still be read."""
    made = replace(index, provenance={"senses": "HowNet", "seed": 1})
    made.save(tmp_path / "new.see")
    assert UnitIndex.load(tmp_path / "new.see").provenance == {"senses": "HowNet", "seed": 1}
    content = (tmp_path / "new.see").read_bytes()
    old = content.replace(b', "provenance": {"senses": "HowNet", "seed": 1}', b"")
    assert old != content
    (tmp_path / "old.see").write_bytes(old)
    assert UnitIndex.load(tmp_path / "old.see").provenance == {}
    assert_same(UnitIndex.load(tmp_path / "old.see"), made)


def test_fingerprint_tells_any_change(index: UnitIndex) -> None:
    changed = [
        replace(index, rank=4),
        replace(index, dictionary="1" * 64),
        replace(index, sememes=(*index.sememes[:3], "other")),
        replace(index, groups=ids([[2, 1], [3, 3]])),
        replace(index, word_morphemes=ids([[3, 4], [2, 1], [4, 1]])),
        replace(index, sense_offsets=ids([0, 1, 2, 3])),
    ]
    assert len({other.fingerprint for other in [index, *changed]}) == 7


def test_check_dictionary(index: UnitIndex) -> None:
    vocabulary = Vocabulary(("<s>", "a", "b"), (1, 1, 1))
    replace(index, dictionary=vocabulary.hash).check_dictionary(vocabulary)
    with pytest.raises(SeeError, match="another dictionary"):
        index.check_dictionary(vocabulary)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"order": 1}, "order 1"),
        ({"order": 3}, "padding units"),
        ({"rank": 0}, "rank 0"),
        ({"rank": 2}, "more than 1 senses"),
        ({"sememes": ("a", "b", "c", "d")}, "the first sememes"),
        ({"morphemes": ("<pad:1>", "<pad:2>", "a", "a", "b")}, "a morpheme is named twice"),
        ({"groups": ids([[2, 1], [4, 2]])}, "groups has ids outside 0..3"),
        ({"groups": ids([[2, 1, 1], [3, 2, 1]])}, "groups has 3 columns"),
        ({"groups": ids([2, 1])}, "groups has 1 dimensions"),
        ({"groups": np.array([[2, 1], [3, 2]])}, "groups is int64"),
        ({"sense_groups": ids([0, 1, 2])}, "sense_groups has ids"),
        ({"sense_groups": ids([0, 1, -1])}, "sense_groups has ids"),
        ({"sense_groups": ids([0, 1])}, "does not end at the last sense"),
        ({"sense_offsets": ids([0, 2, 3])}, "does not fit the number of words"),
        ({"sense_offsets": ids([0, 2, 1, 3])}, "does not rise"),
        ({"sense_offsets": ids([1, 2, 2, 3])}, "does not rise from 0"),
        ({"word_morphemes": ids([[3, 4], [2, 1], [5, 1]])}, "word_morphemes has ids"),
    ],
)
def test_invalid_indexes_are_not_written(index: UnitIndex, tmp_path: Path, change: Any, problem: str) -> None:
    with pytest.raises(SeeError, match=problem):
        replace(index, **change).save(tmp_path / "bad.see")
    assert not list(tmp_path.iterdir())


def test_damaged_files(index: UnitIndex, tmp_path: Path) -> None:
    path = tmp_path / "index.see"
    index.save(path)
    content = path.read_bytes()
    cases = {
        b"": "not a unit index",
        b"PK\x03\x04": "not a unit index",
        content.replace(b"index 1\n", b"index 2\n", 1): "version 2",
        MAGIC + b"1\n": "cut short",
        content[:100]: "cut short",
        MAGIC + b"1\n{}\n": "damaged header",
        MAGIC + b"1\n[]\n": "damaged header",
        MAGIC + b"1\n\xff\n": "damaged header",
        content.replace(b'"provenance": {}', b'"provenance": 5'): "damaged header",
        content[:-1]: "expected",
        content + b"x": "expected",
        content[:-1] + bytes([content[-1] ^ 1]): "checksum",
        content.replace(b"power", b"tower"): "fingerprint",
        content.replace(b', "power"', b""): "names do not fit",
    }
    for damaged, problem in cases.items():
        path.write_bytes(damaged)
        with pytest.raises(SeeError, match=problem) as error:
            UnitIndex.load(path)
        assert "index.see" in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(SeeError, match="cannot read"):
        UnitIndex.load(tmp_path / "missing.see")


def test_more_units_than_there_could_be_are_not_named(index: UnitIndex) -> None:
    """Some bytes with a right checksum could otherwise ask for all memory."""
    bare = replace(
        index, groups=index.groups[:0], sense_groups=index.sense_groups[:0], sense_offsets=0 * index.sense_offsets
    )
    content = bytearray(bare.packed()[4:])
    content[5 * 4 : 6 * 4] = (4_000_000_000).to_bytes(4, "little")
    with pytest.raises(SeeError, match="damaged unit index: it has millions of units"):
        UnitIndex.unpacked(crc32(content).to_bytes(4, "little") + bytes(content))


def test_every_damage_to_the_packed_bytes_is_seen(index: UnitIndex) -> None:
    payload = index.packed()
    for position in range(len(payload)):
        damaged = bytearray(payload)
        damaged[position] ^= 0x55
        with pytest.raises(SeeError, match="damaged"):
            UnitIndex.unpacked(bytes(damaged))
        with pytest.raises(SeeError, match="damaged"):
            UnitIndex.unpacked(payload[:position])
