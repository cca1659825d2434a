"""What cleaning kept and dropped of several sets, from the reports of ``python -m experiments clean``.

python -m experiments.corpus.summary FOLDER NAME ...      reads FOLDER/NAME.json
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas


def format_reports(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """A table to read, a set a row, of the fields of ``clean.Report`` by the name of the set."""
    reasons = list(next(iter(reports.values()))["faults"])
    rows = []
    for name, report in reports.items():
        beyond = report["read"] - report["kept"] - sum(report["faults"].values()) if report["filtered"] else 0
        counts = [report["read"], report["kept"], *(report["faults"][reason] for reason in reasons), beyond]
        rows.append([name if report["filtered"] else f"{name} *", *(f"{count:,}" for count in counts)])
    columns = ["set", "read", "kept", *(f"dropped: {reason}" for reason in reasons), "beyond --max-pairs"]
    table = pandas.DataFrame(rows, columns=columns).set_index("set").T.to_string()
    unfiltered = not all(report["filtered"] for report in reports.values())
    return table + "\n* nothing is dropped from a test set; the reasons name what is unusual in it" * unfiltered


if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    print(format_reports({name: json.loads(Path(folder, f"{name}.json").read_text("utf-8")) for name in names}))
