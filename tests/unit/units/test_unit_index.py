from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save

from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex
from fairseq_see.units.index import ARRAYS
from tests.unit.embeddings.conftest import make_index


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


# Beside and beyond the borders of 8 and 16 bits.
NUMBERS = st.integers(1, 5) | st.sampled_from([250, 256, 257, 65_530, 65_536, 65_537])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.integers(1, 4), NUMBERS, NUMBERS, st.integers(0, 6), st.integers(0, 6), st.integers(0, 9))
def test_unpacked_is_the_inverse_of_packed(order, rank, sememes, morphemes, groups, words, seed) -> None:
    rng, sememes, morphemes = np.random.default_rng(seed), order + sememes, order + morphemes
    senses = rng.integers(0, rank if groups else 1, words)
    index = make_index(
        sememes,
        morphemes,
        rank=rank,
        groups=rng.integers(0, sememes, (groups, order)),
        sense_offsets=np.cumsum([0, *senses]),
        sense_groups=rng.integers(0, max(groups, 1), senses.sum()),
        word_morphemes=rng.integers(0, morphemes, (words, order)),
    )
    unpacked = UnitIndex.unpack(index.pack())
    names = {name: getattr(index, name) for name in ("sememes", "morphemes", "dictionary")}
    assert_same(index, replace(unpacked, **names))
    assert all(name == f"sememe {i}" for i, name in enumerate(unpacked.sememes) if i >= index.order)


def test_packed_as_in_exports_of_version_0_1(index: UnitIndex) -> None:
    """What 0.1 printed for this index."""
    assert index.pack().hex() == (
        "ab6786f90200000003000000030000000200000003000000040000000500000001000f0200010001010203010203020304010100"
    )
    assert index.fingerprint == "6396c4ac49611ea5f7a94a7f371695b2b25bdec63b1542b59a824e26bc620ab8"


def test_packed_is_small() -> None:
    """10,000 words of 3 out of 4,000 morphemes, unpredictable: 12 bits each, and nothing near 32."""
    rng = np.random.default_rng(0)
    padding = ("<pad:1>", "<pad:2>", "<pad:3>")
    index = UnitIndex(
        3, 1, padding, padding + tuple(map(str, range(3997))), ids([], 0, 3), ids(np.zeros(10_001, int)), ids([], 0),
        rng.integers(0, 4000, (10_000, 3), np.int32), "d",
    )  # fmt: skip
    floor = 10_000 * 3 * np.log2(4000) / 8
    assert floor < len(index.pack()) < 1.15 * floor


def test_saved_and_loaded(index: UnitIndex, tmp_path: Path) -> None:
    made = replace(index, provenance={"senses": "HowNet", "seed": 1}, groups=np.asfortranarray(index.groups))
    made.save(tmp_path / "a.see")
    made.save(tmp_path / "b.see")
    assert (tmp_path / "a.see").read_bytes() == (tmp_path / "b.see").read_bytes()
    loaded = UnitIndex.load(tmp_path / "a.see")
    assert_same(index, loaded)
    assert loaded.provenance == {"senses": "HowNet", "seed": 1}
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.see", "b.see"]
    np.testing.assert_array_equal(load_file(tmp_path / "a.see")["groups"], index.groups)


def test_any_change_changes_the_fingerprint(index: UnitIndex) -> None:
    changed = [
        replace(index, rank=4),
        replace(index, dictionary="1" * 64),
        replace(index, sememes=(*index.sememes[:3], "other")),
        replace(index, groups=ids([[2, 1], [3, 3]])),
        replace(index, word_morphemes=ids([[3, 4], [2, 1], [4, 1]])),
        replace(index, sense_offsets=ids([0, 1, 2, 3])),
    ]
    assert len({other.fingerprint for other in [index, *changed]}) == 7


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"order": 3}, "padding units"),
        ({"rank": 2}, "not 0 to 1 senses"),
        ({"morphemes": ("<pad:1>", "<pad:2>", "a", "a", "b")}, "a morpheme is named twice"),
        ({"groups": ids([[2, 1], [4, 2]])}, "groups has ids outside 0..3"),
        ({"groups": np.array([[2, 1], [3, 2]])}, "groups is int64"),
        ({"sense_groups": ids([0, 1, -1])}, "sense_groups has ids"),
        ({"sense_groups": ids([0, 1, 1, 1])}, "not from 0 to the end"),
        ({"sense_offsets": ids([0, 2, 3])}, r"sense_offsets is int32 \(3,\)"),
        ({"sense_offsets": ids([0, 2, 1, 3])}, "not 0 to 2 senses"),
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
        save({"groups": index.groups}): "not a unit index",
        b"fairseq-see unit index 1\n{}\n": "build it with fairseq-see index",
        content[:100]: "damaged",
        content[:-1] + bytes([content[-1] ^ 1]): "damaged",
        content.replace(b"power", b"tower"): "wrong fingerprint",
        content.replace(b'rank\\": 3', b'rank\\": 1'): "not 0 to 0 senses",
        content.replace(b"sememes", b"sememas"): "damaged",
    }
    assert len(cases) == 8
    for damaged, problem in cases.items():
        path.write_bytes(damaged)
        with pytest.raises(SeeError, match=problem) as error:
            UnitIndex.load(path)
        assert "index.see" in str(error.value) and "\n" not in str(error.value)
    for missing in (tmp_path / "missing.see", tmp_path):
        with pytest.raises(SeeError, match="cannot read"):
            UnitIndex.load(missing)


def test_every_damage_to_the_packed_bytes_is_seen(index: UnitIndex) -> None:
    payload = index.pack()
    for position in range(len(payload)):
        damaged = bytearray(payload)
        damaged[position] ^= 0x55
        with pytest.raises(SeeError, match="damaged"):
            UnitIndex.unpack(bytes(damaged))
        with pytest.raises(SeeError, match="damaged"):
            UnitIndex.unpack(payload[:position])
