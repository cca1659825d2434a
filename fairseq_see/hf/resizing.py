"""``resize_token_embeddings`` of a compressed model: new tokens are made of vectors that exist."""

from torch import nn
from transformers import PreTrainedModel

from fairseq_see.embeddings import Embedding
from fairseq_see.embeddings.see import SEEEmbedding
from fairseq_see.errors import SeeError
from fairseq_see.hf import surgery
from fairseq_see.units import UnitIndex


def resize(
    model: PreTrainedModel,
    new_num_tokens: int | None = None,
    pad_to_multiple_of: int | None = None,
    mean_resizing: bool = True,
    index: UnitIndex | None = None,
) -> Embedding:
    """transformers' method of this name; ``index`` is the model's, extended (vocabulary.py)."""
    embeddings = surgery.get_compressed_embeddings(model)
    embedding = embeddings["input"]
    rows = embedding.num_embeddings
    wanted = rows if new_num_tokens is None else new_num_tokens
    if pad_to_multiple_of:
        wanted = -(-wanted // pad_to_multiple_of) * pad_to_multiple_of
    extended = [each for each in embeddings.values() if isinstance(each, SEEEmbedding)]
    if index is not None and len(extended) == len(embeddings) and rows <= max(wanted, rows) == index.num_words:
        for each in extended:
            each.extend(index)
        _resize_output(model, index.num_words, mean_resizing)
    elif wanted != rows or index is not None:
        raise SeeError(
            f"a compressed matrix of {rows} embeddings cannot be resized to {wanted}: give see or morphte "
            f"index=extend_index(...) of {max(wanted, rows)} words, or materialise(model), resize, and compress again"
        )
    return embedding


def _resize_output(model: PreTrainedModel, rows: int, mean_resizing: bool) -> None:
    """Give what else is as long as the vocabulary its new length."""
    head = model.get_output_embeddings()
    if isinstance(head, surgery.ProjectionHead) and head.bias is not None:
        bias = head.bias
        longer = nn.Parameter(nn.functional.pad(bias.detach(), (0, rows - len(bias))), bias.requires_grad)
        for module in model.modules():
            if module._parameters.get("bias") is bias:
                module.bias = longer
    elif isinstance(head, nn.Linear):
        model.set_output_embeddings(model._get_resized_lm_head(head, rows, mean_resizing=mean_resizing))
    if hasattr(model, "_resize_final_logits_bias"):
        model._resize_final_logits_bias(rows)
    for config in (model.config, model.config.get_text_config()):
        config.vocab_size = rows
