"""``fairseq-see fit``: compress the embedding matrices of a model that is trained already."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairseq_see.cli.main import ImportUserDir, print_table
from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs

if TYPE_CHECKING:
    from fairseq_see.fitting import FitConfig
    from fairseq_see.models.compress import Side

HELP = "compress the embedding matrices of a trained model: fit any embedding to them, and write a checkpoint with it"

MEASURES = ("mse", "relative_error", "cosine", "neighbours")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options: the embedding's under their names of fairseq-train, and the fit's."""
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", type=Path, help="fairseq's Transformer, transformer_lm or RoBERTa, or ours")
    add("--output", "-o", type=Path, required=True, help="checkpoint to write")
    add("--data", metavar="FOLDER", type=Path, help="dictionaries and unit indexes (default: where it was trained)")
    add(
        "--input-only",
        action="store_true",
        help="leave the output layer as it was trained; one that was tied becomes a dense matrix of its own",
    )
    add(
        "--preset",
        metavar="NAME",
        help="a method with the settings that suit a fit: svd, direction, see or morphte; options given besides win",
    )
    add("--json", action="store_true", help="print JSON instead of a table")
    add = parser.add_argument_group("embedding").add_argument
    add("--see-method", metavar="METHOD", help="embedding method")
    add("--user-dir", metavar="FOLDER", action=ImportUserDir, help="package with methods of your own")
    add("--see-ratio", type=float, metavar="R", help="compress each matrix this many times")
    add("--see-args", metavar="NAME=VALUE,...", help="hyper-parameters (fairseq-see plan --list-options)")
    add("--see-index", metavar="PATH", help="unit index elsewhere than in the data folder")
    add = parser.add_argument_group("fitting", "defaults: the preset's, if it has another").add_argument
    add("--loss", help="mse, l1, power, cosine, a mix as cosine:0.2,power:0.0025, or direction (default: mse)")
    add(
        "--alpha",
        type=float,
        nargs=2,
        metavar=("FIRST", "LAST"),
        help="exponent of power, |x - y|^alpha; falls for two thirds of the epochs (default: 1.0 0.1)",
    )
    add(
        "--weights",
        choices=("none", "frequency"),
        help="of embeddings: all alike, or the dictionary's counts, plus 1 (default: frequency for codes, else none)",
    )
    add("--encoder", choices=("linear",), help="learn latents as a linear map of embeddings (for low_rank)")
    add("--optimizer", choices=("adam", "lbfgs"), help="default: adam")
    add(
        "--lr",
        type=float,
        help="learning rate (default: adam 0.001 from a closed-form initialisation, 0.01 from others; lbfgs 1)",
    )
    add("--epochs", type=int, help="0: only the initialisation (default: 30)")
    add("--batch-rows", type=int, metavar="N", help="for adam (default: 256)")
    add("--seed", type=int, default=1, help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Build, fit, save, measure."""
    check_outputs({"--output": args.output}, [args.checkpoint])
    # Here, not above: torch and fairseq take seconds to import.
    import torch

    from fairseq_see.embeddings import find_class
    from fairseq_see.embeddings.config import parse_options
    from fairseq_see.fitting import FitConfig, FitPreset, find_preset, parse_loss
    from fairseq_see.models.compress import Exchange

    if not args.preset and not args.see_method:
        raise SeeError("name what to fit: give --see-method METHOD, or --preset NAME")
    preset = find_preset(args.preset) if args.preset else FitPreset(args.see_method, FitConfig(), {})
    given = {name: value for name in preset.fit._fields if (value := getattr(args, name)) is not None}
    config = preset.fit._replace(**{**given, "encoder": args.encoder is not None or preset.fit.encoder})
    method = args.see_method or preset.method
    # The preset's options are of its own method.
    own = preset.options if method == preset.method else {}
    options = {
        "see_method": method,
        "see_ratio": args.see_ratio,
        "see_args": own | parse_options(args.see_args),
        "see_index": args.see_index,
    }
    cls = find_class(method)
    args.weights = args.weights or ("frequency" if cls.quantised and cls.compresses else "none")
    parse_loss(config.loss)
    torch.manual_seed(args.seed)
    exchange = Exchange(args.checkpoint, options, args.data, args.input_only)
    results = [_fit(name, side, config, args.weights) for name, side in exchange.sides.items()]
    exchange.save(args.output, _describe_fit(args, config, results))
    if args.json:
        json.dump(results, sys.stdout, indent=2)
        print()
    else:
        _print(results, args.output)


def _fit(name: str, side: "Side", config: "FitConfig", weights: str) -> dict[str, Any]:
    import torch

    from fairseq_see.fitting import fit, measure

    embedding, matrix, counts = side
    done = fit(embedding, matrix, config, counts + 1 if weights == "frequency" else None, name)
    parameters, size = embedding.footprint()
    rows = torch.arange(len(matrix)) != embedding.padding_idx
    with torch.no_grad():
        bands = measure(embedding.eval().table()[rows], matrix[rows], counts[rows])
    return {
        "side": name,
        "method": embedding.method,
        "config": embedding.config.to_json(),
        "parameters": parameters,
        "ratio": embedding.ratio,
        "bytes": size,
        "initialisation": "closed form" if done.closed_form else "random",
        "epoch": done.epoch,
        "losses": done.losses,
        "bands": bands,
    }


def _describe_fit(args: argparse.Namespace, config: "FitConfig", results: list[dict[str, Any]]) -> str:
    """The fit in some words, which distinguish models fitted otherwise."""
    closed_form = all(result["initialisation"] == "closed form" for result in results)
    words = ["in closed form" if closed_form and not config.epochs else f"in {config.epochs} epochs of {config.loss}"]
    words += ["weighted by frequency"] * (args.weights == "frequency") + ["linear encoder"] * config.encoder
    return ", ".join(words + ["output kept"] * args.input_only)


def _print(results: list[dict[str, Any]], output: Path) -> None:
    columns = dict.fromkeys(("side", "words by frequency"), "left")
    columns |= dict.fromkeys(("embeddings", "mse", "relative error", "cosine", "10 neighbours"), "right")
    rows = [
        (result["side"], band["band"], f"{band['rows']:,}", *(f"{band[name]:.4g}" for name in MEASURES))
        for result in results
        for band in result["bands"]
    ]
    print_table(f"{output}: against the dense matrix", columns, rows)
    for result in results:
        losses, epoch = result["losses"], result["epoch"]
        print(
            f"{result['side']}: {result['method']}, {result['parameters']:,} parameters ({result['ratio']:.2f}x), "
            f"{result['bytes']:,} bytes; loss {losses[0]:.4g} at the {result['initialisation']} initialisation, "
            f"{losses[epoch]:.4g} kept from epoch {epoch} of {len(losses) - 1}"
        )
