"""Losses of distillation against slow loops in double precision and values worked out by hand; layers; stages."""

import math

import pytest
import torch

from fairseq_see.distillation.stages import Stages, Weights, parse_layers, squared_error
from fairseq_see.errors import SeeError
from tests.unit.losses.test_chunked import draw


def test_squared_error_as_a_loop():
    pairs = [(draw(3, 4, 5, seed=i), draw(3, 4, 5, seed=i + 9)) for i in range(2)]
    real = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]).bool()
    total = 0.0
    for student, teacher in pairs:
        for b, t in real.nonzero().tolist():
            differences = zip(student[b, t].tolist(), teacher[b, t].tolist(), strict=True)
            total += sum((x - y) ** 2 for x, y in differences) / 5 / len(pairs)
    assert squared_error(pairs, real).item() == pytest.approx(total, rel=1e-12)
    pairs[0][0][1, 3] = pairs[0][1][0, 3] = 1e9
    assert squared_error(pairs, real).item() == pytest.approx(total, rel=1e-12)


def test_gradients():
    student, teacher = draw(3, 4).requires_grad_(), draw(3, 4, seed=1)
    real = torch.tensor([True, False, True])
    assert torch.autograd.gradcheck(lambda x: squared_error([(x, teacher), (2 * x, teacher)], real), (student,))


def test_half_precision_is_summed_in_single():
    student, teacher = torch.full((9, 8), 300.0).half(), torch.zeros(9, 8).half()
    assert squared_error([(student, teacher)], torch.ones(9).bool()).item() == 9 * 300**2


@pytest.mark.parametrize(
    ("text", "encoder", "decoder"),
    [
        ("all", [(0, 0), (1, 1), (2, 2)], [(0, 0), (1, 1)]),
        ("last", [(-1, -1)], [(-1, -1)]),
        ("0,1", [(0, 0), (1, 1)], [(0, 0), (1, 1)]),
        ("1:2,2:0/last", [(1, 2), (2, 0)], [(-1, -1)]),
        ("all/0", [(0, 0), (1, 1), (2, 2)], [(0, 0)]),
    ],
)
def test_layers(text, encoder, decoder):
    for side, depth, expected in zip(parse_layers(text), (2, 1), (encoder, decoder), strict=True):
        assert side.pair(depth, depth) == tuple(expected)


def test_layers_of_other_models_are_refused():
    encoder, decoder = parse_layers("all")
    with pytest.raises(
        SeeError, match=r"teacher's encoder has 3 layers, the student's 1; name those .* STUDENT:TEACHER"
    ):
        encoder.pair(1, 3)
    with pytest.raises(SeeError, match=r"teacher's decoder has 1 layers, the student's 2"):
        decoder.pair(2, 1)
    for text in ("2", "2:0", "0:3"):
        with pytest.raises(SeeError, match=r"in encoders of 1 layers \(student\) and 2 \(teacher\)"):
            parse_layers(text)[0].pair(1, 2)


@pytest.mark.parametrize("text", ["", "first", "1,", "-1", "1:2:3", "all/all/all", "1.5", "1:"])
def test_other_texts_are_refused(text):
    with pytest.raises(SeeError, match="--distil-layers"):
        parse_layers(text)


START, FORMAL = Weights(embedding=1.0, hidden=2.0), Weights(kl=0.5, embedding=0.0, hidden=3.0, ce=1.0)


def test_stages():
    by_updates, by_epochs = Stages(START, FORMAL, updates=3), Stages(START, FORMAL, epochs=2)
    assert [by_updates.choose(update, 1) is START for update in range(5)] == [True] * 3 + [False] * 2
    assert [by_epochs.choose(99, epoch) is START for epoch in (1, 2, 3)] == [True, True, False]
    assert Stages(START, FORMAL).choose(0, 1) is FORMAL and Stages(START, FORMAL).used == (FORMAL,)
    assert by_updates.used == by_epochs.used == (START, FORMAL)


def test_total_is_the_weighted_sum():
    losses = {"ce": torch.tensor(5.0), "kl": torch.tensor(4.0), "hidden": torch.tensor(0.5)}
    assert FORMAL.combine(losses).item() == 5 + 0.5 * 4 + 3 * 0.5


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            Stages(START, FORMAL._replace(kl=-1.0)),
            "weight of the kl loss in the formal stage of distillation must be a number from 0, not -1",
        ),
        (Stages(START._replace(hidden=math.nan), FORMAL), "weight of the hidden loss in the start stage"),
        (Stages(START, FORMAL._replace(embedding=math.inf)), "weight of the embedding loss in the formal stage"),
        (Stages(START, FORMAL, updates=-1), "at least 0"),
        (Stages(Weights(), FORMAL, epochs=1), "nothing is learnt"),
    ],
)
def test_impossible_settings_are_refused(stages, message):
    with pytest.raises(SeeError, match=message):
        stages.check()
