"""``fairseq-see average``: the mean of several checkpoints' weights (the fairseq wheel ships no such script)."""

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs, save_checkpoint

HELP = "average the weights of checkpoints of one run into a new checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("checkpoints", metavar="CHECKPOINT", nargs="+", type=Path, help="checkpoints of one run")
    parser.add_argument("--output", "-o", required=True, type=Path, help="checkpoint to write")


def run(args: argparse.Namespace) -> None:
    """Average floating-point weights in float64; everything else must agree and is kept as it is."""
    check_outputs({"--output": args.output}, args.checkpoints)
    from tqdm import tqdm

    from fairseq_see.models.checkpoint import AVERAGED, load_checkpoint

    # checkpoint_best.pt and checkpoint_last.pt are copies of others.
    paths: dict[str, Path] = {}
    for path in args.checkpoints:
        known = paths.setdefault(_digest(load_checkpoint(path)["model"]), path)
        if known != path:
            print(f"{path} has the weights of {known}: counted once", file=sys.stderr)
    first = load_checkpoint(next(iter(paths.values())))
    sums = {name: value.double() if value.is_floating_point() else value for name, value in first["model"].items()}
    for path in tqdm(list(paths.values())[1:], desc="averaging", unit="checkpoint"):
        model = load_checkpoint(path)["model"]
        if model.keys() != sums.keys() or any(model[name].shape != sums[name].shape for name in sums):
            raise SeeError(f"{path} is of another model than {args.checkpoints[0]}")
        for name, value in model.items():
            if value.is_floating_point():
                sums[name] += value.double()
            elif not value.equal(sums[name]):
                raise SeeError(f"{path} has another {name} than {args.checkpoints[0]}: another unit index, for example")
    count = len(paths)
    first["model"] = {
        name: (value / count).to(first["model"][name].dtype) if value.is_floating_point() else value
        for name, value in sums.items()
    }
    # The optimizer's moments belong to one of the checkpoints, not to their mean.
    first.pop("last_optimizer_state", None)
    first["extra_state"] = {**(first.get("extra_state") or {}), AVERAGED: count}
    save_checkpoint(args.output, first)
    print(f"{args.output}: mean of {count} checkpoints")


def _digest(model: dict[str, Any]) -> str:
    """A checksum of all weights."""
    import torch

    digest = hashlib.sha256()
    for value in model.values():
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
