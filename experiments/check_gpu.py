"""Whether torch was built for this machine's GPU, told in one line before a training begins.

python -m experiments.check_gpu [--required]
"""

import argparse
import re
import sys
from collections.abc import Iterable

from fairseq_see.errors import SeeError, ends_in_one_line


def covers(capability: tuple[int, int], architectures: Iterable[str]) -> bool:
    """Whether code for one of the architectures runs on a GPU of this compute capability.

    Args:
        capability: major and minor, (7, 0) for a V100.
        architectures: as ``torch.cuda.get_arch_list()`` has them. ``sm_XY`` is machine code, for the same major and any
            minor from Y on; ``compute_XY`` is compiled when it runs, for anything from X.Y on.
    """
    for architecture in architectures:
        if match := re.match(r"(sm|compute)_(\d+)(\d)", architecture):
            built = int(match[2]), int(match[3])
            if built <= capability and (match[1] == "compute" or built[0] == capability[0]):
                return True
    return False


def check(required: bool) -> None:
    """Look at every GPU that is visible.

    Raises:
        SeeError: torch has no code for one of them; or there is none, though one is required.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if required and not count:
        raise SeeError(f"torch {torch.__version__} sees no GPU, which this setting needs; --scale small does without")
    # ROCm names architectures by chips (gfx90a), from which no capability can be read.
    if torch.version.hip:
        return
    architectures = torch.cuda.get_arch_list()
    for number in range(count):
        capability = torch.cuda.get_device_capability(number)
        if not covers(capability, architectures):
            name, built = torch.cuda.get_device_name(number), " ".join(architectures)
            raise SeeError(
                f"{name} is sm_{capability[0]}{capability[1]}, and torch {torch.__version__} was built for {built}; "
                "install a build for it (docs/reproduce.md)"
            )


def main() -> int:
    """End with status 0 if torch fits the GPUs."""
    parser = argparse.ArgumentParser(prog="python -m experiments.check_gpu", description=main.__doc__)
    parser.add_argument("--required", action="store_true", help="there must be a GPU")
    with ends_in_one_line():
        check(parser.parse_args().required)
    return 0


if __name__ == "__main__":
    sys.exit(main())
