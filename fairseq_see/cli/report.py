"""``fairseq-see report``: what trained models cost and how well they translate, in one table."""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from fairseq_see.errors import SeeError

SCORES = ("bleu", "chrf", "tokenised_bleu")

COLUMNS = ("run", "method", "test", "updates", "parameters", "ratio", "bytes (fp16 + index)", "ratio", "BLEU", "chrF")

# Of a checkpoint's configuration, what two runs that differ in their seed alone have in common.
SETTING = ("common", "task", "model", "criterion", "optimizer", "lr_scheduler", "optimization", "dataset")

HELP = "compare trained runs: embedding parameters, true ratio, bytes with the index, BLEU, chrF"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="folders of scripts/train.sh, scored")
    parser.add_argument(
        "--over-seeds",
        action="store_true",
        help="one row for runs that differ in the seed alone: means, with the range",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument("--markdown", action="store_true", help="print Markdown, with what made the results")


def run(args: argparse.Namespace) -> None:
    """Read checkpoints and scores; print a row for each run and test set."""
    rows = [row for path in args.runs for row in _rows(path)]
    if args.over_seeds:
        rows = _over_seeds(rows)
    if args.json:
        json.dump(rows, sys.stdout, indent=2, ensure_ascii=False, default=str)
        print()
        return
    cells = [_cells(row) for row in rows]
    signatures = sorted({row["signature"] for row in rows if row["signature"]})
    if args.markdown:
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * 3 + "---:|" * (len(COLUMNS) - 3))
        print("\n".join("| " + " | ".join(line) + " |" for line in cells))
        print("\n" + "\n".join(f"- {line}" for line in (*signatures, *_provenance(rows))))
        return
    table = Table(title="embeddings of both sides (a tied output counts once), and what the models make of the test")
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if number < 3 else "right")
    for line in cells:
        table.add_row(*line)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    print("\n".join(signatures))


def _cells(row: dict[str, Any]) -> list[str]:
    ratios = (row[f"dense_{name}"] / row[name] for name in ("parameters", "bytes"))
    parameters, size = (f"{ratio:.2f}x" for ratio in ratios)
    scores = [_score(row, name) for name in ("bleu", "chrf")]
    head = [Path(row["run"]).name, row["method"], row["test"] or "-", f"{row['updates']:,}"]
    return [*head, f"{row['parameters']:,}", parameters, f"{row['bytes']:,}", size, *scores]


def _score(row: dict[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    lowest, highest = row.get("range", {}).get(name, (0, 0))
    return f"{row[name]:.1f}" + (f" ({lowest:.1f}-{highest:.1f})" if lowest < highest else "")


def _over_seeds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for those of equal setting and test set: the first, with means of scores and updates, and ranges."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(json.dumps([row["setting"], row["test"]], sort_keys=True, default=str), []).append(row)
    merged = []
    for group in groups.values():
        seeds = sorted(str(row["seed"]) for row in group)
        if len(set(seeds)) < len(group):
            raise SeeError(f"{group[0]['run']} and another run have the same settings and seed; name one of them")
        row = group[0] | {"seed": ", ".join(seeds), "updates": round(fmean(row["updates"] for row in group))}
        if len(group) > 1:
            row["range"] = {}
            for name in SCORES:
                values = [other[name] for other in group]
                row[name] = None if None in values else fmean(values)
                if row[name] is not None:
                    row["range"][name] = (min(values), max(values))
            row["run"] = f"{group[0]['run']} and {len(group) - 1} more"
        merged.append(row)
    return merged


def _provenance(rows: list[dict[str, Any]]) -> list[str]:
    """What has to be known to make the results again."""
    import fairseq
    import torch

    repository = Path(__file__).resolve().parents[2]
    git = subprocess.run(
        ["git", "-C", repository, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    seeds = sorted({seed for row in rows for seed in str(row["seed"]).split(", ")})
    return [
        f"seed {', '.join(seeds)}; commit {git.stdout.strip() or 'unknown'}",
        f"torch {torch.__version__}, fairseq {fairseq.__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores of {_processor()}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _rows(path: Path) -> list[dict[str, Any]]:
    from fairseq_see.models.tables import load_checkpoint, load_embeddings, updates_of

    checkpoint = path / "checkpoints" / "checkpoint_best.pt"
    if not checkpoint.is_file():
        raise SeeError(f"no {checkpoint}; train the run first (scripts/train.sh)")
    state = load_checkpoint(checkpoint)
    embeddings = list(load_embeddings(checkpoint, state).values())
    footprints = [embedding.footprint() for embedding in embeddings]
    dense = sum(embedding.num_embeddings * embedding.embedding_dim for embedding in embeddings)
    cost = {
        "run": str(path),
        "method": _method(embeddings[0]),
        "parameters": sum(footprint.parameters for footprint in footprints),
        "bytes": sum(footprint.bytes for footprint in footprints),
        "dense_parameters": dense,
        "dense_bytes": 2 * dense,
        "updates": updates_of(state),
        "seed": state["cfg"].get("common", {}).get("seed"),
        "setting": {name: _chosen(state["cfg"].get(name)) for name in SETTING},
    }
    names = ("test", *SCORES, "signature")
    files = sorted(path.glob("*.scores.json"))
    for file in files:
        if file.stat().st_mtime < checkpoint.stat().st_mtime:
            print(f"warning: {file} is older than {checkpoint}; score it again (scripts/score.sh)", file=sys.stderr)
    scores = [_read(file) for file in files] or [dict.fromkeys(names)]
    return [cost | {name: score.get(name) for name in names} for score in scores]


def _chosen(section: Any) -> dict[str, Any]:
    """A section of the configuration as the user chose it."""
    from fairseq_see.models.tables import options_in

    return {
        name: value for name, value in options_in(section).items() if name not in ("see_resolved", "seed", "save_dir")
    }


def _method(embedding: Any) -> str:
    """Its name, and the control that its unit index is, if any."""
    index = getattr(embedding, "index", None)
    control = index.shape.get("provenance", {}).get("control") if index else None
    return f"{embedding.method}, {control}" if control else embedding.method


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SeeError(f"cannot read {path}: {error}; score the run again (scripts/score.sh)") from error
