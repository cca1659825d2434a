"""Losses against numbers worked out by hand, their gradients, and what they are parsed from."""

import math
from itertools import pairwise

import pytest
import torch

from fairseq_see.errors import SeeError
from fairseq_see.fitting.losses import LOSSES, alpha_at, cosine, l1, mse, parse_loss, power

X = torch.tensor([[3.0, 4.0], [1.0, 0.0]], dtype=torch.float64)
Y = torch.tensor([[3.0, 0.0], [0.0, 9.0]], dtype=torch.float64)


def test_values_by_hand():
    # Differences 0, 4 and 1, -9; cosines 3/5 and 0.
    assert mse(X, Y).item() == pytest.approx((16 + 1 + 81) / 4)
    assert l1(X, Y).item() == pytest.approx((4 + 1 + 9) / 4)
    assert power(X, Y, alpha=0.5).item() == pytest.approx((1e-5 + 2 + 1 + 3) / 4)
    assert cosine(X, Y).item() == pytest.approx((0.4 + 1) / 2)


def test_weights_are_of_rows():
    weight = torch.tensor([0.5, 1.5])
    assert mse(X, Y, weight).item() == pytest.approx((0.5 * 16 / 2 + 1.5 * 82 / 2) / 2)
    assert cosine(X, Y, weight).item() == pytest.approx((0.5 * 0.4 + 1.5 * 1) / 2)
    for loss in LOSSES.values():
        torch.testing.assert_close(loss(X, Y, torch.ones(2)), loss(X, Y))


@pytest.mark.parametrize("text", [*LOSSES, "direction", "mse:2,cosine:0.5,l1:1"])
def test_gradcheck(text):
    torch.manual_seed(0)
    x, y = torch.randn(2, 5, 4, dtype=torch.float64).unbind()
    loss, weight = parse_loss(text), torch.rand(5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, y, weight, 0.7), (x.requires_grad_(),))


def test_power_has_a_gradient_where_nothing_differs():
    x = X.clone().requires_grad_()
    power(x, X, alpha=0.1).backward()
    assert x.grad.isfinite().all()


def test_a_mix_is_the_sum_of_its_terms():
    expected = 0.9975 / 5 * cosine(X, Y) + 0.0025 * power(X, Y, alpha=0.3)
    for text in ("direction", "cosine:0.1995,power:0.0025"):
        torch.testing.assert_close(parse_loss(text)(X, Y, None, 0.3), expected)
    assert parse_loss("mse").terms == (("mse", 1.0),)


@pytest.mark.parametrize("text", ["", "huber", "mse:0", "mse:-1", "mse:x", "mse:inf", "mse,mse", "mse:1;l1:2", "mse,"])
def test_other_texts_are_refused(text):
    with pytest.raises(SeeError, match="loss"):
        parse_loss(text)


def test_alpha_falls_for_twenty_of_thirty_epochs():
    values = [alpha_at(epoch, 30, (1.0, 0.1)) for epoch in range(30)]
    assert values[0] == 1.0 and values[10] == pytest.approx(0.55)
    assert values[20:] == pytest.approx([0.1] * 10) and values[19] == pytest.approx(0.145)
    assert all(math.isclose(a - b, 0.045) for a, b in pairwise(values[:21]))
    assert alpha_at(0, 1, (1.0, 0.1)) == 1.0
