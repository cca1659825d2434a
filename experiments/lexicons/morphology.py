"""``python -m experiments morphology``: a model of morphology for polyglot."""

import argparse
import shlex
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines
from fairseq_see.units.morphology.morfessor import train_baseline

HELP = "train a Morfessor model on the words of a text, for polyglot (fairseq-see index --morphology polyglot)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    text = "tokenised text, before BPE, such as tok/train.en"
    parser.add_argument("--corpus", metavar="FILE", type=Path, required=True, help=text)
    parser.add_argument("--lang", metavar="CODE", required=True, help="its language, such as en")
    text = "what POLYGLOT_DATA_PATH will be; models of several languages can share it"
    parser.add_argument("--output", metavar="FOLDER", type=Path, required=True, help=text)
    parser.add_argument("--seed", type=int, default=1, help="of the training (default: %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Train, write, and print the line for the shell that makes polyglot find the model."""
    words = {word for line in read_lines(args.corpus) for word in line.split()}
    print(f"training morfessor on {len(words):,} words (about a minute per 40,000)", file=sys.stderr, flush=True)
    archive = write_model(words, args.output, args.lang, args.seed)
    print(f"wrote {archive}: {archive.stat().st_size:,} bytes", file=sys.stderr)
    print(f"export POLYGLOT_DATA_PATH={shlex.quote(str(args.output.absolute()))}")


def write_model(words: Iterable[str], data_path: str | Path, language: str, seed: int = 1) -> Path:
    """Train Morfessor Baseline and put the model where polyglot looks if POLYGLOT_DATA_PATH is ``data_path``.

    An earlier model that was written by this function is replaced.

    Args:
        words: each type counts once, in lower case; see :func:`train_baseline`.
        data_path: models of several languages can share it.
        language: polyglot's code of the language, such as ``en``.
        seed: of the training; the same types and seed give the same bytes.

    Returns:
        The archive.

    Raises:
        SeeError: no words, a folder that cannot be written to, or another file where the model has to be alone.
    """
    folder = Path(data_path, "polyglot_data", "morph2", language)
    archive = folder / f"morph2.{language}.tar.bz2"
    try:
        others = [file for file in folder.iterdir() if file != archive] if folder.is_dir() else []
        if others:
            raise SeeError(f"{others[0]} is in the way: polyglot would read it or the new model; move it elsewhere")
        # Made beside polyglot's folder, not in it, for polyglot reads any file there; and before the training, to know
        # at once whether it can be written.
        Path(data_path).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=data_path) as scratch:
            packed = _pack(train_baseline(words, seed), Path(scratch, archive.name))
            folder.mkdir(parents=True, exist_ok=True)
            packed.replace(archive)
    except OSError as error:
        raise SeeError(f"cannot write {archive}: {error.strerror or error}; choose another folder") from error
    return archive


def _pack(model: object, path: Path) -> Path:
    """A ``morfessor.BaselineModel`` as the only member of an archive, with nothing of this machine or of today."""
    import morfessor

    binary = path.with_suffix(".model")
    morfessor.MorfessorIO().write_binary_model_file(str(binary), model)
    member = tarfile.TarInfo("morfessor.model")
    member.size = binary.stat().st_size
    with tarfile.open(path, "w:bz2") as archive, binary.open("rb") as content:
        archive.addfile(member, content)
    return path
