"""``fairseq-see plan``: what every method comes to at every ratio, before anything is trained."""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fairseq_see.errors import InfeasibleRatio, SeeError

HELP = "print hyper-parameters, parameters, true ratio and bytes of each method for a prepared data folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("data", metavar="DATA", type=Path, help="folder with dict.LANG.txt")
    parser.add_argument("--index", metavar="FOLDER", type=Path, help="folder with dict.LANG.see (default: DATA)")
    parser.add_argument("--dim", type=int, default=512, metavar="D", help="embedding dimension (default: %(default)s)")
    parser.add_argument("--ratios", type=float, nargs="+", default=[10, 20, 40, 80], metavar="R", help="ratios to plan")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="methods (default: every compressing one)")
    parser.add_argument(
        "--layernorm",
        action=argparse.BooleanOptionalAction,
        help="a LayerNorm where the method has one, or none (default: as training has it)",
    )
    parser.add_argument("--whole-m", action="store_true", help="a whole m, as in the SEE paper, however coarse")
    parser.add_argument("--head", type=float, metavar="X", help="part of the units that shares half of all vectors")
    parser.add_argument("--share", type=float, metavar="X", help="vectors of a sememe for each of a morpheme")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Plan and print."""
    if args.dim < 1 or not all(0 < ratio < math.inf for ratio in args.ratios):
        raise SeeError("--dim and --ratios must be numbers above 0")
    plans = list(_plans(args))
    if args.json:
        json.dump(plans, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return 0
    table = Table(title=f"{args.data}, d = {args.dim}")
    for name, justify in (("side", "left"), ("method", "left"), ("asked", "right"), ("settings", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name in ("parameters", "ratio", "over used rows", "bytes (fp16)"):
        table.add_column(name, justify="right")
    for plan in plans:
        head = [plan["side"], plan["method"], f"{plan['asked']:g}x"]
        if "refused" in plan:
            table.add_row(*head, plan["refused"], "-", "-", "-", "-")
            continue
        settings = ", ".join(f"{name}={value}" for name, value in plan["settings"].items()) or "-"
        ratios = [f"{plan['ratio']:.2f}x", f"{plan['ratio_over_used_rows']:.2f}x"]
        table.add_row(*head, settings, f"{plan['parameters']:,}", *ratios, f"{plan['bytes']:,}")
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def _plans(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    # Here, not above: torch takes seconds to import, and every subcommand's module is imported to build the parser.
    import torch

    from fairseq_see.embeddings import REGISTRY, build, embedding_class, options_of, training_options
    from fairseq_see.units import UnitIndex, Vocabulary

    methods = args.methods or [method for method in sorted(REGISTRY) if REGISTRY[method].compresses]
    classes = {method: embedding_class(method) for method in methods}
    for path in dictionaries(args.data):
        vocabulary = Vocabulary.load(path)
        index_path = (args.index or args.data) / path.with_suffix(".see").name
        language = path.name.split(".")[1]
        used, rows = used_rows(args.data, language, vocabulary), len(vocabulary)
        for method, ratio in ((method, ratio) for method in methods for ratio in args.ratios):
            options: dict[str, Any] = {}
            takes = options_of(classes[method])
            if "index" in takes:
                if not index_path.is_file():
                    raise SeeError(f"no unit index at {index_path}; build it with fairseq-see index {path}")
                options["index"] = UnitIndex.load(index_path)
                options["index"].check_dictionary(vocabulary)
            for name in ("layernorm", "whole_m", "share", "head"):
                if (value := getattr(args, name)) is not None and name in takes:
                    options[name] = value
            options = training_options(classes[method], options)
            plan: dict[str, Any] = {"side": language, "rows": rows, "used_rows": used, "dim": args.dim}
            plan |= {"method": method, "asked": ratio}
            try:
                settings = classes[method].plan(ratio, rows, args.dim, **options)
            except InfeasibleRatio as error:
                yield plan | {"refused": str(error), "nearest": error.nearest}
                continue
            with torch.device("meta"):
                embedding = build(method, rows, args.dim, 1, **options, **settings)
            parameters, size = embedding.footprint()
            settings |= {"head": head} if (head := options.get("head")) else {}
            plan |= {"settings": settings, "parameters": parameters, "bytes": size, "ratio": embedding.ratio}
            yield plan | {"ratio_over_used_rows": embedding.ratio * used / rows}


def dictionaries(data: Path) -> list[Path]:
    """The ``dict.LANG.txt`` of a data folder."""
    found = sorted(data.glob("dict.*.txt"))
    if not found:
        raise SeeError(f"{data} holds no dict.LANG.txt; give a folder made by fairseq-preprocess")
    return found


def used_rows(data: Path, language: str, vocabulary: Any) -> int:
    """Rows that one side's training text uses; only with a joined dictionary are they fewer than the counted ones."""
    others = [path for path in dictionaries(data) if path.name != f"dict.{language}.txt"]
    binaries = sorted(data.glob(f"train.*.{language}.bin"))
    joined = any(path.read_bytes() == (data / f"dict.{language}.txt").read_bytes() for path in others)
    if not joined or not binaries:
        return sum(count > 0 for count in vocabulary.counts)
    import numpy as np
    from fairseq.data.data_utils import load_indexed_dataset

    sentences = load_indexed_dataset(str(binaries[0].with_suffix("")), None, None)
    seen = np.zeros(len(vocabulary), bool)
    for sentence in sentences:
        seen[sentence.numpy()] = True
    return int(seen.sum())
