"""Shared by all tests: a toy translation task, prepared by the real commands."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers import run_command, write_toy_corpus, write_toy_senses

# Before torch is loaded: sums are the same to the bit only with equally many threads, and the commands run with one.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

CI = os.environ.get("CI") == "true"
NEEDS = {"fairseq": ("fairseq", "experiments"), "transformers": ("hf", "experiments/llm")}
# Without an extra its tests are left out; CI has all of them, and fails where one is missing.
collect_ignore = [path for name, paths in NEEDS.items() if not find_spec(name) and not CI for path in paths]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data-bin`` (zh-en, unit indexes beside the dictionaries), ``joined`` and ``senses.tsv``."""
    folder = tmp_path_factory.mktemp("toy")
    for split, pairs in (("train", 400), ("dev", 40), ("test", 40)):
        write_toy_corpus(folder / split, pairs, seed=len(split))
    write_toy_senses(folder / "senses.tsv")
    sets = [
        f"--{name}pref={folder / text}/toy" for name, text in (("train", "train"), ("valid", "dev"), ("test", "test"))
    ]
    for name, extra in (("data-bin", ()), ("joined", ("--joined-dictionary",))):
        words = ("fairseq-preprocess", "--source-lang", "zh", "--target-lang", "en", "--destdir", folder / name)
        run_command(*words, *sets, *extra)
        for lang in ("zh", "en"):
            run_command(
                *("fairseq-see", "index", folder / name / f"dict.{lang}.txt", "--senses", folder / "senses.tsv"),
                *("--lang", "zh,en" if extra else lang, "--morphology", "characters"),
            )
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``gpu`` are skipped without one."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test fails the run, unless it needs a GPU."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = (
        [report for report in reporter.stats.get("skipped", ()) if "needs a CUDA device" not in str(report.longrepr)]
        if CI and reporter
        else []
    )
    if skipped:
        reporter.write_line("skipped tests count as failures in CI:", red=True)
        for report in skipped:
            reporter.write_line(f"{report.nodeid}: {report.longrepr}")
        session.exitstatus = 1
