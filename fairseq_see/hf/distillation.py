"""SEE's multi-stage distillation (arXiv 2412.12204, eq. 5 to 9) with the Trainer of Hugging Face.

Stages and losses are those of ``fairseq_see/distillation/stages.py``. Every loss is a sum over positions, divided by
the number of target tokens of an update, so gradients do not depend on how an update is split into batches.
"""

import inspect
import logging
import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from accelerate.utils import extract_model_from_parallel
from torch import Tensor
from transformers import GenerationMixin, PreTrainedModel, Trainer

from fairseq_see.distillation.stages import Stages, Weights, parse_side, squared_error, zero_gradients
from fairseq_see.errors import SeeError
from fairseq_see.losses.chunked import cross_entropy, kl_divergence

logger = logging.getLogger(__name__)

# What labels hold where nothing is to be predicted.
IGNORED = -100

# The paper's first stage lasts two epochs; it gives no weights.
PAPER = Stages(Weights(embedding=1.0, hidden=1.0), Weights(kl=1.0, embedding=1.0, hidden=1.0, ce=1.0), epochs=2)


class DistillationTrainer(Trainer):
    """Train a causal language model, whose embeddings are compressed, by the model that it was.

    The log has each loss by itself: ``embedding_loss``, ``hidden_loss``, ``kl_loss``, ``ce_loss``, means over target
    tokens, before they are weighted, in nats where they are logarithms. Evaluation is cross entropy alone.

    Args:
        model: the student.
        args: TrainingArguments; ``label_smoothing_factor`` is of L_CE.
        teacher: another model of the same vocabulary, in any precision; it is saved nowhere.
        stages: weights of the losses, and the length of the start stage in updates or epochs.
        temperature: T of L_KL.
        t_squared: multiply L_KL by T^2; the paper does not.
        layers: whose hidden states are compared, as for ``--distil-layers``; as transformers numbers them, 0 is the
            embedding's output.
        **options: as of Trainer. Batches need ``input_ids`` and ``labels`` (B, T), not shifted.

    Raises:
        SeeError: impossible settings, or two models that cannot be compared.
    """

    # Trainer's own switch: losses are divided by the tokens of the whole update, so not by its number of batches.
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: PreTrainedModel,
        args: Any = None,
        *,
        teacher: PreTrainedModel,
        stages: Stages = PAPER,
        temperature: float = 1.0,
        t_squared: bool = False,
        layers: str = "all",
        **options: Any,
    ) -> None:
        stages.check()
        if not 0 < temperature < math.inf:
            raise SeeError(f"the temperature of distillation must be a number above 0, not {temperature}")
        self._pairs = _pair_layers(model, teacher, stages, layers)
        super().__init__(model=model, args=args, **options)
        if self.args.n_gpu > 1:
            raise SeeError("one process cannot distil on several GPUs; start one for each, with accelerate launch")
        # Trainer counts the target tokens of an update for losses that ask for them, as ours does.
        self.model_accepts_loss_kwargs = True
        self.teacher = teacher.eval().requires_grad_(False)
        if self.args.place_model_on_device and not hasattr(teacher, "hf_device_map"):
            teacher.to(self.args.device)
        self._stages, self._temperature, self._t_squared = stages, temperature, t_squared
        self._stage: Weights | None = None
        self._logged: dict[str, tuple[Any, frozenset[int]]] = {}

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The loss of the stage that training is in, or cross entropy in eval mode."""
        weights = self._choose_weights() if model.training else Weights(ce=1.0)
        sums, output = self._sum_losses(model, inputs, weights)
        tokens, shares = num_items_in_batch, 1
        if tokens is None:
            tokens = (inputs["labels"][:, 1:] != IGNORED).sum()
        elif self.args.average_tokens_across_devices:
            # They are those of all processes, over which gradients are averaged.
            shares = self.accelerator.num_processes
        losses = {name: value * shares / max(int(tokens), 1) for name, value in sums.items()}
        loss = weights.combine(losses)
        if not weights.ce:
            loss = loss + zero_gradients(model)
        for name, value in losses.items() if model.training else ():
            # Of the batches of one update; the log has the mean over updates.
            total, updates = self._logged.get(name, (0.0, frozenset()))
            self._logged[name] = total + value.detach(), updates | {self.state.global_step}
        return (loss, output) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with each loss apart where training is what is logged."""
        if "loss" in logs:
            means = {name: total / len(updates) for name, (total, updates) in self._logged.items()}
            means = self.accelerator.reduce(means, reduction="mean")
            logs = {**logs, **{f"{name}_loss": mean.item() for name, mean in means.items()}}
            self._logged = {}
        super().log(logs, start_time)

    def _sum_losses(self, model: Any, inputs: dict[str, Any], weights: Weights) -> tuple[dict[str, Tensor], Any]:
        """Those losses that count, summed over positions, by name; what the student returned."""
        target, mask = shift_labels(inputs["labels"]), inputs.get("attention_mask")
        real = torch.ones_like(target, dtype=torch.bool) if mask is None else mask.bool()
        losses: dict[str, Tensor] = {}
        student, ours = observe_forward(model, inputs, bool(weights.hidden), bool(weights.ce))
        if weights.ce:
            smoothing = self.args.label_smoothing_factor if model.training else 0.0
            # transformers leaves the right token a share of what is taken from it, fairseq does not.
            smoothing *= 1 - 1 / student.logits.size(-1)
            losses["ce"], _ = cross_entropy(student.logits, target, smoothing, IGNORED)
        if not (weights.kl or weights.embedding or weights.hidden):
            return losses, student
        with torch.no_grad():
            teacher, theirs = observe_forward(self.teacher, inputs, bool(weights.hidden), bool(weights.kl))
        if weights.kl:
            options = (None, self._temperature, self._t_squared, target != IGNORED)
            losses["kl"] = kl_divergence(student.logits, teacher.logits, *options)
        if weights.embedding:
            losses["embedding"] = squared_error([(ours, theirs)], real)
        if weights.hidden:
            pairs = [(student.hidden_states[i], teacher.hidden_states[j]) for i, j in self._pairs]
            losses["hidden"] = squared_error(pairs, real)
        return losses, student

    def _choose_weights(self) -> Weights:
        # The Trainer's epoch is a fraction, whole when one has ended; the stages' count from 1.
        weights = self._stages.choose(self.state.global_step, int(self.state.epoch or 0) + 1)
        if weights is not self._stage:
            logger.info(self._stages.announce(weights, self.state.global_step))
            self._stage = weights
        return weights


