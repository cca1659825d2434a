"""Multi-stage distillation (SEE, arXiv 2412.12204, eq. 5 to 9): its losses, and which of them count when.

    start stage     L = beta_s L_embedding + gamma_s L_hidden
    formal stage    L = alpha L_KL + beta L_embedding + gamma L_hidden + L_CE          (eq. 9)

Every loss is a sum over positions. Whoever trains divides by the number of target tokens of an update, however many
batches and processes it was spread over, and has the gradient of one large batch. Plain PyTorch, for any host.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fairseq_see.errors import SeeError
from fairseq_see.losses.chunked import widen


def squared_error(pairs: Sequence[tuple[Tensor, Tensor]], real: Tensor) -> Tensor:
    """The sum over positions of the mean of (student - teacher)^2 over dimensions, and over pairs (eq. 5, 6).

    Args:
        pairs: at least one, of student's and teacher's vectors (..., d).
        real: (...) bool, False at padding, which does not count.
    """
    errors = [(widen(student) - widen(teacher)).square().mean(-1) for student, teacher in pairs]
    return torch.stack([error.masked_fill(~real, 0).sum() for error in errors]).mean()


def zero_gradients(model: nn.Module) -> Tensor:
    """Zero, with a gradient of zero for every parameter that is trained: DistributedDataParallel waits for all of them.

    What comes after the states that are compared, the output layer for one, is not used in the start stage.
    """
    return torch.stack([weight.flatten()[:0].sum() for weight in model.parameters() if weight.requires_grad]).sum()


class Layers(NamedTuple):
    """Whose hidden states are compared, on one side of a model.

    Attributes:
        named: pairs of a student's and a teacher's layer, 0 being the output of the embedding and -1 the last; None
            stands for all layers of models of the same depth.
        side: encoder, decoder, or model; for messages.
    """

    named: tuple[tuple[int, int], ...] | None
    side: str

    def pair(self, student: int, teacher: int) -> tuple[tuple[int, int], ...]:
        """The layers to compare in a student and a teacher of so many layers; SeeError if they have none such."""
        if self.named is None:
            if student != teacher:
                raise SeeError(
                    f"the teacher's {self.side} has {teacher} layers, the student's {student}; "
                    "name those to compare, as --distil-layers last or STUDENT:TEACHER,..."
                )
            return tuple((i, i) for i in range(student + 1))
        for ours, theirs in self.named:
            if ours > student or theirs > teacher:
                raise SeeError(
                    f"--distil-layers: no layers {ours}:{theirs} in {self.side}s of {student} layers (student) and "
                    f"{teacher} (teacher)"
                )
        return self.named


def parse_layers(text: str) -> tuple[Layers, Layers]:
    """Layers of encoder and decoder: ``ENC/DEC``, each as :func:`parse_side` reads it, or one for both; or SeeError."""
    parts = text.split("/")
    if len(parts) > 2:
        raise SeeError(f"--distil-layers {text!r}: one choice for both sides, or ENCODER/DECODER")
    return parse_side(parts[0], "encoder"), parse_side(parts[-1], "decoder")


def parse_side(text: str, side: str) -> Layers:
    """Layers of one side, or of a model that has no sides, from ``all``, ``last`` or a list as ``0,2:4``."""
    if text == "all":
        return Layers(None, side)
    if text == "last":
        return Layers(((-1, -1),), side)
    if not re.fullmatch(r"\d+(:\d+)?(,\d+(:\d+)?)*", text):
        raise SeeError(f"--distil-layers {text!r}: give all, last or a list of LAYER and STUDENT:TEACHER, from 0")
    pairs = (item.partition(":") for item in text.split(","))
    return Layers(tuple((int(ours), int(theirs or ours)) for ours, _, theirs in pairs), side)


class Weights(NamedTuple):
    """What the losses count in a stage; one that counts nothing need not be computed."""

    kl: float = 0.0
    embedding: float = 0.0
    hidden: float = 0.0
    ce: float = 0.0

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of losses, called as the weights are (eq. 9): a scalar."""
        return torch.stack([getattr(self, name) * loss for name, loss in losses.items()]).sum()


class Stages(NamedTuple):
    """The start stage is the first ``updates`` updates, or the first ``epochs`` epochs."""

    start: Weights
    formal: Weights
    updates: int = 0
    epochs: int = 0

    def choose(self, update: int, epoch: int) -> Weights:
        """The weights after ``update`` updates, in an epoch counted from 1."""
        return self.start if update < self.updates or epoch <= self.epochs else self.formal

    def announce(self, weights: Weights, update: int) -> str:
        """The line of a log when the stage of these weights begins, after ``update`` updates."""
        name = "start" if weights is self.start else "formal"
        loss = " + ".join(f"{weight:g} {term}" for term, weight in weights._asdict().items() if weight)
        return f"distillation: {name} stage from update {update}, loss {loss}"

    @property
    def used(self) -> tuple[Weights, ...]:
        """The weights of those stages that there are."""
        return (self.start, self.formal) if max(self.updates, self.epochs) > 0 else (self.formal,)

    def check(self) -> None:
        """SeeError if a weight or a length is negative or no number, or nothing counts in the start stage."""
        for stage, weights in (("start", self.start), ("formal", self.formal)):
            for name, weight in weights._asdict().items():
                if not 0 <= weight < math.inf:
                    raise SeeError(
                        f"the weight of the {name} loss in the {stage} stage of distillation must be a number from 0, "
                        f"not {weight}"
                    )
        if min(self.updates, self.epochs) < 0:
            raise SeeError("--start-updates and --start-epochs must be at least 0")
        if not all(map(any, self.used)):
            raise SeeError("nothing is learnt in a start stage without weights; give --start-beta or --start-gamma")
