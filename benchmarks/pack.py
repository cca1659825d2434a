"""Packages for benchmarks/gpu.sh on a machine without network: all but torch and numpy, unpacked, some 35 MB.

python benchmarks/pack.py FOLDER [--python 3.12] [--platform TAG]

fairseq is not compiled: nothing that is measured needs its extensions. Trainings need one, which sorts sentences into
batches; its C++ is written here and compiled there in seconds.
"""

import argparse
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import offline

# What fairseq and this checkout import. Of fairseq go the examples, and what would need scikit-learn.
PACKAGES = ("hydra-core", "sacrebleu", "bitarray", "regex", "tqdm", "safetensors", "pyyaml", "pytest", "tabulate")
LEFT_OUT = ("fairseq/examples/", "fairseq/tasks/audio_classification", "fairseq/criterions/sentence_prediction")
COMPILED = "fairseq/data/data_utils_fast.pyx"


def pack(folder: Path, python: str, platform: str) -> None:
    """Unpack everything but torch and numpy to a folder that is put on the other machine's PYTHONPATH."""
    versions = offline.find_versions((*PACKAGES, "fairseq-fixed"))
    with TemporaryDirectory() as scratch:
        fairseq = f"fairseq-fixed=={versions['fairseq-fixed']}"
        offline.run_pip("download", "--no-deps", "--no-build-isolation", "--no-binary=:all:", "-d", scratch, fairseq)
        for name, version in offline.find_versions(PACKAGES).items():
            offline.download_wheel(f"{name}=={version}", Path(scratch), python, platform)
        for wheel in Path(scratch).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
        (source,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(source) as archive:
            for member in archive.getmembers():
                member.name = member.name.partition("/")[2]
                if member.name.startswith(("fairseq/", "fairseq_cli/")) and not member.name.startswith(LEFT_OUT):
                    archive.extract(member, folder, filter="data")
    subprocess.run([sys.executable, "-m", "cython", "-3", "--cplus", folder / COMPILED], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="of the other machine (default: 3.12)")
    parser.add_argument("--platform", default="manylinux_2_28_x86_64", help="newest tag that its pip takes")
    args = parser.parse_args()
    pack(args.folder, args.python, args.platform)
    size = sum(path.stat().st_size for path in args.folder.rglob("*"))
    print(f"{args.folder}: {size / 1e6:.0f} MB for Python {args.python}")


if __name__ == "__main__":
    main()
