"""``fairseq-see fit``: compress the embedding tables of a model that is trained already."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs

if TYPE_CHECKING:
    from fairseq_see.fitting import Method, Recipe
    from fairseq_see.models.compress import Side

HELP = "compress the tables of a trained model: fit any embedding to them, and write a checkpoint with it"

MEASURES = ("mse", "relative_error", "cosine", "neighbours")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options: the embedding's under their names of fairseq-train, and the fit's."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="fairseq's Transformer, transformer_lm or RoBERTa, or ours",
    )
    parser.add_argument("--output", "-o", type=Path, required=True, help="checkpoint to write")
    parser.add_argument(
        "--data", metavar="FOLDER", type=Path, help="dictionaries and unit indexes (default: where it was trained)"
    )
    parser.add_argument(
        "--input-only",
        action="store_true",
        help="leave the output layer as it was trained; one that was tied becomes a dense matrix of its own",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="a method with the settings that suit it: svd, direction, see or morphte; options given besides win",
    )
    embedding = parser.add_argument_group("embedding")
    embedding.add_argument("--see-method", metavar="METHOD", help="embedding method")
    embedding.add_argument("--see-ratio", type=float, metavar="R", help="compress each table this many times")
    embedding.add_argument("--see-m", metavar="M", help="vectors of each basic unit, instead of --see-ratio")
    embedding.add_argument("--see-index", metavar="PATH", help="unit index elsewhere than in the data folder")
    embedding.add_argument("--see-bias", "--bias", action="store_true", default=None, help="add a bias to every row")
    fitting = parser.add_argument_group("fitting", "defaults: the recipe's, if it has another")
    fitting.add_argument(
        "--loss", help="mse, l1, power, cosine, a mix as cosine:0.2,power:0.0025, or direction (default: mse)"
    )
    fitting.add_argument(
        "--alpha",
        type=float,
        nargs=2,
        metavar=("FIRST", "LAST"),
        help="exponent of power, |x - y|^alpha; falls for two thirds of the epochs (default: 1.0 0.1)",
    )
    fitting.add_argument(
        "--weights",
        choices=("none", "frequency"),
        default="none",
        help="of rows: all alike, or the dictionary's counts, plus 1 (default: %(default)s)",
    )
    fitting.add_argument("--encoder", choices=("linear",), help="learn latents as a linear map of rows (for matrix)")
    fitting.add_argument("--optimizer", choices=("adam", "lbfgs"), help="default: adam")
    fitting.add_argument(
        "--lr",
        type=float,
        help="learning rate (default: adam 0.001 from a start in closed form, 0.01 from others; lbfgs 1)",
    )
    fitting.add_argument("--epochs", type=int, help="0: only the start (default: 30)")
    fitting.add_argument("--batch-rows", type=int, metavar="N", help="for adam (default: 256)")
    fitting.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> None:
    """Build, fit, save, measure."""
    check_outputs({"--output": args.output}, [args.checkpoint])
    # Here, not above: torch and fairseq take seconds to import.
    import torch

    from fairseq_see.embeddings import embedding_class
    from fairseq_see.fitting import parse_loss
    from fairseq_see.models.compress import Exchange

    method = _method(args)
    recipe = _recipe(args, method.recipe)
    options = {"see_method": method.embedding} | {f"see_{name}": value for name, value in method.options.items()}
    options |= {name: value for name, value in vars(args).items() if name.startswith("see_") and value is not None}
    embedding_class(options["see_method"])
    parse_loss(recipe.loss)
    torch.manual_seed(args.seed)
    exchange = Exchange(args.checkpoint, options, args.data, args.input_only)
    states = {name: args.output.with_name(f"{args.output.name}.{name}.fit") for name in exchange.sides}
    results = [_fitted(name, side, recipe, args.weights, states[name]) for name, side in exchange.sides.items()]
    exchange.save(args.output, _how(args, recipe, results))
    for state in states.values():
        state.unlink(missing_ok=True)
    if args.json:
        json.dump(results, sys.stdout, indent=2)
        print()
    else:
        _print(results, args.output)


def _method(args: argparse.Namespace) -> "Method":
    from fairseq_see.fitting import Method, Recipe, method_named

    if args.recipe is not None:
        return method_named(args.recipe)
    if args.see_method is None:
        raise SeeError("say what to fit: give --see-method METHOD, or --recipe NAME")
    return Method(args.see_method, Recipe(), {})


def _recipe(args: argparse.Namespace, recipe: "Recipe") -> "Recipe":
    """A recipe with the options that were given in place of its own."""
    given = {name: getattr(args, name) for name in recipe._fields if getattr(args, name) is not None}
    if args.alpha is not None:
        given["alpha"] = tuple(args.alpha)
    if args.encoder is not None:
        given["encoder"] = True
    return recipe._replace(**given)


def _fitted(name: str, side: "Side", recipe: "Recipe", weights: str, state: Path) -> dict[str, Any]:
    """Fit one table, and say what came of it."""
    import torch

    from fairseq_see.fitting import fit, measure

    embedding, table, counts = side
    done = fit(embedding, table, recipe, counts + 1 if weights == "frequency" else None, state, name)
    parameters, size = embedding.footprint()
    rows = torch.arange(len(table)) != embedding.padding_idx
    with torch.no_grad():
        bands = measure(embedding.table()[rows], table[rows], counts[rows])
    return {
        "side": name,
        "method": embedding.method,
        "settings": embedding.settings(),
        "parameters": parameters,
        "ratio": embedding.ratio,
        "bytes": size,
        "start": "closed form" if done.closed_form else "random",
        "epoch": done.epoch,
        "losses": done.losses,
        "bands": bands,
    }


def _how(args: argparse.Namespace, recipe: "Recipe", results: list[dict[str, Any]]) -> str:
    """The fit in some words, by which models fitted otherwise are told apart."""
    closed_form = all(result["start"] == "closed form" for result in results)
    said = ["in closed form" if closed_form and not recipe.epochs else f"in {recipe.epochs} epochs of {recipe.loss}"]
    said += ["rows by frequency"] * (args.weights == "frequency") + ["linear encoder"] * recipe.encoder
    return ", ".join(said + ["output kept"] * args.input_only)


def _print(results: list[dict[str, Any]], output: Path) -> None:
    table = Table(title=f"{output}: rows against those of the dense table")
    for column, justify in (("side", "left"), ("words by frequency", "left"), ("rows", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for column in ("mse", "relative error", "cosine", "10 neighbours"):
        table.add_column(column, justify="right")
    for result in results:
        for band in result["bands"]:
            numbers = [f"{band[name]:.4g}" for name in MEASURES]
            table.add_row(result["side"], band["band"], f"{band['rows']:,}", *numbers)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for result in results:
        losses, epoch = result["losses"], result["epoch"]
        console.print(
            f"{result['side']}: {result['method']}, {result['parameters']:,} parameters ({result['ratio']:.2f}x), "
            f"{result['bytes']:,} bytes; loss {losses[0]:.4g} at the {result['start']} start, {losses[epoch]:.4g} kept "
            f"from epoch {epoch} of {len(losses) - 1}",
            highlight=False,
            soft_wrap=True,
        )
