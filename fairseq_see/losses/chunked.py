"""Losses of an output layer, in chunks that stay in the cache: cross entropy, and the KL divergence from a teacher.

Logits of a translation model are some 4,000 positions of 40,000 tokens, far more than any cache holds, and a loss with
its gradient makes half a dozen tensors of that size. Here some positions are computed at a time, once in the forward
pass and once more in the backward pass; the gradient is the only large tensor.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Logits of a chunk: a few such chunks fit into a processor's last cache, and a GPU is still busy.
CHUNK_ELEMENTS = 2**20


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float, ignored: int) -> tuple[Tensor, Tensor]:
    """Label-smoothed cross entropy and negative log likelihood, in nats, summed over positions, as fairseq has them.

    The smoothing of a wrong token is smoothing / (V - 1). The likelihood has no gradient.

    Args:
        logits: (..., V).
        target: ids (...).
        smoothing: the probability that is taken from the right token.
        ignored: the target of positions that do not count, perhaps no id of a token.
    """
    return _CrossEntropy.apply(_flatten(logits), target.flatten(), smoothing, ignored)


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
    if real is not None:
        real = real.flatten()
        if tokens is not None:
            # k values a position are less to copy than the student's V.
            tokens, teacher = (
                values.new_zeros(len(real), values.size(-1)).index_put((real,), values) for values in (tokens, teacher)
            )
    loss = _Divergence.apply(_flatten(student), _flatten(teacher.detach()), real, tokens, temperature)
    return loss * temperature**2 if t_squared else loss


def widen(x: Tensor) -> Tensor:
    """``x`` in single precision at least: half overflows in squares and loses what small probabilities add up to."""
    return x.float() if torch.finfo(x.dtype).bits < 32 else x


class _CrossEntropy(torch.autograd.Function):
    """Of logits (N, V) and targets (N)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, smoothing: float, ignored: int) -> tuple[Tensor, Tensor]:
        real = target.ne(ignored)
        target = target.masked_fill(~real, 0)
        ctx.save_for_backward(logits, target, real)
        ctx.wrong = smoothing / (logits.size(-1) - 1)
        # What the right token's log-probability counts beyond what every token's does.
        ctx.right = 1 - smoothing - ctx.wrong
        likelihood, everything = widen(logits.new_zeros(2)).unbind()
        for part in _split(logits):
            found = F.log_softmax(widen(logits[part]), dim=-1)
            likelihood -= _sum(found.gather(-1, target[part, None]).squeeze(-1), real[part])
            if smoothing:
                everything -= _sum(found.sum(-1), real[part])
        ctx.mark_non_differentiable(likelihood)
        return ctx.right * likelihood + ctx.wrong * everything, likelihood

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, real = ctx.saved_tensors
        gradient, weights = torch.empty_like(logits), (real * grad)[:, None]
        for part in _split(logits):
            found = F.softmax(widen(logits[part]), dim=-1).sub_(ctx.wrong)
            ids = target[part, None]
            found.scatter_add_(-1, ids, found.new_full(ids.shape, -ctx.right))
            torch.mul(found, weights[part], out=gradient[part])
        return gradient, None, None, None


class _Divergence(torch.autograd.Function):
    """Of student (N, V) and teacher (N, V), or (N, k) with tokens (N, k), at the positions that real (N) names."""

    @staticmethod
    def forward(
        ctx: Any, student: Tensor, teacher: Tensor, real: Tensor | None, tokens: Tensor | None, temperature: float
    ) -> Tensor:
        ctx.save_for_backward(student, teacher, real, tokens)
        ctx.temperature = temperature
        total = widen(student.new_zeros(()))
        for part in _split(student):
            ours = F.log_softmax(_scale(student[part], temperature), dim=-1)
            theirs = F.log_softmax(_scale(teacher[part], temperature), dim=-1)
            if tokens is not None:
                ours = ours.gather(-1, tokens[part])
            # A token that the teacher rules out adds 0 log 0, which is 0.
            found = F.kl_div(ours, theirs, reduction="none", log_target=True).masked_fill_(theirs.isneginf(), 0).sum(-1)
            total += found.sum() if real is None else _sum(found, real[part])
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        student, teacher, real, tokens = ctx.saved_tensors
        gradient, weights = torch.empty_like(student), grad / ctx.temperature
        weights = weights.expand(len(student), 1) if real is None else (real * weights)[:, None]
        for part in _split(student):
            ours = F.softmax(_scale(student[part], ctx.temperature), dim=-1)
            theirs = F.softmax(_scale(teacher[part], ctx.temperature), dim=-1)
            ours = ours.sub_(theirs) if tokens is None else ours.scatter_add_(-1, tokens[part], -theirs)
            torch.mul(ours, weights[part], out=gradient[part])
        return gradient, None, None, None, None


def _flatten(logits: Tensor) -> Tensor:
    return logits.reshape(-1, logits.size(-1))


def _split(logits: Tensor) -> Iterator[slice]:
    step = max(1, CHUNK_ELEMENTS // logits.size(-1))
    return (slice(first, first + step) for first in range(0, len(logits), step))


def _sum(values: Tensor, real: Tensor) -> Tensor:
    # Indexed by real, they would make the host wait for a GPU at every chunk.
    return values.masked_fill(~real, 0).sum()


def _scale(logits: Tensor, temperature: float) -> Tensor:
    return widen(logits) if temperature == 1 else widen(logits) / temperature
