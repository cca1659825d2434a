"""The questions about the machine and its checkpoints that need torch to answer.

python -m experiments.offline.machine device [--cpu] [--json FILE]
python -m experiments.offline.machine trained FOLDER     hours that its newest whole checkpoint was trained
"""

import argparse
import platform
import sys
from pathlib import Path
from typing import Any

from experiments import check_gpu
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import write_json


def device(cpu: bool) -> dict[str, Any]:
    """What trains: its name, capability, memory, and whether it multiplies half-precision matrices correctly.

    Raises:
        SeeError: no GPU though one is wanted, or it computes wrongly.
    """
    import numpy
    import torch

    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }
    if not cpu and not torch.cuda.is_available():
        raise SeeError("torch sees no GPU; --cpu trains on the processor")
    if not cpu:
        check_gpu.check(required=True)
    where = torch.device("cpu" if cpu else "cuda")
    if cpu:
        facts["device"] = "processor"
    else:
        properties = torch.cuda.get_device_properties(0)
        facts["device"] = properties.name
        facts["capability"] = f"{properties.major}.{properties.minor}"
        facts["memory_gib"] = round(properties.total_memory / 2**30, 1)
    generator = torch.Generator().manual_seed(1)
    left, right = (torch.randn(256, 256, generator=generator) for _ in range(2))
    exact = left.double() @ right.double()
    # Errors of rounding the operands and the result, some times over: a product has about the size 16.
    for name, kind, tolerance in (
        ("fp32", torch.float32, 0.1),
        ("fp16", torch.float16, 0.5),
        ("bf16", torch.bfloat16, 4),
    ):
        try:
            product = left.to(where, kind) @ right.to(where, kind)
            facts[name] = bool((product.double().cpu() - exact).abs().max() < tolerance)
        except RuntimeError:
            facts[name] = False
    if not facts["fp32"]:
        raise SeeError(f"{facts['device']} does not multiply matrices correctly with torch {torch.__version__}")
    return facts


def plugin() -> str:
    """Import fairseq with the plugin; return fairseq's version."""
    import fairseq
    import fairseq_cli.generate
    import fairseq_cli.hydra_train
    from fairseq.data import data_utils_fast
    from fairseq.models import ARCH_MODEL_REGISTRY

    import fairseq_see.plugin  # noqa: F401

    if "see_transformer" not in ARCH_MODEL_REGISTRY:
        raise SeeError("fairseq does not know the models of this package")
    del fairseq_cli, data_utils_fast
    return str(fairseq.__version__)


def trained_hours(folder: Path) -> float:
    """Training time of the newest checkpoint that can be read; 0 without any."""
    from fairseq_see.models.checkpoint import load_checkpoint

    for path in sorted(folder.glob("checkpoint*.pt"), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            return load_checkpoint(path)["extra_state"]["previous_training_time"] / 3600
        except (SeeError, KeyError, OSError, RuntimeError):
            continue
    return 0.0


def main() -> int:
    """Answer one question."""
    parser = argparse.ArgumentParser(prog="python -m experiments.offline.machine", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    asked = commands.add_parser("device")
    asked.add_argument("--cpu", action="store_true")
    asked.add_argument("--json", type=Path)
    commands.add_parser("trained").add_argument("folder", type=Path)
    args = parser.parse_args()
    with ends_in_one_line():
        if args.command == "trained":
            print(f"hours {trained_hours(args.folder):.6f}")
            return 0
        facts = device(args.cpu) | {"fairseq": plugin()}
        print("\n".join(f"  {name:<11}{value}" for name, value in facts.items()))
        if args.json:
            write_json(args.json, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
