"""Packs one archive with which experiments/Snakefile runs on a machine without network; scripts/bundle.sh calls it.

python -m experiments.offline ARCHIVE --python 3.12 --platform TAG --prepared DIR TARGET [NAME=VALUE ...]

The archive holds this source, the prepared text, wheels of everything but torch and numpy, in the versions that are
installed here, fairseq's source, which is compiled there, and run.sh, which does the rest.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from experiments.run_record import find_commit
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replace_file

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ("LICENSE", "pyproject.toml", "configs", "experiments", "fairseq_see", "scripts")
# What the target imports, and what fairseq is compiled with; not what the other machine has.
NEEDED = ("fairseq-fixed", "snakemake", "sacrebleu", "sacremoses", "safetensors", "rich", "pyyaml")
BUILD = ("setuptools", "wheel", "cython")
THERE = {"torch", "numpy", "torchaudio", "fairseq-see"}


def find_versions(names: tuple[str, ...]) -> dict[str, str]:
    """The installed versions of packages and of all that they need, without those that the other machine has."""
    found: dict[str, str] = {}
    left = list(names)
    while left:
        name = canonicalize_name(left.pop())
        if name in found or name in THERE:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = package.version
        for line in package.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                left.append(requirement.name)
    return found


def list_platforms(newest: str) -> list[str]:
    """A manylinux tag and those of older systems; pip compares tags letter by letter."""
    match = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", newest)
    if not match:
        return [newest]
    older = [f"manylinux_2_{minor}_{match[2]}" for minor in range(int(match[1]), 4, -1)]
    return [*older, f"manylinux2014_{match[2]}", f"manylinux2010_{match[2]}", f"manylinux1_{match[2]}"]


def pack(archive: Path, python: str, platform: str, prepared: Path, words: list[str]) -> None:
    """Write the archive.

    Args:
        archive: to write.
        python: version of the other machine's Python, such as 3.12.
        platform: newest tag that its pip takes.
        prepared: a folder of scripts/prepare.sh, with unit indexes if the target needs them.
        words: target and configuration of experiments/Snakefile.

    Raises:
        SeeError: the folder is not prepared, or a package cannot be had for that Python and platform.
    """
    if not (prepared / "tests.txt").is_file():
        raise SeeError(f"{prepared} was not made by scripts/prepare.sh")
    versions = find_versions((*NEEDED, *BUILD))
    fairseq = f"fairseq-fixed=={versions.pop('fairseq-fixed')}"
    with TemporaryDirectory() as scratch:
        stage = Path(scratch)
        for name, version in sorted(versions.items()):
            download_wheel(f"{name}=={version}", stage / "wheels", python, platform)
        options = ("--no-deps", "--no-build-isolation", "--no-binary=:all:")
        run_pip("download", *options, "-d", str(stage / "fairseq"), fairseq)
        (stage / "source").mkdir()
        for name in SOURCE:
            source, copy = ROOT / name, stage / "source" / name
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        (stage / "source/COMMIT").write_text(find_commit() + "\n", encoding="utf-8")
        # With their dates: Snakemake makes anew what is older than its input. HowNet's senses are not ours to pass on.
        shutil.copytree(prepared, stage / "prepared", ignore=shutil.ignore_patterns("openhownet-*.tsv", ".*"))
        (stage / "target").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        shutil.copy(ROOT / "experiments/run_offline.sh", stage / "run.sh")
        with replace_file(archive) as temporary, tarfile.open(temporary, "w:gz") as file:
            for part in sorted(stage.iterdir()):
                file.add(part, part.name, filter=lambda item: None if "__pycache__" in item.name else item)


def download_wheel(requirement: str, folder: Path, python: str, platform: str) -> None:
    """A wheel for the other machine; one of plain Python is made here where none is published."""
    tags = [f"--platform={tag}" for tag in list_platforms(platform)]
    only = ("--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *tags)
    try:
        run_pip("download", "--no-deps", "-d", str(folder), *only, requirement)
    except SeeError:
        with TemporaryDirectory() as scratch:
            run_pip("wheel", "--no-deps", "-w", scratch, requirement)
            (wheel,) = Path(scratch).iterdir()
            if not wheel.name.endswith("-none-any.whl"):
                raise SeeError(f"there is no wheel of {requirement} for Python {python} on {platform}") from None
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(wheel, folder)


def run_pip(*words: str) -> None:
    """Run pip; SeeError if it fails."""
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--no-input", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SeeError(f"pip cannot {words[0]} {words[-1]}: {done.stderr.strip().splitlines()[-1]}")


@ends_in_one_line()
def main() -> None:
    """Pack."""
    parser = argparse.ArgumentParser(prog="python -m experiments.offline", description=main.__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--platform", default="manylinux_2_28_x86_64")
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("words", nargs="+", metavar="TARGET [NAME=VALUE ...]")
    args = parser.parse_args()
    pack(args.archive, args.python, args.platform, args.prepared, args.words)
    print(f"{args.archive}: {args.archive.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
