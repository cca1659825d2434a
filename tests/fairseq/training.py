"""fairseq's own entry points on the toy task, in this process: starting one anew would cost more than the run."""

import io
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq import checkpoint_utils, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.logging import metrics
from fairseq.options import get_training_parser, parse_args_and_arch

import fairseq_see.plugin  # noqa: F401
from tests.helpers import ROOT

PLUGIN = ("--user-dir", str(ROOT / "fairseq_see"))
SHORT = (
    *(*PLUGIN, "--max-epoch", "2", "--seed", "3", "--optimizer", "adam", "--lr", "0.005"),
    *("--max-tokens", "400", "--num-workers", "0", "--update-epoch-batch-itr", "True", "--no-epoch-checkpoints"),
    *("--no-progress-bar", "--log-format", "simple"),
)
OPTIONS = (
    *(*SHORT, "--arch", "see_transformer_tiny"),
    *("--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"),
)
BLOCKS = ("--sample-break-mode", "eos", "--tokens-per-sample", "32")
LM_OPTIONS = (
    *(*SHORT, *BLOCKS, "--task", "language_modeling", "--criterion", "cross_entropy"),
    *("--arch", "see_transformer_lm_tiny"),
)
MASKED_OPTIONS = (
    *(*SHORT, *BLOCKS, "--task", "masked_lm", "--criterion", "masked_lm", "--mask-prob", "0.3"),
    *("--arch", "see_roberta_tiny"),
)

TIED = "--share-decoder-input-output-embed"
# Of fairseq's own models: as the architectures of this package that end in _tiny.
SHAPE = {
    f"--{side}-{name}": value
    for side in ("encoder", "decoder")
    for name, value in (("embed-dim", "64"), ("ffn-embed-dim", "128"), ("layers", "2"), ("attention-heads", "2"))
}
SMALL = tuple(word for pair in SHAPE.items() for word in pair)
SMALL_LM = (
    *(word for name, value in SHAPE.items() if "decoder" in name for word in (name, value)),
    *("--decoder-input-dim", "64", "--decoder-output-dim", "64"),
)
SMALL_MASKED = tuple(word for name, value in SHAPE.items() if "encoder" in name for word in (name, value))


def train(data: Path, save_dir: Path, *words: object, options: Sequence[str] = OPTIONS) -> dict:
    """Run fairseq-train, and return the last checkpoint."""
    from fairseq_cli.train import cli_main

    metrics.reset()
    # What fairseq remembers between two runs in one process.
    vars(checkpoint_utils.save_checkpoint).pop("best", None)
    with pytest.MonkeyPatch.context() as patch:
        command = ["fairseq-train", data, *options, "--save-dir", save_dir, *words]
        patch.setattr(sys, "argv", list(map(str, command)))
        cli_main()
    return torch.load(save_dir / "checkpoint_last.pt", weights_only=True)


def generate(data: Path, checkpoint: Path, *words: object) -> dict[str, tuple[str, float]]:
    """Run fairseq-generate: hypothesis and score by the number of the sentence."""
    from fairseq_cli.generate import cli_main

    command = ["fairseq-generate", data, *PLUGIN, "--path", checkpoint, "--beam", "2", "--max-len-b", "12", *words]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.setattr(sys, "argv", list(map(str, command)))
        cli_main()
    found = re.findall(r"^H-(\d+)\t(\S+)\t(.*)$", printed.getvalue(), re.M)
    assert len(found) == 40
    return {number: (text, float(score)) for number, score, text in found}


def build(data: Path, *words: object, options: Sequence[str] = OPTIONS) -> tuple[Any, Any, Any]:
    """Model, task and configuration, built as fairseq-train builds them."""
    args = parse_args_and_arch(get_training_parser(), list(map(str, [data, *options, *words])))
    cfg = convert_namespace_to_omegaconf(args)
    torch.manual_seed(1)
    task = tasks.setup_task(cfg.task)
    return task.build_model(cfg.model), task, cfg
