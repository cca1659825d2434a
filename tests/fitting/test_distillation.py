"""Losses of distillation against slow loops in double precision and numbers worked out by hand; layers; stages."""

import math

import pytest
import torch

from fairseq_see.errors import SeeError
from fairseq_see.fitting.distillation import Stages, Weights, parse_layers, squared_error
from fairseq_see.fitting.output_losses import kl_divergence


def numbers(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax(row):
    top = max(row)
    values = [math.exp(x - top) for x in row]
    return [value / sum(values) for value in values]


def slow_kl(student, teacher, temperature, tokens=None):
    """Eq. 7, term by term."""
    total = 0.0
    for i, row in enumerate(student.tolist()):
        q = softmax([x / temperature for x in row])
        if tokens is not None:
            q = [q[t] for t in tokens[i].tolist()]
        p = softmax([x / temperature for x in teacher[i].tolist()])
        total += sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True))
    return total


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


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_kl_as_a_loop(temperature):
    student, teacher = numbers(5, 7), 4 * numbers(5, 7, seed=1)
    assert kl_divergence(student, teacher, None, temperature).item() == pytest.approx(
        slow_kl(student, teacher, temperature), rel=1e-12
    )
    values, tokens = teacher.topk(3)
    # Of the teacher the three largest, renormalised; of the student its probabilities among all seven.
    assert kl_divergence(student, values - 5, tokens, temperature).item() == pytest.approx(
        slow_kl(student, values, temperature, tokens), rel=1e-12
    )
    everything = teacher.topk(7)
    torch.testing.assert_close(
        kl_divergence(student, everything.values, everything.indices, temperature),
        kl_divergence(student, teacher, None, temperature),
    )


def test_squared_error_as_a_loop():
    pairs = [(numbers(3, 4, 5, seed=i), numbers(3, 4, 5, seed=i + 9)) for i in range(2)]
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
    student, teacher = numbers(3, 4).requires_grad_(), numbers(3, 4, seed=1)
    values, tokens = teacher.topk(2)
    assert torch.autograd.gradcheck(lambda x: kl_divergence(x, teacher, None, 2.0, True), (student,))
    assert torch.autograd.gradcheck(lambda x: kl_divergence(x, values, tokens, 2.0), (student,))
    real = torch.tensor([True, False, True])
    assert torch.autograd.gradcheck(lambda x: squared_error([(x, teacher), (2 * x, teacher)], real), (student,))


def test_half_precision_is_summed_in_single():
    student, teacher = torch.full((9, 8), 300.0).half(), torch.zeros(9, 8).half()
    assert squared_error([(student, teacher)], torch.ones(9).bool()).item() == 9 * 300**2
    assert kl_divergence(student, teacher).dtype == torch.float32


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
        assert side.pairs(depth, depth) == tuple(expected)


def test_layers_of_other_models_are_refused():
    encoder, decoder = parse_layers("all")
    with pytest.raises(
        SeeError, match=r"teacher's encoder has 3 layers, the student's 1; name those .* STUDENT:TEACHER"
    ):
        encoder.pairs(1, 3)
    with pytest.raises(SeeError, match=r"teacher's decoder has 1 layers, the student's 2"):
        decoder.pairs(2, 1)
    for text in ("2", "2:0", "0:3"):
        with pytest.raises(SeeError, match=r"in encoders of 1 layers \(student\) and 2 \(teacher\)"):
            parse_layers(text)[0].pairs(1, 2)


@pytest.mark.parametrize("text", ["", "first", "1,", "-1", "1:2:3", "all/all/all", "1.5", "1:"])
def test_other_texts_are_refused(text):
    with pytest.raises(SeeError, match="--distil-layers"):
        parse_layers(text)


START, FORMAL = Weights(embedding=1.0, hidden=2.0), Weights(kl=0.5, embedding=0.0, hidden=3.0, ce=1.0)


def test_stages():
    by_updates, by_epochs = Stages(START, FORMAL, updates=3), Stages(START, FORMAL, epochs=2)
    assert [by_updates.at(update, 1) is START for update in range(5)] == [True] * 3 + [False] * 2
    assert [by_epochs.at(99, epoch) is START for epoch in (1, 2, 3)] == [True, True, False]
    assert Stages(START, FORMAL).at(0, 1) is FORMAL and Stages(START, FORMAL).used() == (FORMAL,)
    assert by_updates.used() == by_epochs.used() == (START, FORMAL)


def test_total_is_the_weighted_sum():
    losses = {"ce": torch.tensor(5.0), "kl": torch.tensor(4.0), "hidden": torch.tensor(0.5)}
    assert FORMAL.total(losses).item() == 5 + 0.5 * 4 + 3 * 0.5


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
