"""A new user's way: the commands of the README and the guides run as they stand, in a checkout with little data."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.forks import make_environment
from tests.helpers import ROOT, make_environ, run_command

# What little data and a test's patience need.
SMALL = {
    "--ratio 10": "--ratio 2 --updates 4",
    "--ratio 20 --updates 1200": "--ratio 2 --updates 4",
    "ratios=10": "ratios=2",
    'ratios="10 20"': 'ratios="2 10"',
    "optimization.max_update=100": "optimization.max_update=4",
    "see_ratio=10": "see_ratio=2",
    "see_ratio=5": "see_ratio=2",
    "--see-ratio 5": "--see-ratio 2",
    "--ratios 5": "--ratios 2",
    "size=3000": "size=200",
    "classification scale=tiny": "classification scale=tiny options='--max-epoch 1'",
}
# Runs by itself in CI, or is of an interactive shell.
SKIPPED = ("bash scripts/test.sh", "source .venv/bin/activate")


def read_blocks(page: str) -> list[tuple[str, str]]:
    """Language and code of each block."""
    return re.findall(r"^```(bash|python)\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of this one, but for data, the updates of a training, and the installation."""
    folder = tmp_path_factory.mktemp("checkout") / "fairseq_see"
    for name in ("fairseq_see", "experiments", "scripts", "configs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data/senses.tsv", folder / "data")
    # Of the training text enough for questions to be learned, of the others whole batches of eight.
    for name, number in (("train", 600), ("dev", 8), ("test", 8)):
        for side in ("zh", "en"):
            lines = (ROOT / f"data/{name}.{side}").read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / f"data/{name}.{side}").write_text("".join(lines[:number]), encoding="utf-8")
    (folder / "scripts/setup.sh").write_text("#!/bin/sh\n")
    for name, real, replacement in (
        ("experiments/settings.py", '"demo_zh_en", 216, 4000', '"demo_zh_en", 216, 200'),
        ("configs/demo_zh_en.yaml", "max_update: 2000", "max_update: 4"),
        ("scripts/quickstart.sh", "--updates 300", "--updates 4"),
        # What has learned nothing ends no sentence.
        ("scripts/score.sh", "--beam 5", "--beam 5 --max-len-b 20"),
    ):
        text = (folder / name).read_text()
        assert real in text
        (folder / name).write_text(text.replace(real, replacement))
    return folder


def run_block(code: str, folder: Path, checkout: Path) -> None:
    """Run a page's commands in a folder, with the package of the copy."""
    for real, replacement in SMALL.items():
        code = code.replace(real, replacement)
    code = "".join(f"{line}\n" for line in code.splitlines() if not line.startswith(SKIPPED))
    venv = make_environment()
    env = make_environ(PATH=f"{venv}/bin:{os.environ['PATH']}", PYTHONPATH=str(checkout), FAIRSEQ_SEE_VENV=str(venv))
    env["SNAKEMAKE"] = "--cores 2"
    command = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{code}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"


def run_page(page: str, checkout: Path) -> int:
    """Run the commands that need nothing but the copy, and return how many blocks they are."""
    blocks = [code for language, code in read_blocks(page) if language == "bash"]
    blocks = [code for code in blocks if not re.search(r" \.\.\.|\$DATA| checkpoint_best\.pt ", code)]
    for code in blocks:
        run_block(code, checkout, checkout)
    return len(blocks)


@pytest.fixture(scope="module")
def quickstart(checkout):
    """The copy after the README's commands."""
    assert run_page("README.md", checkout) >= 6
    return checkout


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_readme_and_the_guides_work_in_order(quickstart):
    assert (quickstart / "runs/tiny/test.en").read_text(encoding="utf-8").count("\n") == 8
    assert (quickstart / "runs/compressed/model/model.safetensors").is_file()
    assert (quickstart / "runs/report/report.html").is_file()
    for page, least in (("train", 3), ("language-models", 3), ("extend", 1), ("compress", 1)):
        assert run_page(f"docs/{page}.md", quickstart) >= least, page


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_guides_fit_and_ship_a_trained_model(quickstart):
    folder = quickstart / "shipping"
    folder.mkdir()
    (folder / "checkpoint_best.pt").symlink_to(
        quickstart / "runs/demo/cells/dense-seed1/checkpoints/checkpoint_best.pt"
    )
    (folder / "prepared").symlink_to(quickstart / "runs/demo/prepared")
    (folder / "raw.zh").symlink_to(quickstart / "data/test.zh")
    fits = [block for block in read_blocks("docs/compress.md") if block[1].startswith("fairseq-see fit")]
    blocks = read_blocks("docs/ship.md") + fits
    assert [language for language, _ in blocks].count("bash") == 8
    for language, code in blocks:
        run_block(code if language == "bash" else f"python <<'END'\n{code}END\n", folder, quickstart)
        if "> raw.en" in code:
            assert (folder / "raw.en").read_text(encoding="utf-8").count("\n") == 8
            (folder / "raw.en").unlink()
    assert (folder / "converted/model.bin").is_file() and (folder / "work/model/codes.zh").is_file()


def test_the_first_python_block_runs():
    code = next(code for language, code in read_blocks("README.md") if language == "python")
    assert "torch.Size([2, 3, 216])" in run_command("python", "-c", code).stdout


def test_the_installed_package_names_its_folder():
    done = run_command("python", "-m", "fairseq_see.user_dir")
    assert Path(done.stdout.strip()) == ROOT / "fairseq_see" and not done.stderr
