"""``fairseq-see average``: the mean of several checkpoints' weights (the fairseq wheel ships no such script)."""

import argparse
import sys
from pathlib import Path

from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs

HELP = "average the weights of checkpoints of one run into a new checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("checkpoints", metavar="CHECKPOINT", nargs="+", type=Path, help="checkpoints of one run")
    parser.add_argument("--output", "-o", required=True, type=Path, help="checkpoint to write")


def run(args: argparse.Namespace) -> None:
    """Average floating-point weights in float64; everything else must agree and is kept as it is."""
    check_outputs({"--output": args.output}, args.checkpoints)
    from rich.console import Console
    from rich.progress import track

    from fairseq_see.models.checkpoint import AVERAGED, hash_weights, load_checkpoint, save_checkpoint

    first = load_checkpoint(args.checkpoints[0])
    sums = {name: value.double() if value.is_floating_point() else value for name, value in first["model"].items()}
    seen = {hash_weights(first["model"]): args.checkpoints[0]}
    for path in track(args.checkpoints[1:], "averaging", console=Console(stderr=True)):
        model = load_checkpoint(path)["model"]
        if model.keys() != sums.keys() or any(model[name].shape != sums[name].shape for name in sums):
            raise SeeError(f"{path} is of another model than {args.checkpoints[0]}")
        weights = hash_weights(model)
        if weights in seen:
            print(f"{path} has the weights of {seen[weights]}: counted once", file=sys.stderr)
            continue
        seen[weights] = path
        for name, value in model.items():
            if value.is_floating_point():
                sums[name] += value.double()
            elif not value.equal(sums[name]):
                raise SeeError(f"{path} has another {name} than {args.checkpoints[0]}: another unit index, for example")
    for name, value in first["model"].items():
        if value.is_floating_point():
            sums[name] = (sums[name] / len(seen)).to(value.dtype)
    extra = {**(first.get("extra_state") or {}), AVERAGED: len(seen)}
    mean = {**first, "model": sums, "extra_state": extra}
    # The optimizer's moments belong to one of the checkpoints, not to their mean.
    mean.pop("last_optimizer_state", None)
    save_checkpoint(args.output, mean)
    print(f"{args.output}: mean of {len(seen)} checkpoints")
