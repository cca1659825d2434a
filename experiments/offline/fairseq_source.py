"""fairseq's source, cut down to what translation needs.

    python -m experiments.offline.fairseq_source SDIST OUTPUT

Left out are the examples (most of its bytes), the three modules that need scikit-learn and scipy (44 MB of wheels) and
the extensions in C++ for other tasks, on the processor or on CUDA. The three that remain take seconds to compile, not
minutes, and need no headers of torch.
"""

import argparse
import io
import re
import sys
import tarfile
import zlib
from pathlib import Path

from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replacing

KEPT = re.compile(r"LICENSE|fairseq/(?!examples/).+|fairseq_cli/.+")
DROPPED = (
    "fairseq/criterions/sentence_prediction.py",
    "fairseq/criterions/sentence_prediction_adapters.py",
    "fairseq/tasks/audio_classification.py",
)
ABSENT = re.compile(rb"^(?:from|import) (sklearn|scipy|torchaudio|pandas)\b", re.M)
# Fixed, so that the same source makes the same archive; zip files know no time before 1980.
TIME = 946_684_800

SETUP = """\
import numpy
from setuptools import Extension, find_packages, setup


def extension(name, *sources):
    return Extension(
        name, list(sources), include_dirs=[numpy.get_include()], language="c++", extra_compile_args=["-O3", "-g0"]
    )


setup(
    name="fairseq-fixed",
    version={version!r},
    packages=find_packages(include=["fairseq", "fairseq.*", "fairseq_cli", "fairseq_cli.*"]),
    package_data={{"fairseq": ["version.txt", "config/*.yaml", "config/**/*.yaml"]}},
    ext_modules=[
        extension("fairseq.libbleu", "fairseq/clib/libbleu/libbleu.cpp", "fairseq/clib/libbleu/module.cpp"),
        extension("fairseq.data.data_utils_fast", "fairseq/data/data_utils_fast.pyx"),
        extension("fairseq.data.token_block_utils_fast", "fairseq/data/token_block_utils_fast.pyx"),
    ],
    options={{"build_ext": {{"parallel": 3}}}},
    zip_safe=False,
)
"""
PYPROJECT = """\
[build-system]
requires = ["setuptools", "wheel", "cython", "numpy"]
build-backend = "setuptools.build_meta"
"""


def cut_down(sdist: Path, output: Path) -> None:
    """Write the smaller source archive.

    Raises:
        SeeError: the archive is damaged, is not fairseq's, or needs a package that a bundle does not have.
    """
    try:
        with tarfile.open(sdist) as archive:
            files = {
                member.name.partition("/")[2]: archive.extractfile(member).read()  # type: ignore[union-attr]
                for member in archive.getmembers()
                if member.isfile()
            }
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise SeeError(f"cannot read {sdist}: {error}") from error
    version = files.get("fairseq/version.txt", b"").decode().strip()
    if not version or not set(DROPPED) <= files.keys():
        raise SeeError(f"{sdist} is not the source of fairseq that this package knows")
    kept = {name: data for name, data in files.items() if KEPT.fullmatch(name) and name not in DROPPED}
    for name, data in kept.items():
        if name.endswith(".py") and (found := ABSENT.search(data)):
            raise SeeError(f"{sdist}: {name} needs {found[1].decode()}, which is not packed")
    kept["fairseq/version.py"] = f"__version__ = {version!r}\n".encode()
    kept["setup.py"] = SETUP.format(version=version).encode()
    kept["pyproject.toml"] = PYPROJECT.encode()
    with replacing(output) as temporary, tarfile.open(temporary, "w:gz") as archive:
        for name in sorted(kept):
            member = tarfile.TarInfo(f"fairseq_fixed-{version}/{name}")
            member.size, member.mtime = len(kept[name]), TIME
            archive.addfile(member, io.BytesIO(kept[name]))


def main() -> int:
    """Cut down one archive."""
    parser = argparse.ArgumentParser(prog="python -m experiments.offline.fairseq_source", description=main.__doc__)
    for name in ("sdist", "output"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    with ends_in_one_line():
        cut_down(args.sdist, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
