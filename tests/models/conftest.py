"""Training on the toy task: as a command, or in this process where starting one anew would cost more than the run."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.logging import metrics

import fairseq_see  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (
    *("--user-dir", str(ROOT / "fairseq_see"), "--arch", "see_transformer_tiny", "--max-epoch", "2", "--seed", "3"),
    *("--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"),
    *("--optimizer", "adam", "--lr", "0.005"),
    *("--max-tokens", "400", "--num-workers", "0", "--update-epoch-batch-itr", "True", "--no-epoch-checkpoints"),
    *("--no-progress-bar", "--log-format", "simple"),
)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict]:
    """``train(data, save_dir, *options)`` runs fairseq-train's own entry point and returns the last checkpoint."""

    def run(data: Path, save_dir: Path, *options: str) -> dict:
        from fairseq_cli.train import cli_main

        metrics.reset()
        # What fairseq remembers between two runs in one process.
        vars(checkpoint_utils.save_checkpoint).pop("best", None)
        words = ["fairseq-train", str(data), *RECIPE, "--save-dir", str(save_dir), *options]
        monkeypatch.setattr(sys, "argv", words)
        cli_main()
        return torch.load(save_dir / "checkpoint_last.pt", weights_only=True)

    return run
