"""``fairseq-see plan``: the size of every method at every ratio, before anything is trained."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairseq_see.cli.main import ImportUserDir, print_table
from fairseq_see.errors import InfeasibleRatio, SeeError
from fairseq_see.export_config import BITS, DEFAULT_BITS

if TYPE_CHECKING:
    from fairseq_see.embeddings import Embedding

# Ratios of parameters that are tried for one of bytes; what converges does so in fewer.
ROUNDS = 30

HELP = "print hyper-parameters, parameters, true ratio and bytes of each method for a prepared data folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("data", metavar="DATA", type=Path, help="folder with dict.LANG.txt")
    add("--index", metavar="FOLDER", type=Path, help="folder with dict.LANG.see (default: DATA)")
    add("--dim", type=int, default=512, metavar="D", help="embedding dimension (default: %(default)s)")
    add("--ratios", type=float, nargs="+", default=[10, 20, 40, 80], metavar="R", help="ratios to plan")
    add("--methods", nargs="+", metavar="METHOD", help="methods (default: every compressing one)")
    bytes_ratio = "plan ratios of bytes: of an export against fp16, index included"
    add("--bytes-ratio", action="store_true", help=bytes_ratio)
    add("--bits", type=int, choices=BITS, default=DEFAULT_BITS, help="of an export (default: %(default)s)")
    add("--see-args", metavar="NAME=VALUE,...", help="hyper-parameters, for the methods that have them")
    add("--list-options", action=_ListOptions, nargs=0, help="print the hyper-parameters of every method, and exit")
    add("--user-dir", metavar="FOLDER", action=ImportUserDir, help="package with methods of your own")
    add("--json", action="store_true", help="print JSON instead of a table")


class _ListOptions(argparse.Action):
    """Print what --see-args takes; torch is imported only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *unused: Any) -> None:
        from fairseq_see.embeddings import REGISTRY
        from fairseq_see.embeddings.config import describe_options

        for method in sorted(REGISTRY):
            for name, kind, default, help in describe_options(REGISTRY[method].Config):
                print(f"{method}: {name} ({kind}; default: {default})\n    {help}")
        parser.exit()


