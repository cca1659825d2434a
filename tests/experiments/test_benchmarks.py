"""The benchmarks run and write what they measured; what they measured is no matter of tests."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fairseq_see.embeddings import REGISTRY
from tests.forks import make_environment
from tests.helpers import ROOT, make_environ


def run_benchmark(command: list[str | Path], statuses: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess:
    # They import one another, as scripts of a folder do.
    env = make_environ(PYTHON=str(make_environment() / "bin/python"), PYTHONSAFEPATH="")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=500)
    assert done.returncode in statuses, done.stderr
    return done


def measure(name: str, result: Path, *options: str, statuses: tuple[int, ...] = (0,)) -> tuple[str, dict[str, Any]]:
    """What a benchmark prints, and what it writes."""
    python, last = make_environment() / "bin/python", ("--rounds", "1", "--json", result)
    command = [python, ROOT / "benchmarks" / name, *options, *last]
    return run_benchmark(command, statuses).stdout, json.loads(result.read_text())["results"]


@pytest.mark.slow
def test_layers_measures_every_method_asked_for(tmp_path):
    # All but the slow LSTMs.
    methods = sorted(method for method in REGISTRY if not method.endswith("lstm"))
    options = ("--words", "3000", "--dim", "64", "--ratio", "2", "--methods", *methods)
    # Status 1 means that SEE was slow, which a busy machine may be.
    printed, parts = measure("layers.py", tmp_path / "layers.json", *options, statuses=(0, 1))
    embeddings = {*methods, "see, worst case"}
    assert all(parts[part].keys() == embeddings for part in ("lookup", "step 4096", "step 1024"))
    modes = {f"{name}, {mode}" for name in embeddings - {"dense"} for mode in ("cached", "factored")}
    assert parts["decoding"].keys() == modes | {"dense"}
    assert all(of["seconds"] > 0 for part in parts.values() for of in part.values())
    assert parts["reconstruction"]["published"]["memory"] > parts["reconstruction"]["see"]["memory"]
    assert "3,000 words with so many senses 0: 1,364, 1: 733, 2: 374, 3: 192, 4: 337" in printed


@pytest.mark.slow
def test_translating_measures_all_four_ways(tmp_path):
    options = ("--words", "13000", "--batches", "2", "--lengths", "3")
    _, measured = measure("inference.py", tmp_path / "inference.json", *options)
    assert measured.keys() == {"dense", "see, cached", "see, factored", "codes, factored"}
    # Sizes are no timings: what is held factored is the factors as on disk, and the index in 32 bits.
    assert measured["see, factored"]["resident"] < 1.35 * measured["see, factored"]["footprint"]
    assert measured["see, cached"]["resident"] > measured["dense"]["resident"]
    assert measured["see, factored"]["2 x 3"] > 0


@pytest.mark.slow
def test_losses_are_measured_as_they_are_written_and_in_chunks(tmp_path):
    _, measured = measure("losses.py", tmp_path / "losses.json", "--words", "300", "--positions", "64")
    assert len(measured) == 4 and all(of["seconds"] > 0 for of in measured.values())


@pytest.mark.slow
def test_all_that_a_gpu_is_asked_runs_on_a_processor(tmp_path, toy):
    """The whole script at the smallest sizes: checks, floors before figures, figures beside dense, two trainings."""
    options = ("--device", "cpu", "--tiny", "--data", toy / "data-bin", "--budget", "400")
    run_benchmark(["bash", ROOT / "benchmarks/gpu.sh", tmp_path / "out", *options])
    parts = {path.stem: json.loads(path.read_text())["figures"] for path in (tmp_path / "out").glob("*.json")}
    assert parts.keys() == {"checks", "floors", "updates", "steps", "embeddings", "decoding", "training"}
    assert " passed" in parts["checks"]["contract"]["output"][-1]
    assert (len(parts["updates"]), len(parts["steps"]), len(parts["embeddings"])) == (1, 4, 3)
    for figure in [figure for part in ("updates", "steps", "embeddings") for figure in parts[part].values()]:
        assert figure.keys() == {"dense", "see", "dpq"} and figure["dense"]["of_dense"] == 1
        assert all(of["of_floor"] == of["seconds"] / of["floor"] for of in figure.values())
    assert parts["decoding"]["model"].keys() == {"dense", "see, cached", "see, factored", "codes, factored"}
    # V d parameters of two bytes, written once at the device's rate.
    rates = parts["floors"]["rates"]
    assert parts["embeddings"]["matrix, torch.float16"]["see"]["floor"] == 2 * 3000 * 64 / rates["bytes a second"]
    for method in ("dense", "see"):
        training = parts["training"]["curves"][method]
        assert training["curve"][-1][0] == 20 and training["curve"][-1][1] > 1
        assert float(training["steps"][-1]["num_updates"]) == 20


@pytest.mark.slow
def test_a_part_that_fails_or_has_no_time_left_does_not_end_the_others(tmp_path):
    command = ["bash", ROOT / "benchmarks/gpu.sh", tmp_path, "--device", "cpu", "--tiny"]
    run_benchmark([*command, "--budget", "-1"])
    parts = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert len(parts) == 7 and all(part["stopped"] == "the budget is used up" for part in parts)
    run_benchmark([*command, "--methods", "nothing", "--parts", "steps", "decoding", "floors"], (1,))
    parts = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("steps", "decoding", "floors")]
    assert all("unknown embedding method 'nothing'" in part["error"] for part in parts)
    assert [list(part["figures"]) for part in parts] == [[], [], ["rates"]]


def test_a_gpu_that_is_not_there_is_named_at_once(tmp_path):
    done = run_benchmark(["bash", ROOT / "benchmarks/gpu.sh", tmp_path / "out"], (2,))
    assert "finds no GPU" in done.stderr and not (tmp_path / "out").exists()
