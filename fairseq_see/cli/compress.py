"""``fairseq-see compress``: from a trained checkpoint to a small model that translates as well, in one command."""

import argparse
import logging
from pathlib import Path

from fairseq_see.cli.main import ImportUserDir, print_table
from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs

HELP = "compress a trained model: fit its matrices, distil the result, export it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", type=Path, help="fairseq's Transformer, or ours")
    add("--output", "-o", metavar="FOLDER", type=Path, required=True, help="the work's folder")
    add("--data", metavar="DATA-BIN", type=Path, required=True, help="its training data, binarised")
    add("--ratio", type=float, default=10, metavar="R", help="of each matrix (default: %(default)g)")
    method = "embedding method (default: %(default)s)"
    add("--see-method", default="product_quantised", metavar="METHOD", help=method)
    add("--see-args", metavar="NAME=VALUE,...", help="hyper-parameters of the method")
    add("--user-dir", metavar="FOLDER", action=ImportUserDir, help="package with methods of your own")
    add("--updates", type=int, default=1200, help="of distillation; 0: none (default: %(default)s)")
    add("--lr", type=float, default=0.001, help="peak learning rate (default: %(default)s)")
    add("--max-tokens", type=int, default=4096, help="of a batch (default: %(default)s)")
    add("--seed", type=int, default=1, help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Fit, distil, export; a step whose output is there is not done again."""
    if args.updates < 0 or args.max_tokens < 1 or not args.lr > 0:
        raise SeeError("--updates must be at least 0, --max-tokens at least 1, --lr above 0")
    fitted = args.output / "fit.pt"
    check_outputs({"--output": fitted}, [args.checkpoint])
    if args.updates and not any(args.data.glob("train*.bin")):
        raise SeeError(f"{args.data} has no train*.bin; prepare one with fairseq-preprocess --trainpref")
    # Here, not above: torch and fairseq take seconds to import.
    import torch

    # Registers the criterion that distillation trains with.
    import fairseq_see.plugin  # noqa: F401
    from fairseq_see.cli.main import main
    from fairseq_see.embeddings.config import parse_options
    from fairseq_see.fitting import FitConfig, fit, initialise
    from fairseq_see.models.checkpoint import count_updates, load_checkpoint
    from fairseq_see.models.compress import Exchange, check_fit
    from fairseq_see.models.distil import check_training, distil, measure_perplexity

    # Losses and speed: distillation takes hours.
    logging.getLogger("fairseq.logging.progress_bar").setLevel(logging.INFO)
    options = {"see_method": args.see_method, "see_ratio": args.ratio, "see_args": parse_options(args.see_args)}
    exchange, trainings = None, args.output / "checkpoints"
    if fitted.is_file():
        check_fit(fitted, args.checkpoint, options)
        check_training(trainings, args.lr, args.data, args.seed)
    else:
        torch.manual_seed(args.seed)
        exchange = Exchange(args.checkpoint, options, args.data)
    # Before hours of work, since data may lack a validation set.
    rows = {"trained": measure_perplexity(args.checkpoint, args.data, args.max_tokens)}
    if exchange:
        for name, side in exchange.sides.items():
            # Where there is a closed form, distillation goes on better than any fit of the matrix.
            if not initialise(side.embedding, side.matrix, side.counts + 1):
                fit(side.embedding, side.matrix, FitConfig(seed=args.seed), side.counts + 1, name)
        exchange.save(fitted, "weighted by frequency")
    small = fitted
    if args.updates:
        small = distil(
            fitted, args.checkpoint, args.data, trainings, args.updates, args.lr, args.max_tokens, args.seed,
        )  # fmt: skip
    if status := main(["export", str(small), "--output", str(args.output / "model"), "--data", str(args.data)]):
        raise SystemExit(status)
    models = {f"{args.see_method}, {args.ratio:g}x": fitted}
    if args.updates:
        models[f"after {count_updates(load_checkpoint(small)):,} updates"] = small
    rows |= {name: measure_perplexity(path, args.data, args.max_tokens) for name, path in models.items()}
    columns = {"model": "left", "perplexity": "right"}
    cells = [(name, f"{perplexity:.2f}") for name, perplexity in rows.items()]
    print_table(f"perplexity on the validation set of {args.data}", columns, cells)
