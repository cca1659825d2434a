"""``python -m experiments clean``: raw parallel text -> text fit for training."""

import argparse
import sys

from experiments.corpus.clean import Limits, clean
from fairseq_see.errors import SeeError

HELP = "normalise line-aligned parallel text and drop the pairs that are unfit for training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    limits = Limits()
    parser.add_argument("source", metavar="SOURCE", help="text, UTF-8, a sentence a line")
    parser.add_argument("target", metavar="TARGET", help="text of the other language, aligned with it")
    parser.add_argument("--source-lang", default="zh", metavar="CODE", help="default: %(default)s")
    parser.add_argument("--target-lang", default="en", metavar="CODE", help="default: %(default)s")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="writes PREFIX.CODE for each language")
    text = "words, or ideographs, of the longest sentence (default: %(default)s)"
    parser.add_argument("--max-words", type=int, default=limits.max_words, metavar="N", help=text)
    text = "characters of the longest sentence (default: %(default)s)"
    parser.add_argument("--max-chars", type=int, default=limits.max_chars, metavar="N", help=text)
    text = "how many times more words, or ideographs, one side may have (default: %(default)s)"
    parser.add_argument("--max-ratio", type=float, default=limits.max_ratio, metavar="X", help=text)
    parser.add_argument("--max-pairs", type=int, metavar="N", help="keep only the first N fit pairs")
    parser.add_argument("--keep-duplicates", action="store_true", help="keep pairs that were there before")
    text = "normalise only, and keep every line: for test sets, which have references"
    parser.add_argument("--no-filter", action="store_true", help=text)
    parser.add_argument("--report", metavar="FILE", help="write the counts to a JSON file too")


def run(args: argparse.Namespace) -> None:
    """Clean, then show the counts."""
    # Here, not above: pandas takes a second to import, and every command's module is imported to build the parser.
    from experiments.corpus.summary import format_reports

    if args.no_filter and args.max_pairs:
        raise SeeError("--no-filter keeps every line, --max-pairs does not; choose one")
    if args.max_pairs is not None and args.max_pairs < 1:
        raise SeeError(f"--max-pairs {args.max_pairs}: at least 1")
    report = clean(
        args.source,
        args.target,
        args.output,
        languages=(args.source_lang, args.target_lang),
        limits=Limits(args.max_words, args.max_chars, args.max_ratio),
        keep_duplicates=args.keep_duplicates,
        max_pairs=args.max_pairs,
        filtered=not args.no_filter,
        report_file=args.report,
    )
    print(format_reports({args.output: vars(report)}))
    if report.without_chinese * 2 > report.read:
        print(
            "warning: most lines of the Chinese text have no Chinese character; is it the right file?", file=sys.stderr
        )
