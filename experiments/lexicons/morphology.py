"""``python -m experiments morphology``: a model of morphology for polyglot."""

import argparse
import shlex
import sys
from pathlib import Path

from fairseq_see.io import read_lines
from fairseq_see.units.languages import LANGUAGES
from fairseq_see.units.morphology.polyglot import write_model

HELP = "train a Morfessor model on the words of a text, for polyglot (fairseq-see index --morphology polyglot)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--corpus", metavar="FILE", type=Path, required=True, help="tokenized text, before BPE, such as tok/train.en"
    )
    parser.add_argument("--lang", choices=LANGUAGES, required=True, help="its language")
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="what POLYGLOT_DATA_PATH will be; models of several languages can share it",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the training (default: %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Train, write, and print the line for the shell that makes polyglot find the model."""
    words = {word for line in read_lines(args.corpus) for word in line.split()}
    print(f"training morfessor on {len(words):,} words (about a minute per 40,000)", file=sys.stderr, flush=True)
    archive = write_model(words, args.output, args.lang, args.seed)
    print(f"wrote {archive}: {archive.stat().st_size:,} bytes", file=sys.stderr)
    print(f"export POLYGLOT_DATA_PATH={shlex.quote(str(args.output.absolute()))}")
