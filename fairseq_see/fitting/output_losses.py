"""Losses of an output layer, in pieces that stay in the cache: cross entropy, and the KL divergence from a teacher.

Logits of a translation model are some 4,000 positions of 40,000 numbers, far more than any cache holds. Written with
log_softmax and sums, a loss and its gradient make half a dozen tensors of that size. Here some of the positions are
worked on at a time, once in the forward pass and once more in the backward pass; the gradient is the only large tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Numbers of a piece: a few of them fit into a processor's last cache, and a GPU is still busy.
PIECE = 2**20


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float, ignored: int) -> tuple[Tensor, Tensor]:
    """Label-smoothed cross entropy and negative log likelihood, in nats, summed over positions; fairseq's numbers.

    As fairseq has it, a wrong token is worth smoothing / (V - 1). The likelihood has no gradient.

    Args:
        logits: (..., V).
        target: ids (...).
        smoothing: the probability that is taken from the right token.
        ignored: the id of targets that do not count.
    """
    rows = target.flatten().ne(ignored).nonzero().squeeze(1)
    return _CrossEntropy.apply(_flat(logits), target.flatten()[rows], rows, smoothing)


def kl_divergence(
    student: Tensor,
    teacher: Tensor,
    tokens: Tensor | None = None,
    temperature: float = 1.0,
    t_squared: bool = False,
    real: Tensor | None = None,
) -> Tensor:
    """The sum over positions of KL(softmax(teacher / T) || softmax(student / T)) (SEE, eq. 7), in nats.

    The teacher has no gradient.

    Args:
        student: logits (..., V).
        teacher: logits (..., V); or (n, k), those of ``tokens``. The teacher's distribution is then over these k alone,
            renormalised, and the student's remains over all V.
        tokens: ids (n, k) for the n real positions, where the teacher's logits are not of all tokens.
        temperature: T.
        t_squared: multiply by T^2, which keeps gradients as large as at T = 1 (Hinton et al. 2015); the paper does not.
        real: (...) bool, False at positions that do not count; None if all do.
    """
    ours, theirs = _flat(student), teacher.detach()
    if tokens is None:
        theirs = _flat(theirs)
    rows = torch.arange(len(ours), device=ours.device) if real is None else real.flatten().nonzero().squeeze(1)
    loss = _Divergence.apply(ours, theirs, rows, tokens, temperature)
    return loss * temperature**2 if t_squared else loss


def full(x: Tensor) -> Tensor:
    """``x`` in single precision at least: half overflows in squares and loses what small probabilities add up to."""
    return x.float() if torch.finfo(x.dtype).bits < 32 else x


class _CrossEntropy(torch.autograd.Function):
    """Of logits (N, V) at the n positions that rows names, whose targets are (n)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, rows: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(logits, target, rows)
        ctx.right, ctx.wrong = _shares(smoothing, logits.size(-1))
        likelihood, everything = full(logits.new_zeros(2)).unbind()
        for part in _parts(len(rows), logits.size(-1)):
            found = F.log_softmax(full(logits[rows[part]]), dim=-1)
            likelihood -= found.gather(-1, target[part, None]).sum()
            if smoothing:
                everything -= found.sum()
        ctx.mark_non_differentiable(likelihood)
        return ctx.right * likelihood + ctx.wrong * everything, likelihood

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, rows = ctx.saved_tensors
        gradient = _gradient_of(logits, rows)
        for part in _parts(len(rows), logits.size(-1)):
            found = F.softmax(full(logits[rows[part]]), dim=-1).sub_(ctx.wrong)
            ids = target[part, None]
            found.scatter_add_(-1, ids, found.new_full(ids.shape, -ctx.right))
            gradient[rows[part]] = found.mul_(grad).to(gradient.dtype)
        return gradient, None, None, None


class _Divergence(torch.autograd.Function):
    """Of student (N, V) and teacher (N, V), or (n, k) with tokens, at the n positions that rows names."""

    @staticmethod
    def forward(
        ctx: Any, student: Tensor, teacher: Tensor, rows: Tensor, tokens: Tensor | None, temperature: float
    ) -> Tensor:
        ctx.save_for_backward(student, teacher, rows, tokens)
        ctx.temperature = temperature
        total = full(student.new_zeros(()))
        for part in _parts(len(rows), student.size(-1)):
            ours = F.log_softmax(_scaled(student[rows[part]], temperature), dim=-1)
            theirs = F.log_softmax(_scaled(teacher[rows[part] if tokens is None else part], temperature), dim=-1)
            if tokens is not None:
                ours = ours.gather(-1, tokens[part])
            total += F.kl_div(ours, theirs, reduction="sum", log_target=True)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        student, teacher, rows, tokens = ctx.saved_tensors
        gradient = _gradient_of(student, rows)
        for part in _parts(len(rows), student.size(-1)):
            ours = F.softmax(_scaled(student[rows[part]], ctx.temperature), dim=-1)
            theirs = F.softmax(_scaled(teacher[rows[part] if tokens is None else part], ctx.temperature), dim=-1)
            ours = ours.sub_(theirs) if tokens is None else ours.scatter_add_(-1, tokens[part], -theirs)
            gradient[rows[part]] = ours.mul_(grad / ctx.temperature).to(gradient.dtype)
        return gradient, None, None, None, None


def _flat(logits: Tensor) -> Tensor:
    return logits.reshape(-1, logits.size(-1))


def _parts(positions: int, size: int) -> Iterator[slice]:
    step = max(1, PIECE // size)
    return (slice(first, first + step) for first in range(0, positions, step))


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    return full(logits) if temperature == 1 else full(logits) / temperature


def _gradient_of(logits: Tensor, rows: Tensor) -> Tensor:
    """Room for a gradient of which the rows will be written."""
    return torch.empty_like(logits) if len(rows) == len(logits) else torch.zeros_like(logits)


def _shares(smoothing: float, size: int) -> tuple[float, float]:
    """What the right token's log-probability counts beyond every token's, and what every token's counts."""
    wrong = smoothing / (size - 1)
    return 1 - smoothing - wrong, wrong
