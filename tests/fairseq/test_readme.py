"""The README's Python runs as it stands, and its own method passes the contract."""

import os
import re
import subprocess
import sys

import pytest

from tests.helpers import ROOT

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("code", BLOCKS)
def test_python_blocks_run(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_the_example_method_passes_the_contract_tests(tmp_path):
    """Registered by a file of its own, with no other change."""
    (example,) = (code for code in BLOCKS if "@register(" in code)
    (tmp_path / "example_method.py").write_text(f"{example}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "example_method", "-k", "low_rank", "tests/embeddings"]
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert re.search(r"\d+ passed", done.stdout) and not done.returncode, done.stdout[-3000:]
