"""The criterion against fairseq's own: losses, gradients, and models whose probabilities are no plain softmax."""

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from fairseq_see.criterions import see_cross_entropy
from fairseq_see.criterions.see_cross_entropy import CrossEntropyCriterion
from tests.fairseq.criterions.small import build, make_samples, make_task


@pytest.fixture
def task(tmp_path):
    return make_task(tmp_path / "data")


def run(kind, model, task, sample, **options):
    """Loss, sample size, log and gradients by a criterion."""
    criterion = kind(task, False, 0.1, **options)
    model.zero_grad()
    loss, size, logged = criterion(model, sample)
    loss.backward()
    return loss, size, logged, {name: weight.grad for name, weight in model.named_parameters()}


@pytest.mark.parametrize("model", ["transformer", "see_transformer", "lstm"])
@pytest.mark.parametrize("options", [{}, {"report_accuracy": True}, {"ignore_prefix_size": 1}])
def test_loss_and_gradients_are_fairseqs(task, model, options, monkeypatch):
    model, sample = build(task, model)[0].eval(), make_samples(task)(0, 1, 2, 3)
    expected = run(LabelSmoothedCrossEntropyCriterion, model, task, sample, **options)
    if not options:
        # Usual models have the loss in chunks.
        monkeypatch.setattr(LabelSmoothedCrossEntropyCriterion, "compute_loss", lambda *args: pytest.fail("fairseq's"))
    found = run(CrossEntropyCriterion, model, task, sample, **options)
    torch.testing.assert_close(found[0], expected[0])
    assert found[1] == expected[1]
    assert {name: float(value) for name, value in found[2].items()} == pytest.approx(
        {name: float(value) for name, value in expected[2].items()}
    )
    torch.testing.assert_close(found[3], expected[3], rtol=1e-4, atol=1e-6)


def test_what_is_no_plain_softmax_is_left_to_fairseq(task, monkeypatch):
    """A decoder or a model that makes its probabilities itself, and an adaptive softmax."""
    monkeypatch.setattr(see_cross_entropy, "cross_entropy", lambda *args: pytest.fail("taken for a plain softmax"))
    sample = make_samples(task)(0, 1, 2)
    for owner in (lambda model: model.decoder, lambda model: model):
        model = build(task, "transformer")[0].eval()
        plain = owner(model).get_normalized_probs
        monkeypatch.setattr(
            owner(model),
            "get_normalized_probs",
            lambda net_output, log_probs, sample=None, plain=plain: 2 * plain(net_output, log_probs, sample),
        )
        found, expected = (
            kind(task, False, 0.1)(model, sample)[0]
            for kind in (CrossEntropyCriterion, LabelSmoothedCrossEntropyCriterion)
        )
        torch.testing.assert_close(found, expected)
    adaptive = {"adaptive_softmax_cutoff": "20,40", "share_decoder_input_output_embed": False}
    assert not see_cross_entropy._has_plain_softmax(build(task, "transformer", **adaptive)[0])


def test_one_by_one_is_left_to_fairseq(task):
    model, sample = build(task)[0].eval(), make_samples(task)(0, 1, 2)
    ours, theirs = (kind(task, False, 0.1) for kind in (CrossEntropyCriterion, LabelSmoothedCrossEntropyCriterion))
    found, expected = ours(model, sample, reduce=False)[0], theirs(model, sample, reduce=False)[0]
    torch.testing.assert_close(found, expected)
    assert found.numel() == sample["target"].numel()
