"""Every registered method through fairseq: it learns, resumes exactly, and translates alike in every way."""

import shutil

import pytest
import torch
from fairseq import checkpoint_utils

from fairseq_see.embeddings import REGISTRY
from tests.fairseq.training import train

UPDATES, HALTED = 60, 50
# The last value of an option counts. Layers that normalise first learn in so few updates with every method.
SHORT = (
    *("--label-smoothing", "0", "--max-epoch", "0", "--max-update", str(UPDATES), "--lr", "0.01", "--clip-norm", "1"),
    *("--lr-scheduler", "polynomial_decay", "--warmup-updates", "10", "--total-num-update", str(UPDATES)),
    *("--save-interval-updates", str(HALTED), "--validate-interval", "99"),
    *("--encoder-layers", "1", "--decoder-layers", "1", "--encoder-normalize-before", "--decoder-normalize-before"),
)
# Bits a token by the frequencies of the toy language: 64 words are equally likely, a sentence has five on average.
UNIGRAM = 5.65


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(method for method in REGISTRY if not REGISTRY[method].quantised))
def test_a_method_learns_resumes_and_translates(toy, tmp_path, method):
    data, straight, resumed = toy / "data-bin", tmp_path / "straight", tmp_path / "resumed"
    words = ["--see-method", method, *SHORT, *(("--see-ratio", "2") if REGISTRY[method].compresses else ())]
    end = train(data, straight, *words)
    assert end["optimizer_history"][-1]["num_updates"] == UPDATES
    assert end["extra_state"]["val_loss"] < UNIGRAM

    resumed.mkdir()
    (before,) = straight.glob(f"checkpoint_*_{HALTED}.pt")
    shutil.copy(before, resumed / "checkpoint_last.pt")
    again, before = train(data, resumed, *words)["model"], torch.load(before, weights_only=True)["model"]
    learning = set()
    for name, value in end["model"].items():
        assert value.equal(again[name]), name
        if "embed_tokens" in name and not value.equal(before[name]):
            learning.add(name.split(".")[0])
    assert learning == {"encoder", "decoder"}

    (sentences, scores), *others = translate(data, straight / "checkpoint_last.pt")
    assert len(set(scores)) > 50
    for same_sentences, same_scores in others:
        assert same_sentences == sentences
        torch.testing.assert_close(same_scores, scores, atol=1e-4, rtol=0)


def translate(data, checkpoint):
    """The best hypotheses of 20 sentences, and the scores of all five: cached, factored, without incremental state."""
    for inference, incremental in (("cached", True), ("factored", True), ("cached", False)):
        (model,), _, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(checkpoint)], arg_overrides={"data": str(data), "see_inference": inference}
        )
        task.load_dataset("test")
        generator = task.build_generator([model.eval()], task.cfg)
        generator.model.has_incremental, generator.beam_size, generator.max_len_b = incremental, 5, 12
        batch = task.dataset("test").collater([task.dataset("test")[i] for i in range(20)])
        hypotheses = task.inference_step(generator, [model], batch)
        scores = [hypothesis["score"].item() for beam in hypotheses for hypothesis in beam]
        yield [best["tokens"].tolist() for best, *_ in hypotheses], scores
