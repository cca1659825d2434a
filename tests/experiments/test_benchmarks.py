"""The benchmarks run and write what they measured; what they measured is no matter of tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import ROOT


def run(name: str, result: Path, *options: str, statuses: tuple[int, ...] = (0,)) -> tuple[str, dict[str, Any]]:
    """What a benchmark prints, and what it writes."""
    command = [sys.executable, ROOT / "benchmarks" / name, *options, "--rounds", "1", "--json", result]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    # They import one another, as scripts of a folder do.
    env.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode in statuses and "Traceback" not in done.stderr, done.stderr
    return done.stdout, json.loads(result.read_text())["results"]


@pytest.mark.slow
def test_layers_measures_every_method_asked_for(tmp_path):
    options = ("--words", "3000", "--dim", "64", "--ratio", "2", "--methods", "low_rank")
    # Status 1 says that it was slow, which a busy machine may be.
    printed, measured = run("layers.py", tmp_path / "layers.json", *options, statuses=(0, 1))
    assert measured.keys() == {"dense", "low_rank", "see", "see, worst case", "published"}
    assert all(measured[name]["step 4096"] > 0 for name in ("dense", "low_rank", "see", "see, worst case"))
    assert "3,000 words with so many senses 0: 1,364, 1: 733, 2: 374, 3: 192, 4: 337" in printed


@pytest.mark.slow
def test_translating_measures_all_three_ways(tmp_path):
    options = ("--words", "13000", "--batches", "2", "--lengths", "3")
    _, measured = run("inference.py", tmp_path / "inference.json", *options)
    assert measured.keys() == {"dense", "cached", "factored"}
    # Sizes are no timings: what is held factored is the factors as on disk, and the index in 32 bits.
    assert measured["factored"]["resident"] < 1.35 * measured["factored"]["footprint"]
    assert measured["cached"]["resident"] > measured["dense"]["resident"]


def test_losses_are_measured_as_they_are_written_and_in_pieces(tmp_path):
    _, measured = run("losses.py", tmp_path / "losses.json", "--words", "300", "--positions", "64")
    assert len(measured) == 4 and all(of["seconds"] > 0 for of in measured.values())
