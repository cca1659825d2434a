"""``python -m experiments clean``: raw parallel text -> text fit for training."""

import argparse
import math
import sys

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.corpus.clean import Limits, Report, clean, outputs
from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs, write_json

HELP = "normalise line-aligned parallel text and drop the pairs that are unfit for training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    limits = Limits()
    parser.add_argument("source", metavar="SOURCE", help="text, UTF-8, a sentence a line")
    parser.add_argument("target", metavar="TARGET", help="text of the other language, aligned with it")
    parser.add_argument("--source-lang", default="zh", metavar="CODE", help="default: %(default)s")
    parser.add_argument("--target-lang", default="en", metavar="CODE", help="default: %(default)s")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="writes PREFIX.CODE for each language")
    parser.add_argument(
        "--max-words",
        type=_positive(int),
        default=limits.max_words,
        metavar="N",
        help="words, or ideographs, of the longest sentence (default: %(default)s)",
    )
    parser.add_argument(
        "--max-chars",
        type=_positive(int),
        default=limits.max_chars,
        metavar="N",
        help="characters of the longest sentence (default: %(default)s)",
    )
    parser.add_argument(
        "--max-ratio",
        type=_positive(float),
        default=limits.max_ratio,
        metavar="X",
        help="how many times more words, or ideographs, one side may have (default: %(default)s)",
    )
    parser.add_argument("--max-pairs", type=_positive(int), metavar="N", help="keep only the first N fit pairs")
    parser.add_argument("--keep-duplicates", action="store_true", help="keep pairs that were there before")
    parser.add_argument(
        "--no-filter",
        action="store_true",
        help="normalise only, and keep every line: for test sets, which have references",
    )
    parser.add_argument("--report", metavar="FILE", help="write the counts to a JSON file too")


def run(args: argparse.Namespace) -> None:
    """Clean, then show the counts."""
    if args.no_filter and args.max_pairs:
        raise SeeError("--no-filter keeps every line, --max-pairs does not; choose one")
    languages = (args.source_lang, args.target_lang)
    check_outputs({**outputs(args.output, languages), "--report": args.report}, (args.source, args.target))
    report = clean(
        args.source,
        args.target,
        args.output,
        languages=languages,
        limits=Limits(args.max_words, args.max_chars, args.max_ratio),
        keep_duplicates=args.keep_duplicates,
        max_pairs=args.max_pairs,
        filtered=not args.no_filter,
    )
    if args.report:
        write_json(args.report, report.as_dict())
    _show(report)
    if report.without_chinese * 2 > report.read:
        print(
            "warning: most lines of the Chinese text have no Chinese character; is it the right file?", file=sys.stderr
        )


def _show(report: Report) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_footer=True)
    table.add_column("pairs", footer="kept")
    table.add_column("", f"{report.kept:,}", justify="right")
    table.add_column("", f"{report.kept / report.read:.1%}", justify="right")
    table.add_row("read", f"{report.read:,}", "")
    verb = "dropped" if report.filtered else "kept, though"
    for reason, count in report.faults.items():
        if count == 0:
            continue
        table.add_row(f"{verb}: {reason}", f"{count:,}", f"{count / report.read:.1%}")
    if report.beyond:
        table.add_row("beyond --max-pairs", f"{report.beyond:,}", f"{report.beyond / report.read:.1%}")
    Console().print(table)


def _positive(number: type) -> type:
    def parse(text: str) -> float:
        value = number(text)
        # JSON, which the report is, has no infinity.
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not a finite number above 0")
        return value

    parse.__name__ = number.__name__
    return parse  # type: ignore[return-value]
