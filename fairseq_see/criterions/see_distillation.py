"""``see_distillation``: SEE's multi-stage fine-tuning by a trained teacher (arXiv 2412.12204, eq. 5 to 9).

Stages and losses: ``fairseq_see/distillation/stages.py``; how to use it: ``docs/compress.md``. Validation is that
of ``label_smoothed_cross_entropy`` and needs no teacher, so losses of both stages, and of other runs, compare.
"""

import logging
import math
import os
from dataclasses import dataclass
from functools import wraps
from typing import Any, Optional

import torch
from fairseq import utils
from fairseq.criterions import register_criterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from omegaconf import II
from torch import Tensor

from fairseq_see.criterions.see_cross_entropy import CrossEntropyCriterion
from fairseq_see.distillation.output_cache import OutputCache, hash_contents
from fairseq_see.distillation.stages import Stages, Weights, parse_layers, squared_error, zero_gradients
from fairseq_see.errors import SeeError
from fairseq_see.losses.chunked import kl_divergence
from fairseq_see.models.checkpoint import exit_on_error, hash_weights
from fairseq_see.models.options import declare
from fairseq_see.models.teacher import Pass, Teacher, check_embeddings, check_transformer, observe_forward, pair_layers

logger = logging.getLogger(__name__)

# The paper's start stage, where neither of its lengths is given.
START_EPOCHS = 2


@dataclass
class DistillationConfig(FairseqDataclass):
    """Options of the criterion; alpha, beta and gamma as in eq. 9."""

    teacher: Optional[str] = declare(None, "checkpoint of the teacher, or its export")
    teacher_data: Optional[str] = declare(
        None, "folder of the teacher's dictionaries (default: its checkpoint's, or the data it was trained on)"
    )
    teacher_fp16: bool = declare(False, "run the teacher in half precision")
    teacher_cache: Optional[str] = declare(None, "folder for the teacher's largest outputs; needs --distil-gamma 0")
    teacher_top_k: int = declare(32, "with --teacher-cache, how many of the teacher's outputs at a position are kept")
    start_updates: Optional[int] = declare(None, "length of the start stage in updates")
    start_epochs: Optional[int] = declare(None, f"or in epochs (default: {START_EPOCHS} epochs; 0: no start stage)")
    start_beta: float = declare(1.0, "weight of the embeddings' MSE in the start stage")
    start_gamma: float = declare(1.0, "weight of the hidden states' MSE in the start stage")
    distil_alpha: float = declare(1.0, "weight of the KL divergence from the teacher")
    distil_beta: float = declare(1.0, "weight of the embeddings' MSE in the formal stage")
    distil_gamma: float = declare(1.0, "weight of the hidden states' MSE in the formal stage")
    distil_temperature: float = declare(1.0, "T of the KL divergence")
    distil_t_squared: bool = declare(False, "multiply the KL divergence by T^2 (the paper does not)")
    distil_layers: str = declare(
        "all",
        "layers whose states are compared: all, last, or LAYER,STUDENT:TEACHER,... with 0 for the embedding's output; "
        "for encoder and decoder apart: ENCODER/DECODER",
    )
    label_smoothing: float = declare(0.0, "epsilon for label smoothing, 0 means none")
    sentence_avg: bool = II("optimization.sentence_avg")


