"""Shared by all tests: a toy translation task, prepared by the real commands."""

import importlib.util
import os
from pathlib import Path

import pytest

from tests.helpers import run_command, write_toy_corpus, write_toy_senses

# Before torch is loaded: sums are the same to the bit only with equally many threads, and the commands run with one.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

# They need an extra; scripts/test.sh --llm installs it and runs them.
collect_ignore = [] if importlib.util.find_spec("transformers") else ["hf", "experiments/llm"]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data-bin`` (zh-en, unit indexes beside the dictionaries), ``joined`` and ``senses.tsv``."""
    folder = tmp_path_factory.mktemp("toy")
    for split, pairs in (("train", 400), ("dev", 40), ("test", 40)):
        write_toy_corpus(folder / split, pairs, seed=len(split))
    write_toy_senses(folder / "senses.tsv")
    for name, extra in (("data-bin", ()), ("joined", ("--joined-dictionary",))):
        run_command(
            *("fairseq-preprocess", "--source-lang", "zh", "--target-lang", "en", "--destdir", folder / name, *extra),
            *(
                "--trainpref",
                folder / "train/toy",
                "--validpref",
                folder / "dev/toy",
                "--testpref",
                folder / "test/toy",
            ),
        )
        for lang in ("zh", "en"):
            run_command(
                *("fairseq-see", "index", folder / name / f"dict.{lang}.txt", "--senses", folder / "senses.tsv"),
                *("--lang", "zh,en" if extra else lang, "--morphology", "characters"),
            )
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``gpu`` are skipped without one; .ci/run knows this reason and fails at any other skip."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