def shift_labels(labels: Tensor) -> Tensor:
    """What each position (B, T) predicts: the next label; the last nothing."""
    return F.pad(labels[:, 1:], (0, 1), value=IGNORED)


def observe_forward(model: Any, inputs: Mapping[str, Any], states: bool, logits: bool) -> tuple[Any, Tensor]:
    """Run a causal language model on a batch: what it returns, and the embeddings that it looks up, (B, T, d).

    ``states`` and ``logits``: whether these are needed; an output layer that is not is spared where possible.
    """
    inside = extract_model_from_parallel(model)
    arguments = {name: value for name, value in inputs.items() if name != "labels"}
    if not logits and "logits_to_keep" in inspect.signature(type(inside).forward).parameters:
        arguments["logits_to_keep"] = 1
    seen: list[Tensor] = []
    hook = inside.get_input_embeddings().register_forward_hook(lambda module, args, out: seen.append(out))
    try:
        output = model(**arguments, output_hidden_states=states, use_cache=False, return_dict=True)
    finally:
        hook.remove()
    return output, seen[0]


def _pair_layers(student: Any, teacher: Any, stages: Stages, layers: str) -> tuple[tuple[int, int], ...]:
    """The layers whose states are compared; SeeError if these two models cannot be."""
    if teacher is student:
        raise SeeError("the teacher is the student itself; load the model a second time before compressing it")
    for name, model in (("student", student), ("teacher", teacher)):
        if not isinstance(model, GenerationMixin) or model.config.is_encoder_decoder:
            raise SeeError(f"the {name}, a {type(model).__name__}, is no causal language model")
    ours, theirs = student.config.get_text_config(), teacher.config.get_text_config()
    if ours.vocab_size != theirs.vocab_size:
        sizes = f"the teacher has {theirs.vocab_size:,} tokens, the student {ours.vocab_size:,}"
        raise SeeError(f"{sizes}; the teacher is the model that was compressed")
    choice = parse_side(layers, "model")
    if not any(weights.hidden for weights in stages.used):
        return ()
    return choice.pair(ours.num_hidden_layers, theirs.num_hidden_layers)
