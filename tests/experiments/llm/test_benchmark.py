"""The benchmark of a tiny Phi-3 runs, goes on from what is there, and writes what it measured."""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

SIZES = ("--words", "600", "--dim", "27", "--layers", "1", "--ratio", "2", "--length", "32", "--batch", "4")
UPDATES = ("--teacher-updates", "4", "--updates", "4", "--start-updates", "2", "--every", "2", "--fit-epochs", "1")
ARMS = ("random-staged", "fitted-plain")


@pytest.mark.slow
def test_arms_start_alike_and_are_drawn(tmp_path):
    for split, lines in (("train", 400), ("dev", 40)):
        text = (ROOT / f"data/{split}.en").read_text(encoding="utf-8").splitlines()[:lines]
        (tmp_path / split).write_text("\n".join(text) + "\n", encoding="utf-8")
    command = [sys.executable, ROOT / "benchmarks/llm.py", tmp_path / "out", "--text", tmp_path / "train"]
    command += ["--valid", tmp_path / "dev", *SIZES, *UPDATES, "--arms", *ARMS]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=500, check=False)
    assert not done.returncode, done.stderr[-3000:]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    for arm in ARMS:
        start = arm.partition("-")[0]
        assert [step for step, _ in results[arm]["curve"]] == [0, 2, 4]
        assert results[arm]["curve"][0][1] == pytest.approx(results[start]["perplexity"], rel=1e-3)
        assert results[arm]["curve"][-1][1] == pytest.approx(results[arm]["perplexity"], rel=1e-3)
        assert f"{results[arm]['perplexity']:.1f}" in done.stdout
    assert results["fitted"]["perplexity"] != results["random"]["perplexity"]
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000
    # What is there is not trained again; other settings want another folder.
    again = subprocess.run(command, env=env, capture_output=True, text=True, timeout=500, check=False)
    assert again.stdout == done.stdout and "train_runtime" not in again.stderr
    other = subprocess.run([*command, "--seed", "2"], env=env, capture_output=True, text=True, timeout=500, check=False)
    assert other.returncode == 2 and "was made with --seed 1, not 2" in other.stderr
