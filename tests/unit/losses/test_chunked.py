"""Losses of an output layer against torch's own, slow loops and values worked out by hand, in one chunk or many."""

import math

import pytest
import torch
import torch.nn.functional as F

from fairseq_see.losses import chunked
from fairseq_see.losses.chunked import cross_entropy, kl_divergence

PAD = 1


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[1, 25, 2**20])
def chunks(request, monkeypatch):
    """One position at a time, some of them, all at once."""
    monkeypatch.setattr(chunked, "CHUNK_ELEMENTS", request.param)


def gradient_of(loss, logits):
    return torch.autograd.grad(loss, logits, retain_graph=True)[0]


def divergence_of_torch(student, teacher, temperature=1.0, tokens=None):
    """Of the teacher's distribution over ``tokens``, and the student's probabilities of these among all."""
    ours, theirs = (F.log_softmax(logits / temperature, -1) for logits in (student, teacher))
    return F.kl_div(ours if tokens is None else ours.gather(1, tokens), theirs, reduction="sum", log_target=True)


def test_kl_by_hand():
    # p = (3/4, 1/4), q = (1/2, 1/2); at T = 2, p = (sqrt 3, 1) / (sqrt 3 + 1).
    student, teacher = torch.zeros(1, 2), torch.tensor([[math.log(3), 0.0]])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kl_divergence(student, teacher).item() == pytest.approx(expected)
    assert kl_divergence(student.repeat(3, 1), teacher.repeat(3, 1)).item() == pytest.approx(3 * expected)
    a = math.sqrt(3) / (math.sqrt(3) + 1)
    expected = a * math.log(2 * a) + (1 - a) * math.log(2 * (1 - a))
    assert kl_divergence(student, teacher, temperature=2.0).item() == pytest.approx(expected)
    assert kl_divergence(student, teacher, None, 2.0, t_squared=True).item() == pytest.approx(4 * expected)


@pytest.mark.parametrize("both", [False, True])
def test_what_the_teacher_rules_out_adds_nothing(both):
    student, teacher = draw(5, 7), draw(5, 7, seed=1)
    teacher[:, 2] = -math.inf
    rest = [0, 1, 3, 4, 5, 6]
    if both:
        student[:, 2] = -math.inf
    student.requires_grad_()
    loss = kl_divergence(student, teacher)
    torch.testing.assert_close(loss, divergence_of_torch(student, teacher[:, rest], tokens=torch.tensor([rest] * 5)))
    gradient = gradient_of(loss, student)
    torch.testing.assert_close(gradient, F.softmax(student.detach(), -1) - F.softmax(teacher, -1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("padded", [0, 3])
@pytest.mark.parametrize("ignored", [PAD, -100])
def test_cross_entropy_is_torchs(chunks, smoothing, padded, ignored):
    logits, target = (3 * draw(2, 6, 11)).requires_grad_(), torch.arange(12).view(2, 6) % 9 + 2
    target[1, :padded] = ignored
    loss, likelihood = cross_entropy(logits, target, smoothing, ignored)
    # torch gives the right token its share of what is taken from it, fairseq does not.
    expected = F.cross_entropy(
        logits.flatten(0, 1),
        target.flatten(),
        ignore_index=ignored,
        reduction="sum",
        label_smoothing=smoothing * 11 / 10,
    )
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient_of(5 * loss, logits), gradient_of(5 * expected, logits))
    alone = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=ignored, reduction="sum")
    torch.testing.assert_close(likelihood, alone.detach())
    assert not likelihood.requires_grad


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_divergence_is_torchs(chunks, temperature):
    student, teacher = (3 * draw(2, 4, 11)).requires_grad_(), 3 * draw(2, 4, 11, seed=1)
    real = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0]]).bool()
    loss = kl_divergence(student, teacher, None, temperature, False, real)
    expected = divergence_of_torch(student[real], teacher[real], temperature)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient_of(5 * loss, student), gradient_of(5 * expected, student))
    for k in (3, 11):
        # Of the teacher some logits at the real positions alone, less what a softmax does not see.
        values, tokens = teacher[real].topk(k)
        some = kl_divergence(student, values - 5, tokens, temperature, False, real)
        expected = divergence_of_torch(student[real], values, temperature, tokens)
        torch.testing.assert_close(some, expected)
        torch.testing.assert_close(gradient_of(some, student), gradient_of(expected, student))


def test_gradients(chunks):
    logits, target = draw(3, 5).requires_grad_(), torch.tensor([2, PAD, 4])
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, target, 0.2, PAD)[0], (logits,))
    real, teacher = target != PAD, draw(3, 5, seed=1)
    assert torch.autograd.gradcheck(lambda x: kl_divergence(x, teacher, None, 2.0, True, real), (logits,))
    assert torch.autograd.gradcheck(lambda x: kl_divergence(x, teacher, None, 2.0, True), (logits,))
    values, tokens = teacher.topk(2)
    assert torch.autograd.gradcheck(lambda x: kl_divergence(x, values, tokens, 2.0), (logits,))
    values, tokens = teacher[real].topk(2)
    assert torch.autograd.gradcheck(lambda x: kl_divergence(x, values, tokens, 2.0, True, real), (logits,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loses_nothing_but_the_last_rounding(chunks, dtype):
    exact = (8 * draw(4, 50)).to(dtype).float().requires_grad_()
    logits, target = exact.detach().to(dtype).requires_grad_(), torch.tensor([3, 4, PAD, 49])
    loss, likelihood = cross_entropy(logits, target, 0.1, PAD)
    expected = cross_entropy(exact, target, 0.1, PAD)
    assert loss.dtype == likelihood.dtype == torch.float32
    torch.testing.assert_close((loss, likelihood), expected)
    # A loss is scaled before its gradient is rounded, so that what is small stays.
    torch.testing.assert_close(gradient_of(128 * loss, logits), gradient_of(128 * expected[0], exact).to(dtype))


def test_divergence_of_half_precision_is_in_single():
    student, teacher = torch.full((9, 8), 300.0).half(), torch.zeros(9, 8).half()
    assert kl_divergence(student, teacher).dtype == torch.float32


def test_a_batch_of_padding_is_nothing(chunks):
    logits = draw(3, 5).requires_grad_()
    loss, likelihood = cross_entropy(logits, torch.full((3,), PAD), 0.1, PAD)
    assert loss.item() == likelihood.item() == 0
    assert not gradient_of(loss, logits).any()
