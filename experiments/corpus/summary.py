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
    columns = {}
    for name, report in reports.items():
        counts = {"read": report["read"], "kept": report["kept"]}
        counts |= {f"dropped: {reason}": count for reason, count in report["faults"].items()}
        beyond = report["read"] - report["kept"] - sum(report["faults"].values()) if report["filtered"] else 0
        columns[name if report["filtered"] else f"{name} *"] = counts | {"beyond --max-pairs": beyond}
    table = pandas.DataFrame(columns).rename_axis(columns="set").map("{:,}".format).to_string()
    unfiltered = not all(report["filtered"] for report in reports.values())
    return table + "\n* nothing is dropped from a test set; the reasons name what is unusual in it" * unfiltered


if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    print(format_reports({name: json.loads(Path(folder, f"{name}.json").read_text("utf-8")) for name in names}))
