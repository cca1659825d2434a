"""The cells of the paper's tables and of ours: what experiments/Snakefile trains, fits and scores.

A cell is one run with one seed. Its name has all that distinguishes it, so that tables share the cells they have in
common; nothing is read back from a name.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines
from fairseq_see.units.controls import CONTROLS
from fairseq_see.units.senses import check_order_and_rank

METHODS = ("dense", "low_rank", "tensor_train", "word2ket", "morphte", "see_paper", "see")
LSTMS = ("dense", "morph_lstm", "sememe_lstm")
# Figure 5 varies one of them at a time round the paper's setting. It shows no list of values; these are ours.
RANK, ORDER, M = 5, 3, 9
RANKS, ORDERS, MS = (2, 3, 4, 5, 6, 7), (2, 3, 4, 5), (3, 6, 9, 12, 18)
# The method that each preset of fairseq-see fit makes, the overrides that train it from scratch, and those by which a
# student is what was fitted.
FITS = {
    "svd": ("low_rank", {}, {}),
    "direction": ("low_rank", {"+model.see_args.bias": "true"}, {}),
    "see": ("see", {}, {"+model.see_args.layernorm": "false", "+model.see_args.frequent_share": "0"}),
    "morphte": ("morphte", {}, {}),
}
# Which of them may be chosen for a table.
CHOICES = {
    "table2": ("methods", "ratios"),
    "table5": ("methods",),
    "figure5": (),
    "grid": ("ranks", "orders", "ms"),
    "ablation": ("ratios",),
    "practitioner": ("ratios", "sizes"),
    "distillation": ("methods", "ratios", "trainings", "start", "teacher"),
    "tune": ("methods", "ratios", "rates", "warmups"),
}

Overrides = dict[str, str]


@dataclass(frozen=True)
class Cell:
    """One run with one seed."""

    name: str  # of its folder
    method: str
    ratio: float | None  # asked for; None of a method without
    seed: int
    variant: str = ""  # what else distinguishes it in its table
    see_args: dict[str, int] = field(default_factory=dict)  # rank, order and vectors, where the table sets them
    overrides: Overrides = field(default_factory=dict)  # ``{cells}`` stands for the folder of all cells
    config: str = ""  # in place of the scale's, "" for that
    index: str = ""  # name of the unit index it takes in place of the usual one, "" for that
    index_options: tuple[str, ...] = ()  # how ``fairseq-see index`` makes that index
    data: str = ""  # name of the text it is trained on, segmented otherwise than the usual one, "" for that
    needs: tuple[str, ...] = ()  # names of the cells whose checkpoints it is trained with
    fit: str = ""  # name of the cell, or folder of the run, whose embeddings it compresses; "" if it is trained
    fit_options: tuple[str, ...] = ()  # of ``fairseq-see fit``

    @property
    def words(self) -> list[str]:
        """Its overrides as KEY=VALUE."""
        return [f"{key}={value}" for key, value in self.overrides.items()]


@dataclass(frozen=True)
class Choice:
    """What can be chosen of a table; an empty one is the table's own."""

    methods: Sequence[str] = ()
    ratios: Sequence[float] = ()  # of its compressing methods
    seeds: Sequence[int] = (1,)  # a run each
    ranks: Sequence[int] = (3, 5, 7)  # of ``grid``, with each order and each m
    orders: Sequence[int] = (2, 3, 4)
    ms: Sequence[int] = (3, 9, 18)
    sizes: Sequence[int] = (4000, 8000)  # of ``practitioner``: BPE merges in place of ``size``
    dim: int = 512  # what ``practitioner`` makes smaller: d, BPE merges, and one dictionary for each language
    size: int = 40_000
    joined: bool = True
    rates: Sequence[float] = (0.0005, 0.001, 0.002)  # of ``tune``, with each warm-up
    warmups: Sequence[int] = (50, 150)
    updates: int | None = None  # of the whole training; None leaves it to the configuration
    trainings: Sequence[str] = ("distilled", "unstaged", "scratch")  # of ``distillation``
    start: int = 100  # updates of its first stage
    teacher: str = ""  # folder of a trained run that it compresses, in place of ``table2``'s dense cell
    distil_config: str = "small_distil_zh_en"  # of trainings with a teacher
    hyperparameters: Mapping[str, Overrides] = field(default_factory=dict)  # by method, as ``tune`` finds them
    overrides: Overrides = field(default_factory=dict)  # of every cell


