"""``python -m experiments report``: what trained models cost and how well they translate."""

import argparse
from pathlib import Path

from fairseq_see.errors import SeeError

HELP = "compare runs: parameters, true ratio, bytes with the index, scores; as a list or, with --out, in full"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="folders of runs, or folders of such folders")
    parser.add_argument("--over-seeds", action="store_true", help="average runs that differ in the seed alone")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument("--markdown", action="store_true", help="print Markdown, with what made the results")
    form.add_argument("--out", metavar="DIR", type=Path, help="write report.html, .md, .tex and .csv there")
    text = "add a row for each run, in place of an earlier one of it"
    form.add_argument("--results", metavar="FILE.csv", type=Path, help=text)
    text = "with --out: tokenised target side of the training text, for F1 by frequency (default: that of each run)"
    parser.add_argument("--training-words", metavar="FILE", type=Path, help=text)


def run(args: argparse.Namespace) -> None:
    """Read run records; print a row for each run and test set, or write the report or the results."""
    # Here, not above: pandas takes a second to import, and every command's module is imported to build the parser.
    from experiments import results
    from experiments.report import page, tables

    if args.training_words and not args.training_words.is_file():
        raise SeeError(f"no file {args.training_words} (--training-words)")
    runs = results.read_runs(args.runs)
    if args.out:
        print(*page.write_report(runs, args.out, args.training_words), sep="\n")
    elif args.results:
        results.update_results(args.results, runs)
        print(args.results)
    else:
        values, table = tables.list_runs(runs, args.over_seeds)
        if args.json:
            print(values.to_json(orient="records", indent=2, force_ascii=False, default_handler=str))
        else:
            style = "pipe" if args.markdown else "simple"
            print(tables.format_table([*table.frame], table.frame.to_numpy(), table.words, style))
    if args.markdown:
        _, made = tables.describe_runs(runs)
        print("", *(f"- {name}: {value}" for name, value in made.frame.to_numpy()), sep="\n")