@register_criterion("see_distillation", dataclass=DistillationConfig)
class DistillationCriterion(CrossEntropyCriterion):
    """The loss of the stage that training is in; see the module's docstring.

    The teacher is loaded when training begins: validating a finished model does not need it.
    """

    def __init__(self, cfg: DistillationConfig, task: Any) -> None:
        super().__init__(task, cfg.sentence_avg, cfg.label_smoothing)
        self.cfg = cfg
        with exit_on_error():
            self._stages, self._layers = _make_stages(cfg), parse_layers(cfg.distil_layers)
            _check(cfg, self._stages, task)
        self._updates, self._epoch = 0, 1
        self._stage: Weights | None = None
        self._teacher: Teacher | None = None
        self._pairs: dict[str, tuple[tuple[int, int], ...]] = {}
        self._cache: OutputCache | None = None
        self._listen(task)

    def forward(self, model: Any, sample: dict[str, Any], reduce: bool = True) -> tuple[Tensor, int, dict[str, Any]]:
        """The loss, summed over positions; the sample size; what is logged."""
        if not model.training:
            return super().forward(model, sample, reduce)
        with exit_on_error():
            weights = self._choose_weights()
            losses, nll = self._compute_losses(model, self._prepare(model), sample, weights)
        loss = weights.combine(losses)
        if not weights.ce:
            loss = loss + zero_gradients(model)
        sample_size = sample["target"].size(0) if self.sentence_avg else sample["ntokens"]
        logged = {
            "loss": loss.data,
            **{f"{name}_loss": value.data for name, value in losses.items()},
            **({} if nll is None else {"nll_loss": nll.data}),
            "ntokens": sample["ntokens"],
            "nsentences": sample["target"].size(0),
            "sample_size": sample_size,
        }
        return loss, sample_size, logged

    def _compute_losses(
        self, model: Any, teacher: Teacher, sample: dict[str, Any], weights: Weights
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Those losses that count, by name, and the negative log likelihood where outputs are computed."""
        inputs = sample["net_input"]
        real = {
            "encoder": inputs["src_tokens"].ne(self.padding_idx),
            "decoder": inputs["prev_output_tokens"].ne(self.padding_idx),
        }
        run = None
        if weights.hidden or (weights.kl and self._cache is None):
            run = teacher.forward(inputs, features_only=not weights.kl)
        student = observe_forward(model, inputs, features_only=not weights.ce)
        losses, nll = {}, None
        if weights.ce:
            losses["ce"], nll = self.compute_loss(model, student.output, sample)
        if weights.kl:
            losses["kl"] = self._compute_kl(student, teacher, run, sample)
        if weights.embedding:
            losses["embedding"] = _compare_embeddings(student, run.embeddings if run else teacher.look_up(inputs), real)
        if weights.hidden:
            assert run is not None
            losses["hidden"] = _compare_states(student, run, real, self._pairs)
        return losses, nll

    def _compute_kl(self, student: Pass, teacher: Teacher, run: Pass | None, sample: dict[str, Any]) -> Tensor:
        real = sample["target"].ne(self.padding_idx)
        if run is not None:
            tokens, logits = None, run.output[0]
        else:
            assert self._cache is not None
            inputs = sample["net_input"]
            tokens, logits = self._cache.fetch(
                sample["id"].tolist(),
                hash_contents(self.padding_idx, inputs["src_tokens"], sample["target"]),
                real.sum(1).tolist(),
                lambda: teacher.forward(inputs).output[0][real],
            )
            tokens, logits = tokens.to(real.device), logits.to(real.device)
        cfg = self.cfg
        return kl_divergence(student.output[0], logits, tokens, cfg.distil_temperature, cfg.distil_t_squared, real)

    def _choose_weights(self) -> Weights:
        weights = self._stages.choose(self._updates, self._epoch)
        if weights is not self._stage:
            logger.info(self._stages.announce(weights, self._updates))
            self._stage = weights
        return weights

    def _prepare(self, model: Any) -> Teacher:
        """The teacher, loaded and compared with the student when it is first asked for."""
        if self._teacher is not None:
            return self._teacher
        cfg, stages = self.cfg, self._stages.used
        check_transformer(model, "the student")
        assert cfg.teacher is not None
        teacher = Teacher(cfg.teacher, self.task, cfg.teacher_data, cfg.teacher_fp16)
        if any(weights.embedding for weights in stages):
            check_embeddings(model, teacher.model)
        if any(weights.hidden for weights in stages):
            self._pairs = pair_layers(model, teacher.model, self._layers)
        if cfg.teacher_cache is not None:
            k = min(cfg.teacher_top_k, len(self.task.target_dictionary))
            self._cache = OutputCache(cfg.teacher_cache, {"teacher": hash_weights(teacher.model.state_dict())}, k)
        self._teacher = teacher
        return teacher

    def _listen(self, task: Any) -> None:
        """Learn how far training is: fairseq reports it to its task alone, right after resuming too."""
        train_step, begin_epoch = task.train_step, task.begin_epoch

        @wraps(train_step)
        def note_step(sample: Any, model: Any, criterion: Any, optimizer: Any, update_num: int, **options: Any) -> Any:
            self._updates = update_num
            return train_step(sample, model, criterion, optimizer, update_num, **options)

        @wraps(begin_epoch)
        def note_epoch(epoch: int, model: Any) -> Any:
            self._epoch = epoch
            # Bad input should end the program now: later on, fairseq's threads that fetch batches are in the way.
            with exit_on_error():
                self._prepare(model)
            return begin_epoch(epoch, model)

        task.train_step, task.begin_epoch = note_step, note_epoch

    def train(self, mode: bool = True) -> "DistillationCriterion":
        """Set training mode. Before a validation, and so before most checkpoints, the teacher's outputs are written."""
        if not mode and self._cache is not None:
            with exit_on_error():
                self._cache.flush()
        return super().train(mode)

    @classmethod
    def reduce_metrics(cls, logging_outputs: list[dict[str, Any]]) -> None:
        """Log means by sample size: losses in bits as fairseq has them, squared errors as they are."""
        units = {"ce_loss": math.log(2), "kl_loss": math.log(2), "embedding_loss": 1.0, "hidden_loss": 1.0}
        if any("nll_loss" in log for log in logging_outputs):
            super().reduce_metrics(logging_outputs)
        else:
            # No outputs were computed, and so there is no perplexity.
            units["loss"] = math.log(2)
        sample_size = sum(log["sample_size"] for log in logging_outputs)
        for name, unit in units.items():
            if any(name in log for log in logging_outputs):
                value = sum(log.get(name, 0) for log in logging_outputs) / sample_size / unit
                metrics.log_scalar(name, utils.item(value), sample_size, round=5)


def _compare_embeddings(student: Pass, teacher: tuple[Tensor, Tensor], real: dict[str, Tensor]) -> Tensor:
    """Eq. 5 on the embeddings of the batch's tokens, each as often as it occurs; the mean of both sides.

    So it is a sum over positions as every loss is, which it would not be over distinct tokens, whose number is not the
    sum of those of two batches. And it is free: these embeddings have just been looked up.
    """
    sides = zip(("encoder", "decoder"), student.embeddings, teacher, strict=True)
    return torch.stack([squared_error([(ours, theirs)], real[side]) for side, ours, theirs in sides]).mean()


def _compare_states(
    student: Pass, teacher: Pass, real: dict[str, Tensor], layers: dict[str, tuple[tuple[int, int], ...]]
) -> Tensor:
    """Eq. 6 on the states of the layers compared: the mean over the layers of both sides."""
    sums = []
    for side, pairs in layers.items():
        ours, theirs = getattr(student, side), getattr(teacher, side)
        states = [(ours[i], theirs[j]) for i, j in pairs]
        sums.append(squared_error(states, real[side].t()) * len(pairs))
    return torch.stack(sums).sum() / sum(map(len, layers.values()))


def _make_stages(cfg: DistillationConfig) -> Stages:
    if cfg.start_updates is not None and cfg.start_epochs is not None:
        raise SeeError("the start stage lasts either --start-updates or --start-epochs; leave one out")
    epochs = START_EPOCHS if cfg.start_updates is None and cfg.start_epochs is None else cfg.start_epochs
    stages = Stages(
        start=Weights(embedding=cfg.start_beta, hidden=cfg.start_gamma),
        formal=Weights(kl=cfg.distil_alpha, embedding=cfg.distil_beta, hidden=cfg.distil_gamma, ce=1.0),
        updates=cfg.start_updates or 0,
        epochs=epochs or 0,
    )
    stages.check()
    return stages


def _check(cfg: DistillationConfig, stages: Stages, task: Any) -> None:
    if not cfg.teacher:
        raise SeeError("see_distillation needs the checkpoint of a teacher; give --teacher")
    if not 0 < cfg.distil_temperature < math.inf:
        raise SeeError(f"--distil-temperature must be a number above 0, not {cfg.distil_temperature}")
    if cfg.teacher_top_k < 1:
        raise SeeError(f"--teacher-top-k must be at least 1, not {cfg.teacher_top_k}")
    if cfg.teacher_cache is not None and stages.formal.hidden:
        raise SeeError("--teacher-cache spares running the teacher, whose hidden states need it; give --distil-gamma 0")
    if cfg.teacher_cache is not None and os.pathsep in str(task.cfg.data):
        raise SeeError("--teacher-cache knows samples by their number in one data folder; leave it out for several")
