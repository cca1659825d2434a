"""Packs one archive with which experiments/Snakefile runs on a machine without network; scripts/bundle.sh calls it.

python -m experiments.offline ARCHIVE --python 3.12 --platform TAG --prepared DIR TARGET [NAME=VALUE ...]

The archive holds this source, the prepared text, wheels of everything but torch and numpy, in the versions that are
installed here, fairseq's source, which is compiled there, and run.sh, which does the rest.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from experiments.run_record import commit
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replacing

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ("LICENSE", "pyproject.toml", "configs", "experiments", "fairseq_see", "scripts")
# What the target imports, and what fairseq is compiled with; not what the other machine has.
NEEDED = ("fairseq-fixed", "snakemake", "sacrebleu", "sacremoses", "safetensors", "rich", "pyyaml")
BUILD = ("setuptools", "wheel", "cython")
THERE = {"torch", "numpy", "torchaudio", "fairseq-see"}

RUN = """\
#!/usr/bin/env bash
# bash run.sh [--minutes M] [option of snakemake ...]
#
# Installs what this archive brings beside the torch and numpy of this machine, without network, and runs its target
# with experiments/Snakefile. With --minutes, trainings stop cleanly two minutes before; run again to resume. PYTHON
# names the Python (default python3). Everything is in work/, beside this script; results.tar.gz has the records and
# translations.
set -euo pipefail
here=$(cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")" && pwd)
python=$(command -v -- "${{PYTHON:-python3}}")
limit=() minutes=()
if [[ ${{1:-}} == --minutes ]]; then
    (($2 > 2)) || {{ echo "error: --minutes $2: two minutes are kept for scores" >&2 && exit 2; }}
    limit=(timeout --signal=INT --kill-after=30 $(($2 * 60))) minutes=("minutes=$(($2 - 2))") && shift 2
fi
env=$here/work/env
mkdir -p -- "$here/work"
export PYTHONPATH=$here/source:$env/lib PATH=$env/lib/bin:$PATH
install() {{
    "$python" -m pip --isolated -q install --no-index --no-deps --no-build-isolation --upgrade --target "$env/lib" "$@"
}}
if [[ ! -e $env/complete ]]; then
    rm -rf -- "$env"
    install "$here"/wheels/*.whl
    # Compiled for this Python and numpy; nothing of it needs CUDA's compiler.
    (unset CUDA_HOME && install "$here"/fairseq/*.tar.gz)
    printf '#!/bin/sh\\nexec "%s" -m fairseq_see.cli.main "$@"\\n' "$python" >"$env/lib/bin/fairseq-see"
    chmod +x "$env/lib/bin/fairseq-see" && touch "$env/complete"
fi
status=0
"${{limit[@]}}" "$python" -m snakemake -s "$here/source/experiments/Snakefile" -d "$here/work" "$@" {target} \\
    --config "${{minutes[@]}}" prepared="$here/prepared" {config} || status=$?
cd -- "$here/work"
find . -path ./env -prune -o -path '*/cells/*' \\
    '(' -name '*.json' -o -name '*.hyp*' -o -name '*.ref*' -o -name train.log ')' -print |
    tar -czf "$here/results.tar.gz" -T -
exit "$status"
"""


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
    target, config = shlex.quote(words[0]), " ".join(map(shlex.quote, words[1:]))
    with TemporaryDirectory() as scratch:
        stage = Path(scratch)
        for name, version in sorted(versions.items()):
            _download(f"{name}=={version}", stage / "wheels", python, platform)
        _pip(
            "download", "--no-deps", "--no-build-isolation", "--no-binary=:all:", "-d", str(stage / "fairseq"), fairseq
        )
        for name in SOURCE:
            source, copy = ROOT / name, _made(stage / "source") / name
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        (stage / "source/COMMIT").write_text(commit() + "\n", encoding="utf-8")
        # With their dates: Snakemake makes anew what is older than its input. HowNet's senses are not ours to pass on.
        shutil.copytree(prepared, stage / "prepared", ignore=shutil.ignore_patterns("openhownet-*.tsv", ".*"))
        (stage / "run.sh").write_text(RUN.format(target=target, config=config), encoding="utf-8")
        with replacing(archive) as temporary, tarfile.open(temporary, "w:gz") as file:
            for part in sorted(stage.iterdir()):
                file.add(part, part.name, filter=lambda item: None if "__pycache__" in item.name else item)


def _download(requirement: str, folder: Path, python: str, platform: str) -> None:
    """A wheel for the other machine; one of plain Python is made here where none is published."""
    tags = [f"--platform={tag}" for tag in list_platforms(platform)]
    only = ("--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *tags)
    try:
        _pip("download", "--no-deps", "-d", str(folder), *only, requirement)
    except SeeError:
        with TemporaryDirectory() as scratch:
            _pip("wheel", "--no-deps", "-w", scratch, requirement)
            (wheel,) = Path(scratch).iterdir()
            if not wheel.name.endswith("-none-any.whl"):
                raise SeeError(f"there is no wheel of {requirement} for Python {python} on {platform}") from None
            shutil.copy(wheel, _made(folder))


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--no-input", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SeeError(f"pip cannot {words[0]} {words[-1]}: {done.stderr.strip().splitlines()[-1]}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> int:
    """Pack."""
    parser = argparse.ArgumentParser(prog="python -m experiments.offline", description=main.__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--platform", default="manylinux_2_28_x86_64")
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("words", nargs="+", metavar="TARGET [NAME=VALUE ...]")
    args = parser.parse_args()
    with ends_in_one_line():
        pack(args.archive, args.python, args.platform, args.prepared, args.words)
        print(f"{args.archive}: {args.archive.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
