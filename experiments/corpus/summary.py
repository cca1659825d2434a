"""What cleaning kept and dropped of several sets, from the reports of ``python -m experiments clean``.

The scripts run it: ``python -m experiments.corpus.summary [--json] FOLDER NAME...`` reads FOLDER/NAME.json.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from experiments.corpus.clean import REASONS, Report


def render(reports: Mapping[str, Report]) -> str:
    """A table to read, a set a row."""
    rows = [["set", "read", "kept", *REASONS, "beyond --max-pairs"]]
    for name, report in reports.items():
        counts = [report.read, report.kept, *(report.faults[reason] for reason in REASONS), report.beyond]
        rows.append([name if report.filtered else f"{name} *", *(f"{count:,}" for count in counts)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    if any(not report.filtered for report in reports.values()):
        lines.append("* nothing is dropped from a test set; the reasons tell what is unusual in it")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or all reports as one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m experiments.corpus.summary", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    reports = {name: json.loads((args.folder / f"{name}.json").read_text(encoding="utf-8")) for name in args.names}
    read = {name: Report.from_dict(report) for name, report in reports.items()}
    print(json.dumps(reports, indent=2) if args.json else render(read))


if __name__ == "__main__":
    main()
