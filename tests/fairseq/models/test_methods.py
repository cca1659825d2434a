"""Every registered method through fairseq on the demonstration corpus: it learns, resumes exactly, and translates."""

import math
import shutil
from collections import Counter

import pytest
import torch
from fairseq import checkpoint_utils

from fairseq_see.embeddings import REGISTRY
from tests.fairseq.training import OPTIONS, train
from tests.helpers import ROOT, run_command, script

UPDATES, HALTED = 200, 180
# The last value of an option counts. Without label smoothing the loss is comparable with a unigram model's; layers
# that normalise first learn in so few updates with every method.
SHORT = (
    *("--label-smoothing", "0", "--max-tokens", "1000", "--max-epoch", "0", "--max-update", str(UPDATES)),
    *("--lr", "0.01", "--clip-norm", "1", "--lr-scheduler", "polynomial_decay", "--warmup-updates", "40"),
    *("--total-num-update", str(UPDATES), "--save-interval-updates", str(HALTED)),
    *("--encoder-layers", "1", "--decoder-layers", "1", "--encoder-normalize-before", "--decoder-normalize-before"),
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A third of data/, prepared and indexed by the scripts."""
    folder = tmp_path_factory.mktemp("demo")
    for words in (
        ("prepare.sh", ROOT / "data", folder, "size=500", "max_pairs=3000"),
        ("index.sh", folder, "--senses", ROOT / "data/senses.tsv", "--morphology", "characters"),
    ):
        done = script(*words)
        assert done.returncode == 0, done.stderr
    return folder / "data-bin"


def compute_unigram_loss(data):
    """Bits a token of the validation set under the training set's relative frequencies, one added to every count."""
    counts = Counter()
    for line in (data / "dict.en.txt").read_text(encoding="utf-8").splitlines():
        token, count = line.split()
        counts[token] = int(count)
    text, dev = ((data.parent / f"subwords/{name}.en").read_text(encoding="utf-8") for name in ("train", "dev"))
    counts["</s>"] = text.count("\n")
    tokens = dev.replace("\n", " </s> ").split()
    total = counts.total() + len(counts) + 1
    return -sum(math.log2((counts[token] + 1) / total) for token in tokens) / len(tokens)


@pytest.mark.slow
# Frozen random embeddings learn too little in so few updates: no word has a parameter of its own.
@pytest.mark.parametrize(
    "method", sorted(method for method in REGISTRY if not REGISTRY[method].quantised and method != "random")
)
def test_a_method_learns_resumes_and_translates(demo, tmp_path, method):
    words = ["--see-method", method, *SHORT, *(("--see-ratio", "3") if REGISTRY[method].compresses else ())]
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    if method in ("dense", "see"):
        run_command("fairseq-train", demo, *OPTIONS, "--save-dir", straight, *words)
        end = torch.load(straight / "checkpoint_last.pt", weights_only=True)
    else:
        end = train(demo, straight, *words)
    assert end["optimizer_history"][-1]["num_updates"] == UPDATES
    assert end["extra_state"]["val_loss"] <= 0.85 * compute_unigram_loss(demo)

    resumed.mkdir()
    (before,) = straight.glob(f"checkpoint_*_{HALTED}.pt")
    shutil.copy(before, resumed / "checkpoint_last.pt")
    again = train(demo, resumed, *words)
    for name, value in end["model"].items():
        assert value.equal(again["model"][name]), name

    expected, *others = translate(demo, straight / "checkpoint_last.pt")
    assert len({sentence for sentence, _ in expected}) > len(expected) / 4
    for other in others:
        assert [sentence for sentence, _ in other] == [sentence for sentence, _ in expected]
        torch.testing.assert_close([score for _, score in other], [score for _, score in expected], atol=1e-4, rtol=0)


def translate(data, checkpoint):
    """Beam-5 hypotheses of 20 sentences and their scores: cached, factored, and without incremental state."""
    for inference, incremental in (("cached", True), ("factored", True), ("cached", False)):
        (model,), _, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(checkpoint)], arg_overrides={"data": str(data), "see_inference": inference}
        )
        task.load_dataset("test")
        generator = task.build_generator([model.eval()], task.cfg)
        generator.model.has_incremental, generator.beam_size, generator.max_len_b = incremental, 5, 12
        batch = task.dataset("test").collater([task.dataset("test")[i] for i in range(20)])
        hypotheses = task.inference_step(generator, [model], batch)
        yield [(tuple(best["tokens"].tolist()), best["score"].item()) for best, *_ in hypotheses]
