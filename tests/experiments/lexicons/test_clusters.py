from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments.lexicons.clusters import cluster_residuals, cluster_words, read_matrix
from fairseq_see.errors import SeeError
from fairseq_see.units import Vocabulary

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")


def nested(seed: int = 0) -> np.ndarray:
    """Four far apart points with three each around them, and a little noise: (48, 8), rows 4 by 3 by 4."""
    rng = np.random.default_rng(seed)
    coarse, fine = 5 * np.eye(8)[:4], np.eye(8)[4:7]
    rows = coarse[:, None, None] + fine[None, :, None] + 0.01 * rng.standard_normal((4, 3, 4, 8))
    return rows.reshape(48, 8).astype(np.float32)


def partition(ids: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(ids == cluster).tolist()) for cluster in set(ids.tolist())}


def test_levels_cluster_what_the_levels_before_left_over() -> None:
    ids = cluster_residuals(nested(), 4, 2, seed=1)
    rows = np.arange(48)
    assert partition(ids[:, 0]) == partition(rows // 12)
    # Around all four points alike: the three are the same three clusters (and one of the four may split one of them).
    second = {frozenset(group) for group in partition(ids[:, 1])}
    assert all(len({row // 4 % 3 for row in group}) == 1 for group in second)
    assert len(second) in (3, 4)


def test_neither_a_vectors_length_nor_the_call_matters() -> None:
    rows = nested()
    scaled = rows * np.random.default_rng(1).uniform(0.1, 10, (48, 1)).astype(np.float32)
    np.testing.assert_array_equal(cluster_residuals(rows, 4, 1, 1), cluster_residuals(rows, 4, 1, 1))
    assert partition(cluster_residuals(rows, 4, 1, 1)[:, 0]) == partition(cluster_residuals(scaled, 4, 1, 1)[:, 0])


def test_vectors_of_zeros_and_equal_ones_are_no_fault() -> None:
    assert cluster_residuals(np.zeros((5, 3), np.float32), 3, 2, 1).shape == (5, 2)


def test_a_sense_for_whatever_reads_as_a_word() -> None:
    words = Vocabulary((*SPECIALS, "power", "power@@", "打", "\u3000", "the"), (1,) * 9)
    table = np.zeros((9, 2), np.float32)
    table[[4, 6, 8]] = [[1, 0], [0, 1], [0, 2]]
    senses = cluster_words(words, table, "zh,en", clusters=2, order=2)
    assert senses.list_words("en") == ["power", "the"] and senses.list_words("zh") == ["打"]
    (power,), (the,), (beat,) = senses.find("power", "en"), senses.find("the", "en"), senses.find("打", "zh")
    assert the == beat and power[0] != the[0]
    assert all(unit.startswith(f"k{level}:") for level, unit in enumerate(power, 1))


def test_matrices(tmp_path: Path) -> None:
    table = np.arange(6, dtype=np.float16).reshape(3, 2)
    np.save(tmp_path / "a.npy", table)
    save_file({"table": table, "norms": np.zeros(3)}, tmp_path / "a.safetensors")
    for name in ("a.npy", "a.safetensors"):
        read = read_matrix(tmp_path / name)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, table)


def test_files_that_are_no_matrices(tmp_path: Path) -> None:
    np.save(tmp_path / "vector.npy", np.zeros(3))
    np.save(tmp_path / "ids.npy", np.zeros((3, 2), int))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    save_file({"a": np.zeros((3, 2)), "b": np.zeros((3, 2))}, tmp_path / "two.safetensors")
    for suffix in ("npy", "safetensors"):
        (tmp_path / f"text.{suffix}").write_text("no table")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(SeeError, match=path.name) as error:
            read_matrix(path)
        assert "\n" not in str(error.value)
    with pytest.raises(SeeError, match="cannot read"):
        read_matrix(tmp_path / "missing.npy")


@pytest.mark.parametrize(
    ("rows", "clusters", "value", "problem"),
    [
        (5, 2, 0.0, "the matrix has 5 embeddings, the dictionary 6 symbols"),
        (6, 3, 0.0, "3 clusters of 2 words"),
        (6, 1, 0.0, "1 clusters"),
        (6, 2, np.nan, "not finite"),
    ],
)
def test_bad_arguments(rows: int, clusters: int, value: float, problem: str) -> None:
    words = Vocabulary((*SPECIALS, "a", "b"), (1,) * 6)
    with pytest.raises(SeeError, match=problem):
        cluster_words(words, np.full((rows, 2), value, np.float32), "en", clusters=clusters)
