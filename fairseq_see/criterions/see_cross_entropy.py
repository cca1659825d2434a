"""``see_cross_entropy``: fairseq's ``label_smoothed_cross_entropy``, with its options and results, in less time."""

from typing import Any

from fairseq.criterions import register_criterion
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    LabelSmoothedCrossEntropyCriterionConfig,
)
from fairseq.models import BaseFairseqModel, FairseqDecoder
from fairseq.models.transformer import TransformerModelBase
from torch import Tensor

from fairseq_see.losses.chunked import cross_entropy

# A plain softmax of the decoder's output, in two wordings.
PLAIN = (BaseFairseqModel.get_normalized_probs, TransformerModelBase.get_normalized_probs)


@register_criterion("see_cross_entropy", dataclass=LabelSmoothedCrossEntropyCriterionConfig)
class CrossEntropyCriterion(LabelSmoothedCrossEntropyCriterion):
    """Label-smoothed cross entropy that does not keep log-probabilities; see ``docs/results/speed.md``."""

    def compute_loss(
        self, model: Any, net_output: Any, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Loss and negative log likelihood in nats, summed over positions.

        By fairseq's own code where they are asked for one by one, or probabilities are no plain softmax of the output.
        """
        if not reduce or self.ignore_prefix_size or not _has_plain_softmax(model):
            return super().compute_loss(model, net_output, sample, reduce)
        return cross_entropy(net_output[0], model.get_targets(sample, net_output), self.eps, self.padding_idx)


def _has_plain_softmax(model: Any) -> bool:
    """Whether a model, wrapped for several GPUs or not, has probabilities as fairseq's decoders have them."""
    decoder = getattr(model, "decoder", None)
    return (
        isinstance(decoder, FairseqDecoder)
        and getattr(decoder, "adaptive_softmax", None) is None
        and _is(decoder.get_normalized_probs, FairseqDecoder.get_normalized_probs)
        and _is(decoder.get_normalized_probs_scriptable, FairseqDecoder.get_normalized_probs_scriptable)
        and _is(model.get_normalized_probs, *PLAIN)
    )


def _is(method: Any, *functions: Any) -> bool:
    return getattr(method, "__func__", None) in functions
