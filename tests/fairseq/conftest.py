"""Shared by the tests of models: text of one language, and models that are trained when they are first asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fairseq_see.cli.main import main
from tests.fairseq.training import LM_OPTIONS, MASKED_OPTIONS, OPTIONS, SMALL, SMALL_LM, SMALL_MASKED, TIED, train
from tests.helpers import run_command, write_toy_corpus, write_toy_senses

LSTM = ("--arch", "lstm", "--encoder-embed-dim", "64", "--decoder-embed-dim", "64", "--decoder-out-embed-dim", "64")
# By name: the data, the options that all its models have, and those of its own.
MODELS = {
    "stock": ("data-bin", OPTIONS, ("--arch", "transformer", *SMALL, TIED, "--max-epoch", "8")),
    "untied": ("data-bin", OPTIONS, ("--arch", "transformer", *SMALL)),
    "shared": ("joined", OPTIONS, ("--arch", "transformer", *SMALL, "--share-all-embeddings")),
    "lstm": ("data-bin", OPTIONS, LSTM),
    "dense": ("data-bin", OPTIONS, ("--see-method", "dense")),
    "see": ("data-bin", OPTIONS, ("--see-ratio", "3", "--max-epoch", "6")),
    "see-2": ("data-bin", OPTIONS, ("--see-ratio", "3", "--seed", "4")),
    "lm": ("mono", LM_OPTIONS, ("--arch", "transformer_lm", *SMALL_LM, TIED)),
    "masked": ("mono", MASKED_OPTIONS, ("--arch", "roberta", *SMALL_MASKED)),
    "masked-dense": ("mono", MASKED_OPTIONS, ("--see-method", "dense")),
}


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


@pytest.fixture(scope="session")
def trained(toy: Path, mono: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from a name in MODELS to a checkpoint that fairseq-train wrote."""
    folder = tmp_path_factory.mktemp("trained")

    def checkpoint(name: str) -> Path:
        path = folder / name / "checkpoint_last.pt"
        if not path.is_file():
            data, options, words = MODELS[name]
            train(mono if data == "mono" else toy / data, folder / name, *words, options=options)
        return path

    return checkpoint
