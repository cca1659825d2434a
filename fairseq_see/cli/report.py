"""``fairseq-see report``: what trained models cost and how well they translate, in one table."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fairseq_see.errors import SeeError

HELP = "compare trained runs: embedding parameters, true ratio, bytes with the index, BLEU, chrF"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="folders of scripts/train.sh, scored")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> None:
    """Read checkpoints and scores; print a row for each run and test set."""
    rows = [row for path in args.runs for row in _rows(path)]
    if args.json:
        json.dump(rows, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return
    table = Table(title="embeddings of both sides (a tied output counts once), and what the models make of the test")
    for name in ("run", "method", "test"):
        table.add_column(name)
    for name in ("parameters", "ratio", "bytes (fp16 + index)", "ratio", "BLEU", "chrF"):
        table.add_column(name, justify="right")
    for row in rows:
        ratios = f"{row['dense_parameters'] / row['parameters']:.2f}x", f"{row['dense_bytes'] / row['bytes']:.2f}x"
        scores = [f"{row[name]:.1f}" if row[name] is not None else "-" for name in ("bleu", "chrf")]
        sizes = [f"{row['parameters']:,}", ratios[0], f"{row['bytes']:,}", ratios[1]]
        table.add_row(Path(row["run"]).name, row["method"], row["test"] or "-", *sizes, *scores)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    for signature in sorted({row["signature"] for row in rows if row["signature"]}):
        print(signature)


def _rows(path: Path) -> list[dict[str, Any]]:
    from fairseq_see.models.tables import load_embeddings

    checkpoint = path / "checkpoints" / "checkpoint_best.pt"
    if not checkpoint.is_file():
        raise SeeError(f"no {checkpoint}; train the run first (scripts/train.sh)")
    embeddings = load_embeddings(checkpoint).values()
    footprints = [embedding.footprint() for embedding in embeddings]
    dense = sum(embedding.num_embeddings * embedding.embedding_dim for embedding in embeddings)
    cost = {
        "run": str(path),
        "method": next(iter(embeddings)).method,
        "parameters": sum(footprint.parameters for footprint in footprints),
        "bytes": sum(footprint.bytes for footprint in footprints),
        "dense_parameters": dense,
        "dense_bytes": 2 * dense,
    }
    names = ("test", "bleu", "chrf", "tokenised_bleu", "signature")
    scores = [_read(file) for file in sorted(path.glob("*.scores.json"))] or [dict.fromkeys(names)]
    return [cost | {name: score.get(name) for name in names} for score in scores]


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SeeError(f"cannot read {path}: {error}; score the run again (scripts/score.sh)") from error
