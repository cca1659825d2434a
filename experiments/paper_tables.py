"""The cells of the paper's tables, as lists of runs for scripts/sweep.sh, slurm_array.sh and bundle.sh.

python -m experiments.paper_tables TABLE CONFIG LIST.yaml CELLS [--methods ...] [--ratios ...] [--seeds ...]
    [--plan FILE] [--tests FILE] [--ranks ...] [--orders ...] [--ms ...] [--dim D] [--size N] [--joined] [--sizes N ...]
    [--recipes FILE] [--updates N]

A cell is one run with one seed. Its name says all that distinguishes it, so that tables share the cells they have in
common. ``scripts/reproduce.sh`` does the work.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, product
from pathlib import Path
from typing import Any, NamedTuple

from experiments.hyperparameters import Overrides, joined, length, read_recipes
from experiments.run_list import bare
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import read_lines, replacing
from fairseq_see.units.controls import CONTROLS
from fairseq_see.units.senses import check_order_and_rank

METHODS = ("dense", "matrix", "tensor_train", "word2ket", "morphte", "see_paper", "see")
LSTMS = ("dense", "morph_lstm", "sememe_lstm")
RATIOS = (10.0, 20.0, 40.0, 80.0)
# Figure 5 varies one of them at a time round the paper's setting. It shows no list of values; these are ours.
RANK, ORDER, M = 5, 3, 9
RANKS, ORDERS, MS = (2, 3, 4, 5, 6, 7), (2, 3, 4, 5), (3, 6, 9, 12, 18)
TABLES = ("table2", "table5", "figure5", "grid", "ablation", "practitioner")


class Base(NamedTuple):
    """The setting that ``practitioner`` makes smaller.

    Attributes:
        dim: d.
        size: merges of its BPE.
        joined: whether they, and the dictionary, are of both languages together.
        sizes: merges to try in place of ``size``; those that are no fewer are left out.
    """

    dim: int = 512
    size: int = 40_000
    joined: bool = True
    sizes: tuple[int, ...] = (4000, 8000)


class Grid(NamedTuple):
    """What ``grid`` joins, every rank with every order and every m. The paper leaves it open; the values are ours."""

    ranks: Sequence[int] = (3, 5, 7)
    orders: Sequence[int] = (2, 3, 4)
    ms: Sequence[int] = (3, 9, 18)


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        name: its folder's name.
        overrides: of the configuration.
        index: name of the unit index it takes in place of the usual one, "" for that.
        index_options: how ``fairseq-see index`` makes that index.
        data: name of the text it is trained on, cut otherwise than the usual one, "" for that.
        data_options: how ``scripts/prepare.sh`` makes that.
        fit: name of the cell whose tables are turned into this one's, "" if it is trained.
    """

    name: str
    overrides: dict[str, Any]
    index: str = ""
    index_options: tuple[str, ...] = ()
    data: str = ""
    data_options: tuple[str, ...] = ()
    fit: str = ""


def cells(
    table: str,
    methods: Sequence[str] = (),
    ratios: Sequence[float] = (),
    seeds: Sequence[int] = (1,),
    base: Base | None = None,
    grid: Grid | None = None,
) -> list[Cell]:
    """The cells of a table, all of the first seed before those of the second.

    Args:
        table: of TABLES.
        methods: of ``table2`` or ``table5``; the paper's, if empty.
        ratios: of ``table2`` or ``practitioner`` (the paper's four, if empty) or ``ablation`` (20).
        seeds: one run each.
        base: of ``practitioner``; the paper's, if None.
        grid: of ``grid``.

    Raises:
        SeeError: the table has no choice of methods or ratios, there is no such method, or no index of such an order or
            rank.
    """
    if methods and table not in ("table2", "table5"):
        raise SeeError(f"{table} has no methods to choose; leave out --methods")
    if ratios and table not in ("table2", "ablation", "practitioner"):
        raise SeeError(f"{table} has no ratios to choose; leave out --ratios")
    joint = grid or Grid()
    make: dict[str, Callable[[int], Iterator[Cell]]] = {
        "table2": partial(_methods, methods or METHODS, ratios or RATIOS),
        "table5": partial(_methods, methods or LSTMS, ()),
        "figure5": partial(_sensitivity, _lines()),
        "grid": partial(_sensitivity, [(r, o, m) for o, r, m in product(joint.orders, joint.ranks, joint.ms)]),
        "ablation": partial(_ablation, ratios or (20.0,)),
        "practitioner": partial(_practitioner, base or Base(), ratios or RATIOS),
    }
    # By name: Figure 5's three lines meet in one cell.
    return list({cell.name: cell for seed in seeds for cell in make[table](seed)}.values())


def _methods(methods: Sequence[str], ratios: Sequence[float], seed: int) -> Iterator[Cell]:
    from fairseq_see.embeddings import embedding_class

    for method in methods:
        compresses = embedding_class(method).compresses
        if embedding_class(method).quantised:
            raise SeeError(f"{method} is made of a trained model, not trained; the table practitioner has it")
        if compresses and not ratios:
            raise SeeError(f"{method} compresses, and the methods of table5 do not; choose of {', '.join(LSTMS)}")
        for ratio in ratios if compresses else (None,):
            yield _at_ratio(method, ratio, seed)


