"""Training on the toy task: as a command, or in this process where starting one anew would cost more than the run."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.logging import metrics

import fairseq_see.plugin  # noqa: F401
from fairseq_see.cli.main import main
from tests.helpers import ROOT, run_command, write_toy_corpus, write_toy_senses

SHORT = (
    *(
        "--user-dir",
        str(ROOT / "fairseq_see"),
        "--max-epoch",
        "2",
        "--seed",
        "3",
        "--optimizer",
        "adam",
        "--lr",
        "0.005",
    ),
    *("--max-tokens", "400", "--num-workers", "0", "--update-epoch-batch-itr", "True", "--no-epoch-checkpoints"),
    *("--no-progress-bar", "--log-format", "simple"),
)
RECIPE = (
    *SHORT,
    *("--arch", "see_transformer_tiny", "--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"),
)
BLOCKS = ("--sample-break-mode", "eos", "--tokens-per-sample", "32")
LM_RECIPE = (
    *(*SHORT, *BLOCKS, "--task", "language_modeling", "--criterion", "cross_entropy"),
    *("--arch", "see_transformer_lm_tiny"),
)
MASKED_RECIPE = (
    *(*SHORT, *BLOCKS, "--task", "masked_lm", "--criterion", "masked_lm", "--mask-prob", "0.3"),
    *("--arch", "see_roberta_tiny"),
)


def run_train(data: Path, save_dir: Path, *options: str, recipe: Sequence[str] = RECIPE) -> dict:
    """Run fairseq-train's own entry point in this process, and return the last checkpoint."""
    from fairseq_cli.train import cli_main

    metrics.reset()
    # What fairseq remembers between two runs in one process.
    vars(checkpoint_utils.save_checkpoint).pop("best", None)
    words = ["fairseq-train", str(data), *recipe, "--save-dir", str(save_dir), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        cli_main()
    return torch.load(save_dir / "checkpoint_last.pt", weights_only=True)


@pytest.fixture
def train() -> Callable[..., dict]:
    """``train(data, save_dir, *options)``, without a process of its own."""
    return run_train


@pytest.fixture(scope="session")
def mono(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text of one language, the English of a toy corpus: ``dict.txt``, its unit index beside it, binary sets."""
    folder = tmp_path_factory.mktemp("mono")
    write_toy_senses(folder / "senses.tsv")
    prefixes: list[str | Path] = []
    for split, pairs in (("train", 400), ("valid", 40), ("test", 40)):
        write_toy_corpus(folder / split, pairs, seed=len(split))
        prefixes += [f"--{split}pref", folder / split / "toy.en"]
    run_command("fairseq-preprocess", "--only-source", "--destdir", folder / "data-bin", *prefixes)
    words = ("--senses", folder / "senses.tsv", "--lang", "en", "--morphology", "characters")
    assert main(["index", *map(str, (folder / "data-bin/dict.txt", *words))]) == 0
    return folder / "data-bin"
