"""``fairseq-see add-words``: further words for an exported model, without training."""

import argparse
import sys
from pathlib import Path

from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines
from fairseq_see.units import Senses

HELP = "add words to an exported model, whose embeddings are made of the vectors it has"

SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("folder", metavar="FOLDER", type=Path, help="what fairseq-see export wrote")
    add("--words", metavar="FILE", type=Path, required=True, help="the words, one a line")
    senses = "language, word, sense number, sememes; of the words at least (without it: morphemes alone)"
    add("--senses", metavar="TSV", type=Path, help=senses)
    side = "which dictionary takes the words (default: %(default)s; a joined one takes them for both)"
    add("--side", choices=("source", "target"), default="source", help=side)
    index = "the unit index that the model was trained with (default: where it was at the training)"
    add("--index", metavar="FILE", type=Path, help=index)
    add("--output", "-o", metavar="FOLDER", type=Path, help="the new model (default: replace FOLDER)")


def run(args: argparse.Namespace) -> None:
    """Write the model, and report what became of each word."""
    from fairseq_see.models.add_words import add_words

    words = [word for word in map(str.strip, read_lines(args.words)) if word]
    if not words:
        raise SeeError(f"{args.words} has no words; write one a line")
    senses = Senses.load(args.senses) if args.senses else None
    output = args.output or args.folder
    found = add_words(args.folder, output, words, senses, args.side, args.index)
    for word, problem in found.refused.items():
        print(f"left out {word}: {problem}", file=sys.stderr)
    print(f"{output}: {len(found.added):,} words added, {len(found.refused):,} left out")
    for label, some in (("without senses", found.senseless), ("lacking a unit", found.partial)):
        if some:
            print(f"{label}: {len(some):,}: {' '.join(some[:SHOWN])}{' ...' if len(some) > SHOWN else ''}")
