"""scripts/setup.sh with stand-ins for Python, pip and apt; .ci/run makes a real environment with it."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers import ROOT, refused, script

TOOLS = {
    "python3": """echo "$@" >>LOG
        case $* in
        *"import torch"*) exit 1 ;;
        "-m venv "*) mkdir -p VENV/bin; cp "$0" VENV/bin/python ;;
        esac""",
    "pkg-config": "[[ -e ICU ]]",
    "apt-get": 'echo apt-get "$@" >>LOG; [[ $* == *update* ]] || touch ICU',
    "sudo": 'shift; "$@"',
}


@pytest.fixture
def setup(tmp_path: Path):
    """Runs the script; ``log`` has what it called."""
    for name, body in TOOLS.items():
        for word in ("LOG", "VENV", "ICU"):
            body = body.replace(word, str(tmp_path / word.lower()))
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"

    def run(*words: str, **env: str) -> subprocess.CompletedProcess:
        return script("setup.sh", *words, PATH=path, FAIRSEQ_SEE_VENV=str(tmp_path / "venv"), PYTHON="python3", **env)

    return run


def calls(folder: Path) -> str:
    text = (folder / "log").read_text()
    (folder / "log").unlink()
    return text


def test_an_extra_is_installed_once(setup, tmp_path):
    assert setup(TORCH_INDEX_URL="URL").returncode == 0
    called = calls(tmp_path)
    assert f"-e {ROOT}[units,translate,experiments]" in called and "--extra-index-url URL -r" in called
    assert "apt-get" not in called
    assert setup().returncode == 0 and not (tmp_path / "log").exists()
    assert setup("--polyglot").returncode == 0
    called = calls(tmp_path)
    assert (
        f"-e {ROOT}[units,translate,experiments,polyglot]" in called and "apt-get -qq -y install libicu-dev" in called
    )
    assert "-m venv" not in called
    assert setup("--polyglot").returncode == 0 and setup().returncode == 0 and not (tmp_path / "log").exists()
    assert setup("--dev").returncode == 0
    assert "apt-get" not in calls(tmp_path)


def test_what_is_missing_is_named(setup, tmp_path):
    assert setup("--devel").returncode == 2
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    assert refused(setup("--polyglot"), "apt-get install libicu-dev pkg-config")
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "venv/bin/python").unlink()
    assert refused(setup(), "Python 3.11 or later")


def test_every_requirement_is_pinned():
    for name in ("lock", "torch"):
        lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
        pins = [line for line in lines if line and not line.startswith("#")]
        assert pins and all(line.count("==") == 1 and "+" not in line for line in pins)
