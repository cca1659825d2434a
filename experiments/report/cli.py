"""``python -m experiments report``: what trained models cost and how well they translate."""

import argparse
import sys
from pathlib import Path

from fairseq_see.errors import SeeError

HELP = (
    "compare trained runs: parameters, true ratio, bytes with the index, BLEU, chrF; as a list or, with --out, in full"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "runs",
        metavar="RUN",
        type=Path,
        nargs="+",
        help="folders of scripts/train.sh, scored; with --out and --records also folders of such folders",
    )
    parser.add_argument(
        "--over-seeds",
        action="store_true",
        help="one row for runs that differ in the seed alone: means, with the range",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument("--markdown", action="store_true", help="print Markdown, with what made the results")
    form.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="write report.html, .md, .tex and .csv there: the paper's tables beside these runs, seeds, significance, "
        "words by frequency, curves, plots, and why cells are empty",
    )
    form.add_argument(
        "--records",
        metavar="DIR",
        type=Path,
        help="write DIR/NAME.json for each scored run, small enough to be committed: scores with their signatures, "
        "sizes, dev perplexity, settings, data, time, commit and machine; runs may be folders of such folders",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="with --out: folder of scripts/prepare.sh with training text, and with references where runs keep none "
        "(default: where each run was trained)",
    )


def run(args: argparse.Namespace) -> None:
    """Read checkpoints and scores; print a row for each run and test set, or write the report."""
    # Here, not above: they take time to import, and every subcommand's module is imported to build the parser.
    from experiments.report import listing
    from experiments.report.records import write_records
    from experiments.report.runs import read_results
    from experiments.report.seeds import over_seeds
    from experiments.report.write import write

    for name, folder in (("--out", args.out), ("--records", args.records)):
        if folder and folder.exists() and not folder.is_dir():
            raise SeeError(f"{name} {folder} is no folder; choose another")
    if args.data and not args.data.is_dir():
        raise SeeError(f"no folder {args.data} (--data)")
    if args.out:
        if args.over_seeds:
            raise SeeError("--out always joins seeds; leave --over-seeds out")
        print("\n".join(map(str, write(args.runs, args.out, args.data))))
        return
    if args.data:
        raise SeeError("--data goes with --out")
    if args.records:
        if args.over_seeds:
            raise SeeError("--records has a file for each run; leave --over-seeds out")
        written, missing = write_records(args.runs, args.records)
        print("\n".join(map(str, written)))
        for run in missing:
            print(f"warning: no record of {run.name}: {run.reason}", file=sys.stderr)
        return
    results = [result for path in args.runs for result in read_results(path)]
    runs = dict.fromkeys(result.run for result in results)
    if args.over_seeds:
        results = over_seeds(results)
    if args.markdown:
        listing.as_markdown(results, runs)
    elif args.json:
        listing.as_json(results)
    else:
        listing.as_table(results)