def _ablation(ratios: Sequence[float], seed: int) -> Iterator[Cell]:
    for ratio in ratios:
        yield _at_ratio("see", ratio, seed)
        for control in CONTROLS:
            # Drawn anew for each seed: of one random assignment nobody knows whether it was lucky.
            options = ("--control", control, "--seed", str(seed))
            yield _at_ratio("see", ratio, seed, control, f"{control}-seed{seed}", options)


def _lines() -> list[tuple[int, int, int]]:
    """Rank, order and m of Figure 5, one of them varied at a time."""
    ranks = [(rank, ORDER, M) for rank in RANKS]
    orders = [(RANK, order, M) for order in ORDERS]
    return ranks + orders + [(RANK, ORDER, m) for m in MS]


def _sensitivity(settings: Sequence[tuple[int, int, int]], seed: int) -> Iterator[Cell]:
    for rank, order, m in settings:
        check_order_and_rank(order, rank)
        index = "" if (rank, order) == (RANK, ORDER) else f"rank{rank}-order{order}"
        options = ("--rank", str(rank), "--order", str(order)) if index else ()
        overrides = {"model.see_method": "see", "+model.see_args.vectors": m}
        yield _cell(f"see-rank{rank}-order{order}-m{m}", overrides, seed, index, options)


def setting_of(name: str) -> tuple[int, int, int] | None:
    """Rank, order and m of a cell of ``figure5`` or ``grid``, by its name; None if it is another's."""
    found = re.fullmatch(r"see-rank(\d+)-order(\d+)-m(\d+)-seed\d+", name)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _practitioner(base: Base, ratios: Sequence[float], seed: int) -> Iterator[Cell]:
    """What makes a dense model small without another embedding: d, fewer pieces, one table, fewer bits."""
    dense = _at_ratio("dense", None, seed)
    yield dense
    for part in (2, 4):
        # Of four heads.
        dim = -(-base.dim // (4 * part)) * 4
        yield _variant(f"dense-d{dim}", seed, {"model.encoder_embed_dim": dim, "model.decoder_embed_dim": dim})
    joined = ("--joined",) if base.joined else ()
    for size in (size for size in base.sizes if size < base.size):
        yield _variant(f"dense-bpe{size}", seed, {}, f"bpe{size}", ("--size", str(size), *joined))
    shared = {"+model.share_all_embeddings": True}
    other = () if base.joined else ("joined", ("--size", str(base.size), "--joined"))
    yield _variant("dense-shared", seed, shared, *other)
    for method, ratio in (("int8", None), *(("product_quantised", ratio) for ratio in ratios)):
        yield replace(_at_ratio(method, ratio, seed), fit=dense.name)


def _variant(
    name: str, seed: int, overrides: dict[str, Any], data: str = "", data_options: tuple[str, ...] = ()
) -> Cell:
    given = {"model.see_method": "dense"} | overrides | {"common.seed": seed}
    return Cell(f"{name}-seed{seed}", given, data=data, data_options=data_options)


def _at_ratio(
    method: str, ratio: float | None, seed: int, control: str = "", index: str = "", options: tuple[str, ...] = ()
) -> Cell:
    name = "-".join(filter(None, (method, control, "" if ratio is None else f"{ratio:g}x")))
    given = {"model.see_method": method} | ({} if ratio is None else {"model.see_ratio": ratio})
    return _cell(name, given, seed, index, options)


def _cell(name: str, overrides: dict[str, Any], seed: int, index: str, options: tuple[str, ...]) -> Cell:
    given = overrides | {"common.seed": seed} | ({"+model.see_index": index} if index else {})
    return Cell(f"{name}-seed{seed}", given, index, options)


def with_recipes(chosen: Sequence[Cell], recipes: Mapping[str, Overrides], source: Path) -> list[Cell]:
    """The cells, those that are trained with the overrides of their method's recipe; controls of a method are of it.

    Args:
        chosen: the cells.
        recipes: overrides by method.
        source: their file, for messages.

    Raises:
        SeeError: a method has no recipe, or a recipe sets what its cell is about.
    """
    methods = dict.fromkeys(str(cell.overrides["model.see_method"]) for cell in chosen if not cell.fit)
    if lacking := [method for method in methods if method not in recipes]:
        raise SeeError(f"{source} has no recipe for {', '.join(lacking)}; scripts/search.sh finds one")
    return [cell if cell.fit else _with_recipe(cell, recipes, source) for cell in chosen]


def _with_recipe(cell: Cell, recipes: Mapping[str, Overrides], source: Path) -> Cell:
    method = cell.overrides["model.see_method"]
    return replace(cell, overrides=joined(cell.overrides, recipes[method], f"{source}, {method}"))


def of_length(cell: Cell, updates: int) -> Cell:
    """The cell, trained for so many updates.

    Raises:
        SeeError: the warm-up of its recipe takes as many, or is no number.
    """
    warmup = {bare(key): value for key, value in cell.overrides.items()}.get("lr_scheduler.warmup_updates", 0)
    if not re.fullmatch(r"\d+", str(warmup)):
        raise SeeError(f"{cell.name}: the warm-up of its recipe is {warmup!r}, not a whole number of updates")
    if int(warmup) >= updates:
        raise SeeError(
            f"{cell.name}: --updates {updates} leaves nothing after its recipe's warm-up of {warmup}; take more"
        )
    return replace(cell, overrides=cell.overrides | length(updates))


def out_of_reach(cell: Cell, plans: Sequence[dict[str, Any]]) -> str | None:
    """Why a cell's ratio cannot be met, after ``fairseq-see plan --json``; None if it can."""
    asked = cell.overrides["model.see_method"], cell.overrides.get("model.see_ratio")
    for plan in plans:
        if (plan["method"], plan["asked"]) == asked and "refused" in plan:
            return str(plan["refused"])
    return None


def state(folder: Path, tests: Iterable[str] = ()) -> str:
    """How far a cell has come; it is done when it is scored on ``tests``, or on any if their names are not known."""
    if not (folder / "done").is_file():
        return "started" if (folder / "train.log").is_file() else "missing"
    scored = {path.name.removesuffix(".scores.json") for path in folder.glob("*.scores.json")}
    return "done" if scored and scored.issuperset(tests) else "trained"


def write_lists(chosen: Sequence[Cell], config: str, path: Path) -> None:
    """Write the cells that are trained as lists of runs, one for each text they are trained on.

    That of the usual text is ``path``, that of another has its name behind a hyphen.
    """
    import yaml

    trained = sorted((cell for cell in chosen if not cell.fit), key=lambda cell: cell.data)
    if not any(cell.data == "" for cell in trained):
        # One of an earlier table would be taken for it.
        path.unlink(missing_ok=True)
    for data, members in groupby(trained, key=lambda cell: cell.data):
        runs = [{"name": cell.name, "config": config, "overrides": cell.overrides} for cell in members]
        with replacing(path.with_stem(f"{path.stem}-{data}") if data else path) as temporary:
            temporary.write_text(yaml.safe_dump({"runs": runs}, sort_keys=False), encoding="utf-8")


def _fit_options(cell: Cell) -> list[str]:
    """Of ``fairseq-see fit``, for a cell that is a quantised one."""
    names = {"model.see_method": "--see-method", "model.see_ratio": "--see-ratio"}
    given = [(names[key], str(value)) for key, value in cell.overrides.items() if key in names]
    return [*(word for pair in given for word in pair), "--epochs", "0"]


def main() -> int:
    """Write the lists of those in reach; print what else they take and what state every cell is in, tabs between.

    Lines are ``data`` and ``index`` with a name and options, ``fit`` with a cell's name, its source and options, and
    ``cell`` with a name and a state.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments.paper_tables", description=main.__doc__)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("config")
    parser.add_argument("list", type=Path)
    parser.add_argument("cells", type=Path)
    parser.add_argument("--methods", nargs="*", default=[])
    parser.add_argument("--ratios", nargs="*", type=float, default=[])
    parser.add_argument("--seeds", nargs="*", type=int, default=[])
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--tests", type=Path, help="tests.txt of scripts/prepare.sh")
    for name, values in Grid()._asdict().items():
        parser.add_argument(f"--{name}", nargs="*", type=int, default=values)
    parser.add_argument("--dim", type=int, default=Base().dim)
    parser.add_argument("--size", type=int, default=Base().size)
    parser.add_argument("--joined", action="store_true")
    parser.add_argument("--sizes", nargs="*", type=int, default=[*Base().sizes])
    parser.add_argument("--recipes", type=Path)
    parser.add_argument("--updates", type=int)
    args = parser.parse_args()
    with ends_in_one_line():
        base = Base(args.dim, args.size, args.joined, tuple(args.sizes))
        found = cells(
            args.table, args.methods, args.ratios, args.seeds or [1], base, Grid(args.ranks, args.orders, args.ms)
        )
        if args.recipes:
            found = with_recipes(found, read_recipes(args.recipes), args.recipes)
        if args.updates:
            found = [of_length(cell, args.updates) for cell in found]
        plans = json.loads(args.plan.read_text(encoding="utf-8")) if args.plan else []
        tests = [line.partition("\t")[2] for line in read_lines(args.tests)] if args.tests else []
        reasons = {cell.name: out_of_reach(cell, plans) for cell in found}
        write_lists([cell for cell in found if not reasons[cell.name]], args.config, args.list)
    for data, options in dict.fromkeys((cell.data, cell.data_options) for cell in found if cell.data):
        print("data", data, *options, sep="\t")
    for cell in found:
        if cell.fit and not reasons[cell.name]:
            print("fit", cell.name, cell.fit, *_fit_options(cell), sep="\t")
    for index, options in dict.fromkeys((cell.index, cell.index_options) for cell in found if cell.index):
        print("index", index, *options, sep="\t")
    for cell in found:
        reason = reasons[cell.name]
        reached = f"out of reach: {reason}" if reason else state(args.cells / cell.name, tests)
        print("cell", cell.name, reached, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
