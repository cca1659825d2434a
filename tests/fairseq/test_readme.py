"""The README's Python runs as it stands; its own method passes the contract and has its option on command lines."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers import ROOT, run_command

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("code", BLOCKS)
def test_python_blocks_run(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


@pytest.fixture(scope="module")
def my_methods(tmp_path_factory):
    """The README's folder, as a reader writes it."""
    (example,) = (code for code in BLOCKS if "@register(" in code)
    folder = tmp_path_factory.mktemp("user") / "my_methods"
    folder.mkdir()
    (folder / "__init__.py").write_text(example, encoding="utf-8")
    return folder


def test_the_example_method_passes_the_contract_tests(my_methods):
    """Registered by a file of its own, with no other change."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "my_methods", "-k", "hashed", "tests/unit/embeddings"]
    env = {**os.environ, "PYTHONPATH": f"{my_methods.parent}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert re.search(r"\d+ passed", done.stdout) and not done.returncode, done.stdout[-3000:]


def test_the_example_method_has_its_option_on_every_command_line(my_methods, toy, tmp_path):
    from tests.fairseq.training import OPTIONS

    method = ("--user-dir", my_methods, "--see-args", "hashes=3")
    words = (*method, "--methods", "hashed", "--ratios", "2", "--dim", "64", "--json")
    plans = json.loads(run_command("fairseq-see", "plan", toy / "data-bin", *words).stdout)
    assert [plan["config"] for plan in plans] == [{"buckets": 36, "hashes": 3}] * 2
    assert "hashed: hashes (int; default: 2)" in run_command("fairseq-see", "plan", *method, "--list-options").stdout

    words = (*OPTIONS, *method, "--see-method", "hashed", "--see-ratio", "2", "--max-epoch", "1")
    run_command("fairseq-train", toy / "data-bin", *words, "--save-dir", tmp_path)
    state = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)
    assert json.loads(state["cfg"]["model"]["see_resolved"])["decoder"]["config"] == {"buckets": 36, "hashes": 3}
    assert state["model"]["decoder.embed_tokens.vectors"].shape == (36, 64)

    words = (*method, "--see-method", "hashed", "--see-ratio", "3", "--epochs", "1", "--json")
    run_command("fairseq-see", "fit", tmp_path / "checkpoint_last.pt", "-o", tmp_path / "fit.pt", *words)
    assert torch.load(tmp_path / "fit.pt", weights_only=True)["model"]["encoder.embed_tokens.vectors"].shape == (24, 64)


def test_the_installed_package_names_its_folder():
    done = subprocess.run([sys.executable, "-m", "fairseq_see.user_dir"], cwd=ROOT, capture_output=True, text=True)
    assert Path(done.stdout.strip()) == ROOT / "fairseq_see" and not done.stderr