def run(args: argparse.Namespace) -> int:
    """Plan and print."""
    if args.dim < 1 or not all(0 < ratio < math.inf for ratio in args.ratios):
        raise SeeError("--dim and --ratios must be numbers above 0")
    plans = list(_make_plans(args))
    if args.json:
        json.dump(plans, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return 0
    columns = {"side": "left", "method": "left", "asked": "right", "hyper-parameters": "left"}
    numbers = ("parameters", "ratio", "over used rows", f"bytes ({args.bits} bits)", "of fp16")
    print_table(f"{args.data}, d = {args.dim}", columns | dict.fromkeys(numbers, "right"), map(_list_cells, plans), 160)
    return 0


def _list_cells(plan: dict[str, Any]) -> list[str]:
    head = [plan["side"], plan["method"], f"{plan['asked']:g}x"]
    if "refused" in plan:
        return [*head, plan["refused"], *"-----"]
    ratios = [f"{plan['ratio']:.2f}x", f"{plan['ratio_over_used_rows']:.2f}x"]
    size = [f"{plan['shipped_bytes']:,}", f"{plan['bytes_ratio']:.2f}x"]
    return [*head, ", ".join(_list_chosen(plan)) or "-", f"{plan['parameters']:,}", *ratios, *size]


def _make_plans(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    # Here, not above: torch takes seconds to import, and every subcommand's module is imported to build the parser.
    import torch

    from fairseq_see.embeddings import REGISTRY, build, complete_config, find_class
    from fairseq_see.embeddings.config import describe_options, parse_options
    from fairseq_see.units import UnitIndex, Vocabulary

    methods = args.methods or [method for method in sorted(REGISTRY) if REGISTRY[method].compresses]
    given = parse_options(args.see_args)
    known = {method: [name for name, *_ in describe_options(find_class(method).Config)] for method in methods}
    options = {method: {name: given[name] for name in given if name in known[method]} for method in methods}
    if unused := [name for name in given if not any(name in own for own in options.values())]:
        raise SeeError(f"--see-args {unused[0]}: none of these methods has such a hyper-parameter")
    for path in find_dictionaries(args.data):
        vocabulary = Vocabulary.load(path)
        index_path = (args.index or args.data) / path.with_suffix(".see").name
        language = path.name.split(".")[1]
        used, rows = count_used_rows(args.data, language, vocabulary), len(vocabulary)
        units: UnitIndex | None = None
        for method, ratio in ((method, ratio) for method in methods for ratio in args.ratios):
            uses_index = find_class(method).uses_index
            if uses_index and units is None:
                if not index_path.is_file():
                    raise SeeError(f"no unit index at {index_path}; build it with fairseq-see index {path}")
                units = UnitIndex.load(index_path)
                units.check_dictionary(vocabulary)
            index = units if uses_index else None
            plan: dict[str, Any] = {"side": language, "rows": rows, "used_rows": used, "dim": args.dim}
            plan |= {"method": method, "asked": ratio}
            complete = partial(complete_config, method, rows, args.dim, index=index, options=options[method])
            make = partial(build, method, rows, args.dim, 1, index=index)
            try:
                with torch.device("meta"):
                    config = _meet_bytes(complete, make, ratio, args.bits) if args.bytes_ratio else complete(ratio)
                    embedding = make(**config.to_json())
            except InfeasibleRatio as error:
                yield plan | {"refused": str(error), "nearest": error.nearest}
                continue
            parameters, size = embedding.footprint()
            shipped = embedding.footprint(args.bits).bytes
            plan |= {"config": config.to_json(), "parameters": parameters, "ratio": embedding.ratio}
            plan |= {"ratio_over_used_rows": embedding.ratio * used / rows, "bytes": size}
            plan |= {"bits": args.bits, "shipped_bytes": shipped, "bytes_ratio": _measure_ratio(embedding, args.bits)}
            yield plan


def _meet_bytes(complete: Callable[[float], Any], make: "Callable[..., Embedding]", ratio: float, bits: int) -> Any:
    """The config whose embedding has a ratio of bytes: planned repeatedly, the asked ratio changed in proportion."""
    from fairseq_see.embeddings.config import TOLERANCE, check_ratio, meets

    asked, reached = ratio, []
    for _ in range(ROUNDS):
        try:
            config = complete(asked)
        except InfeasibleRatio as error:
            config = complete(error.nearest)
        embedding = make(**config.to_json())
        reached.append(_measure_ratio(embedding, bits))
        if meets(reached[-1], ratio) or reached[-1] in reached[:-1]:
            break
        asked *= ratio * math.sqrt(TOLERANCE) / reached[-1]
    check_ratio(embedding.method, ratio, reached, " of bytes")
    return config


def _measure_ratio(embedding: "Embedding", bits: int) -> float:
    """Bytes of a dense matrix in half precision by those of an export."""
    return 2 * embedding.num_embeddings * embedding.embedding_dim / embedding.footprint(bits).bytes


def _list_chosen(plan: dict[str, Any]) -> list[str]:
    """The hyper-parameters that differ from their defaults."""
    from fairseq_see.embeddings import find_class

    defaults = find_class(plan["method"]).Config().to_json()
    return [f"{name}={value}" for name, value in plan["config"].items() if value != defaults[name]]


def find_dictionaries(data: Path) -> list[Path]:
    """The ``dict.LANG.txt`` of a data folder."""
    found = sorted(data.glob("dict.*.txt"))
    if not found:
        raise SeeError(f"{data} holds no dict.LANG.txt; give a folder made by fairseq-preprocess")
    return found


def count_used_rows(data: Path, language: str, vocabulary: Any) -> int:
    """Rows that one side's training text uses; only with a joined dictionary are they fewer than the counted ones."""
    others = [path for path in find_dictionaries(data) if path.name != f"dict.{language}.txt"]
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
