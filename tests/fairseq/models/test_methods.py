"""Every registered method through fairseq on the demonstration corpus: it learns, resumes exactly, and translates."""

import math
import os
import shutil
import subprocess
import sys
from collections import Counter

import pytest
import torch
from fairseq import checkpoint_utils

from fairseq_see.embeddings import REGISTRY
from tests.fairseq.models.conftest import RECIPE
from tests.helpers import ROOT, run_command

UPDATES = 200
# The last value of an option counts. Without label smoothing the loss is comparable with a unigram model's; layers
# that normalise first learn in so few updates with every method.
OPTIONS = (
    *("--label-smoothing", "0", "--max-tokens", "1600", "--max-epoch", "0", "--max-update", str(UPDATES)),
    *("--lr", "0.01", "--clip-norm", "1", "--lr-scheduler", "polynomial_decay", "--warmup-updates", "40"),
    *("--total-num-update", str(UPDATES), "--save-interval-updates", str(UPDATES // 2)),
    *("--encoder-layers", "1", "--decoder-layers", "1", "--encoder-normalize-before", "--decoder-normalize-before"),
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A third of data/, prepared and indexed by the scripts."""
    folder = tmp_path_factory.mktemp("demo")
    env = {**os.environ, "FAIRSEQ_SEE_VENV": sys.prefix, "OMP_NUM_THREADS": "1"}
    for words in (
        ["prepare.sh", ROOT / "data", folder, "size=1000", "max_pairs=3000"],
        ["index.sh", folder, "--senses", ROOT / "data/senses.tsv", "--morphology", "characters"],
    ):
        done = subprocess.run(
            [ROOT / "scripts" / words[0], *map(str, words[1:])], env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    return folder / "data-bin"


def unigram_loss(data):
    """Bits a token of the validation set under the training set's relative frequencies, one added to every count."""
    with open(data / "dict.en.txt", encoding="utf-8") as file:
        counts = Counter({token: int(n) for token, n in (line.split() for line in file)})
    with open(data.parent / "subwords/train.en", encoding="utf-8") as file:
        counts["</s>"] = sum(1 for _ in file)
    with open(data.parent / "subwords/dev.en", encoding="utf-8") as file:
        tokens = [token for line in file for token in [*line.split(), "</s>"]]
    total = counts.total() + len(counts) + 1
    return -sum(math.log2((counts[token] + 1) / total) for token in tokens) / len(tokens)


@pytest.mark.slow
# Frozen random embeddings learn too little in so few updates: no word has a parameter of its own.
@pytest.mark.parametrize(
    "method", sorted(method for method in REGISTRY if not REGISTRY[method].quantised and method != "random")
)
def test_a_method_learns_resumes_and_translates(demo, tmp_path, train, method):
    options = ["--see-method", method, *OPTIONS]
    if REGISTRY[method].compresses:
        options += ["--see-ratio", "3"]
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    if method in ("dense", "see"):
        run_command("fairseq-train", demo, *RECIPE, "--save-dir", straight, *options)
        end = torch.load(straight / "checkpoint_last.pt", weights_only=True)
    else:
        end = train(demo, straight, *options)
    assert end["optimizer_history"][-1]["num_updates"] == UPDATES
    assert end["extra_state"]["val_loss"] <= 0.8 * unigram_loss(demo)

    resumed.mkdir()
    (half,) = straight.glob(f"checkpoint_*_{UPDATES // 2}.pt")
    shutil.copy(half, resumed / "checkpoint_last.pt")
    again = train(demo, resumed, *options)
    for name, value in end["model"].items():
        assert value.equal(again["model"][name]), name

    expected, *others = translations(demo, straight / "checkpoint_last.pt")
    assert len({sentence for sentence, _ in expected}) > len(expected) / 4
    for other in others:
        assert [sentence for sentence, _ in other] == [sentence for sentence, _ in expected]
        torch.testing.assert_close([score for _, score in other], [score for _, score in expected], atol=1e-4, rtol=0)


def translations(data, checkpoint):
    """Beam-5 hypotheses of 40 sentences and their scores: cached, factored, and without incremental state."""
    for inference, incremental in (("cached", True), ("factored", True), ("cached", False)):
        (model,), _, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(checkpoint)],
            arg_overrides={"data": str(data), "see_inference": inference},
        )
        task.load_dataset("test")
        model.eval()
        generator = task.build_generator([model], task.cfg)
        generator.model.has_incremental = incremental
        generator.beam_size = 5
        found = []
        for start in range(0, 40, 20):
            batch = task.dataset("test").collater([task.dataset("test")[i] for i in range(start, start + 20)])
            for hypotheses in task.inference_step(generator, [model], batch):
                found.append((tuple(hypotheses[0]["tokens"].tolist()), hypotheses[0]["score"].item()))
        yield found