def make_cells(table: str, choice: Choice) -> list[Cell]:
    """The cells of a table, all of the first seed before those of the second.

    Raises:
        SeeError: there is no such table or method, or no index of such an order or rank; hyper-parameters lack a method
            or set what a cell is about.
    """
    if table not in CHOICES:
        raise SeeError(f"no table {table}; there are: {', '.join(CHOICES)}, table3")
    make = _MAKERS[table]
    # By name: Figure 5's three lines meet in one cell.
    found = {cell.name: cell for seed in choice.seeds for cell in make(choice, seed)}
    return [cell if cell.fit else _complete(cell, table, choice) for cell in found.values()]


def check_choices(table: str, chosen: Sequence[str]) -> None:
    """Raise SeeError if something is chosen that the table does not have."""
    every = {name for names in CHOICES.values() for name in names}
    if wrong := sorted(every.intersection(chosen) - set(CHOICES.get(table, ()))):
        raise SeeError(f"{table} has no {wrong[0]} to choose; leave out {wrong[0]}=")


def _complete(cell: Cell, table: str, choice: Choice) -> Cell:
    """The cell with its method's hyper-parameters, the length of training and the overrides of every cell."""
    overrides = dict(cell.overrides)
    if choice.hyperparameters and table != "tune":
        method = find_class(cell.method).method
        if method not in choice.hyperparameters:
            raise SeeError(f"the hyper-parameters have none for {cell.method}; the target tune finds them")
        taken = {key.lstrip("+") for key in overrides} | {"optimization.max_update", "optimization.max_epoch"}
        overrides |= choice.hyperparameters[method]
        if wrong := [key for key in choice.hyperparameters[method] if key.lstrip("+") in taken]:
            raise SeeError(f"the hyper-parameters of {cell.method} set {wrong[0]}, which is the table's; leave it out")
        if not choice.updates:
            raise SeeError("hyper-parameters do not state how long to train: add updates=N")
    if choice.updates:
        warmup = overrides.get("lr_scheduler.warmup_updates", "0")
        if int(warmup) >= choice.updates:
            raise SeeError(f"{cell.name}: updates={choice.updates} leaves nothing after its warm-up of {warmup}")
        overrides |= {"optimization.max_update": str(choice.updates), "optimization.max_epoch": "0"}
    return replace(cell, overrides=overrides | choice.overrides)


def _make_table2(choice: Choice, seed: int) -> Iterator[Cell]:
    for method in choice.methods or METHODS:
        if find_class(method).quantised:
            raise SeeError(f"{method} is made of a trained model, not trained; the table practitioner has it")
        for ratio in (choice.ratios or (10, 20, 40, 80)) if find_class(method).compresses else (None,):
            yield _make_cell(method, ratio, seed)


def _make_table5(choice: Choice, seed: int) -> Iterator[Cell]:
    for method in choice.methods or LSTMS:
        if find_class(method).compresses:
            raise SeeError(f"{method} compresses, and the methods of table5 do not; choose of {', '.join(LSTMS)}")
        yield _make_cell(method, None, seed)


def _make_ablation(choice: Choice, seed: int) -> Iterator[Cell]:
    for ratio in choice.ratios or (20,):
        yield _make_cell("see", ratio, seed)
        for control in CONTROLS:
            # Drawn anew for each seed: of one random assignment nobody knows whether it was lucky.
            options = ("--control", control, "--seed", str(seed))
            yield _add_index(_make_cell("see", ratio, seed, control), f"{control}-seed{seed}", options)


def _make_figure5(choice: Choice, seed: int) -> Iterator[Cell]:
    settings = [(rank, ORDER, M) for rank in RANKS] + [(RANK, order, M) for order in ORDERS]
    return _vary(settings + [(RANK, ORDER, m) for m in MS], seed)


def _make_grid(choice: Choice, seed: int) -> Iterator[Cell]:
    return _vary([(r, o, m) for o, r, m in product(choice.orders, choice.ranks, choice.ms)], seed)


