"""A new user's way: the commands of the README and the guides run as they stand, in a checkout with little data."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forks import make_environment
from tests.helpers import ROOT, make_environ

# What little data and a test's patience need.
SMALL = {
    "--ratio 10": "--ratio 2 --updates 4",
    "ratios=10": "ratios=2",
    'ratios="10 20"': 'ratios="2 3"',
    "--see-ratio 5": "--see-ratio 2",
    "model.see_ratio=5 optimization.max_update=100": "model.see_ratio=2 optimization.max_update=4",
    "model.see_ratio=10": "model.see_ratio=2",
    "--ratios 5": "--ratios 2",
    "size=3000": "size=200",
    "classification scale=tiny": "classification scale=tiny options='--max-epoch 1'",
}
# Runs by itself in CI, or is of an interactive shell.
SKIPPED = ("bash scripts/test.sh", "source .venv/bin/activate")


def read_blocks(page: str, language: str = "bash") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of this one, but for data, the updates of a training, and the installation."""
    folder = tmp_path_factory.mktemp("checkout") / "fairseq_see"
    for name in ("fairseq_see", "experiments", "scripts", "configs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data/senses.tsv", folder / "data")
    # Of the training text enough for questions to be learned, of the others whole batches of eight.
    for name, number in (("train", 600), ("dev", 16), ("test", 16)):
        for side in ("zh", "en"):
            lines = (ROOT / f"data/{name}.{side}").read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / f"data/{name}.{side}").write_text("".join(lines[:number]), encoding="utf-8")
    (folder / "scripts/setup.sh").write_text("#!/bin/sh\n")
    config = folder / "configs/demo_zh_en.yaml"
    config.write_text(config.read_text().replace("max_update: 2000", "max_update: 4"))
    settings = folder / "experiments/settings.py"
    settings.write_text(settings.read_text().replace('"demo_zh_en", 216, 4000', '"demo_zh_en", 216, 200'))
    return folder


def run_block(code: str, folder: Path, package: Path, small: dict[str, str]) -> None:
    """Run a page's commands in a folder, with the package that lies in another one."""
    for real, replacement in small.items():
        code = code.replace(real, replacement)
    code = "".join(f"{line}\n" for line in code.splitlines() if not line.startswith(SKIPPED))
    venv = make_environment()
    env = make_environ(PATH=f"{venv}/bin:{os.environ['PATH']}", PYTHONPATH=str(package), FAIRSEQ_SEE_VENV=str(venv))
    env["SNAKEMAKE"] = "--cores 2"
    command = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{code}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_readme_and_the_guides_work_in_order(checkout):
    for page in ("README.md", "docs/train.md", "docs/language-models.md", "docs/extend.md", "docs/compress.md"):
        ran = [
            run_block(block, checkout, checkout, SMALL)
            for block in read_blocks(page)
            if not re.search(r" \.\.\.|\$DATA| checkpoint_best\.pt ", block)
        ]
        assert len(ran) >= {"README.md": 6, "docs/train.md": 3, "docs/language-models.md": 3}.get(page, 1), page
    assert (checkout / "runs/tiny/test.en").read_text(encoding="utf-8").count("\n") == 16
    assert (checkout / "runs/compressed/model/model.safetensors").is_file()
    assert (checkout / "runs/report/report.html").is_file()


def test_the_first_python_block_runs():
    done = subprocess.run(
        [sys.executable, "-c", read_blocks("README.md", "python")[0]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode and "torch.Size([2, 3, 216])" in done.stdout, done.stderr


def test_the_installed_package_names_its_folder():
    done = subprocess.run([sys.executable, "-m", "fairseq_see.user_dir"], cwd=ROOT, capture_output=True, text=True)
    assert Path(done.stdout.strip()) == ROOT / "fairseq_see" and not done.stderr
