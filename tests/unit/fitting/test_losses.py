"""Losses against values worked out by hand, their gradients, and what they are parsed from."""

import math
from itertools import pairwise

import pytest
import torch

from fairseq_see.errors import SeeError
from fairseq_see.fitting.losses import LOSSES, parse_loss, schedule_alpha

X = torch.tensor([[3.0, 4.0], [1.0, 0.0]], dtype=torch.float64)
Y = torch.tensor([[3.0, 0.0], [0.0, 9.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        # Differences 0, 4 and 1, -9; cosines 3/5 and 0.
        ("mse", (16 / 2, 82 / 2)),
        ("l1", (4 / 2, 10 / 2)),
        ("power", ((1e-5 + 2) / 2, (1 + 3) / 2)),
        ("cosine", (0.4, 1)),
        ("mse:2,cosine:0.5", (16.2, 82.5)),
        ("direction", (0.1995 * 0.4 + 0.0025 * (1e-5 + 2) / 2, 0.1995 + 0.0025 * (1 + 3) / 2)),
    ],
)
def test_values_by_hand(loss, rows):
    assert parse_loss(loss)(X, Y, None, 0.5).item() == pytest.approx(sum(rows) / 2)
    weighted = parse_loss(loss)(X, Y, torch.tensor([0.5, 1.5]), 0.5).item()
    assert weighted == pytest.approx((0.5 * rows[0] + 1.5 * rows[1]) / 2)


@pytest.mark.parametrize("text", [*LOSSES, "direction", "mse:2,cosine:0.5,l1:1"])
def test_gradcheck(text):
    torch.manual_seed(0)
    x, y = torch.randn(2, 5, 4, dtype=torch.float64).unbind()
    loss, weight = parse_loss(text), torch.rand(5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, y, weight, 0.7), (x.requires_grad_(),))


def test_power_has_a_gradient_where_nothing_differs():
    x = X.clone().requires_grad_()
    parse_loss("power")(x, X, None, 0.1).backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("text", ["", "huber", "mse:0", "mse:-1", "mse:x", "mse:inf", "mse,mse", "mse:1;l1:2", "mse,"])
def test_other_texts_are_refused(text):
    with pytest.raises(SeeError, match="loss"):
        parse_loss(text)


def test_alpha_falls_for_twenty_of_thirty_epochs():
    values = [schedule_alpha(epoch, 30, (1.0, 0.1)) for epoch in range(30)]
    assert values[0] == 1.0 and values[10] == pytest.approx(0.55)
    assert values[20:] == pytest.approx([0.1] * 10) and values[19] == pytest.approx(0.145)
    assert all(math.isclose(a - b, 0.045) for a, b in pairwise(values[:21]))
    assert schedule_alpha(0, 1, (1.0, 0.1)) == 1.0