def _vary(settings: Sequence[tuple[int, int, int]], seed: int) -> Iterator[Cell]:
    for rank, order, m in settings:
        check_order_and_rank(order, rank)
        overrides = _override_model("see", None, seed) | {"+model.see_args.vectors": str(m)}
        see_args = {"rank": rank, "order": order, "vectors": m}
        name = f"see-rank{rank}-order{order}-m{m}-seed{seed}"
        cell = Cell(name, "see", None, seed, see_args=see_args, overrides=overrides)
        options = ("--rank", str(rank), "--order", str(order))
        yield cell if (rank, order) == (RANK, ORDER) else _add_index(cell, f"rank{rank}-order{order}", options)


def _make_practitioner(choice: Choice, seed: int) -> Iterator[Cell]:
    """What makes a dense model small without another embedding: d, fewer subwords, shared matrices, fewer bits."""
    dense = _make_cell("dense", None, seed)
    yield dense
    for part in (2, 4):
        # Of four heads.
        dim = str(-(-choice.dim // (4 * part)) * 4)
        yield _make_dense(f"d{dim}", seed, {"model.encoder_embed_dim": dim, "model.decoder_embed_dim": dim})
    for size in (size for size in choice.sizes if size < choice.size):
        yield replace(_make_dense(f"bpe{size}", seed, {}), data=f"bpe{size}")
    shared = _make_dense("shared", seed, {"+model.share_all_embeddings": "true"})
    yield shared if choice.joined else replace(shared, data="joined")
    codes = [("product_quantised", ratio) for ratio in choice.ratios or (10, 20, 40, 80)]
    for method, ratio in [("int8", None), *codes]:
        options = ("--see-method", method, *(("--see-ratio", f"{ratio:g}") if ratio else ()), "--epochs", "0")
        yield replace(_make_cell(method, ratio, seed), overrides={}, fit=dense.name, fit_options=options)


def _make_distillation(choice: Choice, seed: int) -> Iterator[Cell]:
    """A dense teacher; fits to it, distilled from it in two stages or one; and the same trained from scratch."""
    teacher = _make_cell("dense", None, seed)
    source, needs = choice.teacher or teacher.name, () if choice.teacher else (teacher.name,)
    if not choice.teacher:
        yield teacher
    for fit, ratio in product(choice.methods or FITS, choice.ratios or (10,)):
        if fit not in FITS:
            raise SeeError(f"no fit {fit}; there are: {', '.join(FITS)}")
        method, more, preset = FITS[fit]
        name = f"{fit}-{ratio:g}x"
        options = ("--preset", fit, "--see-ratio", f"{ratio:g}")
        fitted = Cell(f"{name}-fit-seed{seed}", method, ratio, seed, f"{fit}-fit", fit=source, fit_options=options)
        yield fitted
        updates = choice.updates or 300
        if choice.start >= updates:
            raise SeeError(f"start={choice.start} leaves none of the {updates} updates for the second stage")
        schedule = {
            "lr_scheduler._name": "polynomial_decay",
            "lr_scheduler.warmup_updates": str(updates // 6),
            "optimization.max_update": str(updates),
            "optimization.max_epoch": "0",
        }
        distilled = preset | {
            "criterion.teacher": f"'{choice.teacher or f'{{cells}}/{source}'}/checkpoints/checkpoint_best.pt'",
            "checkpoint.finetune_from_model": f"'{{cells}}/{fitted.name}/checkpoints/checkpoint_best.pt'",
        }
        for training in choice.trainings:
            stages = {"distilled": str(choice.start), "unstaged": "0"}
            overrides = _override_model(method, ratio, seed) | more | schedule
            cell = Cell(f"{name}-{training}-seed{seed}", method, ratio, seed, f"{fit}-{training}", overrides=overrides)
            if training in stages:
                overrides = overrides | distilled | {"criterion.start_updates": stages[training]}
                needed = (*needs, fitted.name)
                cell = replace(cell, overrides=overrides, config=choice.distil_config, needs=needed)
            elif training != "scratch":
                raise SeeError(f"no training {training}; there are: distilled, unstaged, scratch")
            yield cell


def _make_tune(choice: Choice, seed: int) -> Iterator[Cell]:
    """The same learning rates and warm-ups for every method."""
    for method, rate, warmup in product(choice.methods or ("dense", "see", "morphte"), choice.rates, choice.warmups):
        ratio = (choice.ratios or (20,))[0] if find_class(method).compresses else None
        variant = f"rate{rate:g}-warmup{warmup}-updates{choice.updates}"
        if not choice.updates:
            raise SeeError("tune needs updates=N, the length of a trial")
        cell = _make_cell(method, ratio, seed, variant)
        yield replace(cell, overrides=cell.overrides | make_trial(rate, warmup))


def make_trial(rate: float, warmup: int) -> Overrides:
    """What a trial of ``tune`` sets: a rate that rises over the warm-up, then falls to zero at the last update."""
    return {
        "optimization.lr": f"[{rate:g}]",
        "lr_scheduler._name": "polynomial_decay",
        "lr_scheduler.warmup_updates": str(warmup),
    }


def describe_cell(cell: Cell, corpus: str, scale: str) -> dict[str, Any]:
    """What RUN/cell.json has of a cell: of which text, at which scale, which method and what else."""
    facts: dict[str, Any] = {"corpus": corpus, "scale": scale}
    facts |= {name: getattr(cell, name) for name in ("method", "ratio", "seed", "variant")}
    facts |= {"fitted_to": cell.fit, "how": " ".join(cell.fit_options), "see_args": cell.see_args}
    return {"config": {name: value for name, value in facts.items() if value not in (None, "", {})}}


def _make_dense(variant: str, seed: int, overrides: Overrides) -> Cell:
    cell = _make_cell("dense", None, seed, variant)
    return replace(cell, overrides=cell.overrides | overrides)


def _make_cell(method: str, ratio: float | None, seed: int, variant: str = "") -> Cell:
    name = "-".join(filter(None, (method, variant, "" if ratio is None else f"{ratio:g}x", f"seed{seed}")))
    return Cell(name, method, ratio, seed, variant, overrides=_override_model(method, ratio, seed))


def _add_index(cell: Cell, index: str, options: tuple[str, ...]) -> Cell:
    return replace(cell, index=index, index_options=options, overrides=cell.overrides | {"+model.see_index": index})


def _override_model(method: str, ratio: float | None, seed: int) -> Overrides:
    at = {} if ratio is None else {"model.see_ratio": f"{ratio:g}"}
    return {"model.see_method": method, **at, "common.seed": str(seed)}


def read_hyperparameters(path: Path) -> dict[str, Overrides]:
    """Overrides by method from a YAML, such as the target ``tune`` writes.

    Raises:
        SeeError: it is no such YAML.
    """
    try:
        found = yaml.safe_load("\n".join(read_lines(path)))
    except yaml.YAMLError as error:
        raise SeeError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise SeeError(f"{path} does not map methods to overrides; the target tune writes a file that does")
    return {
        find_class(method).method: {key: format_override(value) for key, value in values.items()}
        for method, values in found.items()
    }


def format_override(value: Any) -> str:
    """A YAML value as Hydra's command line has it."""
    if isinstance(value, list):
        return f"[{','.join(map(format_override, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


_MAKERS: dict[str, Callable[[Choice, int], Iterator[Cell]]] = {
    **{"table2": _make_table2, "table5": _make_table5, "figure5": _make_figure5, "grid": _make_grid},
    **{"ablation": _make_ablation, "practitioner": _make_practitioner, "distillation": _make_distillation},
    "tune": _make_tune,
}


def find_class(method: str) -> Any:
    """The embedding of a method."""
    # Here, not above: it imports torch, which takes more than a second that main does without.
    from fairseq_see import embeddings

    return embeddings.find_class(method)


def main(described: str) -> None:
    """Print RUN/cell.json: what a cell is, and whether the plans on standard input refuse it."""
    refused = [str(plan["refused"]) for plan in json.load(sys.stdin) if "refused" in plan]
    facts = json.loads(described) | {"infeasible": refused[0] if refused else ""}
    print(json.dumps(facts, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
