"""Results as a list, a row for each: for a terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.report import provenance
from experiments.report.runs import Result

COLUMNS = ("run", "method", "test", "updates", "parameters", "ratio", "bytes (fp16 + index)", "ratio", "BLEU", "chrF")


def as_table(results: Sequence[Result]) -> None:
    """Print for a terminal."""
    table = Table(title="embeddings of both sides (a tied output counts once), and what the models make of the test")
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if number < 3 else "right")
    for result in results:
        table.add_row(*map(escape, _cells(result)))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    print("\n".join(signatures(results)))


def as_markdown(results: Sequence[Result], runs: Iterable[str]) -> None:
    """Print Markdown, with what made the results: the ``runs``, more than results where these are means over seeds."""
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * 3 + "---:|" * (len(COLUMNS) - 3))
    print("\n".join("| " + " | ".join(_cells(result)) + " |" for result in results))
    seeds = sorted({seed for result in results for seed in str(result.seed).split(", ")})
    code, machine = provenance.trained(runs)
    made = f"seed {', '.join(seeds)}; trained at commit {code}"
    print("\n" + "\n".join(f"- {line}" for line in (*signatures(results), made, machine)))


def as_json(results: Sequence[Result]) -> None:
    """Print JSON."""
    json.dump([result.as_dict() for result in results], sys.stdout, indent=2, ensure_ascii=False, default=str)
    print()


def signatures(results: Sequence[Result]) -> list[str]:
    """Of sacrebleu, each once."""
    return sorted({result.signature for result in results if result.signature})


def _cells(result: Result) -> list[str]:
    ratios = [f"{ratio:.2f}x" for ratio in (result.ratio, result.dense_bytes / result.bytes)]
    head = [result.name, result.method, result.test or "-", f"{result.updates:,}"]
    scores = [_score(result, name) for name in ("bleu", "chrf")]
    return [*head, f"{result.parameters:,}", ratios[0], f"{result.bytes:,}", ratios[1], *scores]


def _score(result: Result, name: str) -> str:
    value = getattr(result, name)
    if value is None:
        return "-"
    lowest, highest = result.range.get(name, (0, 0))
    return f"{value:.1f}" + (f" ({lowest:.1f}-{highest:.1f})" if lowest < highest else "")
