"""Perplexity of a masked language model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from transformers import DataCollatorForLanguageModeling

from fairseq_see.errors import SeeError

LINES = 16


@torch.no_grad()
def perplexity(model: Any, tokenizer: Any, lines: Sequence[str], length: int, seed: int) -> float:
    """exp of the mean cross-entropy, in nats, of the tokens that are predicted.

    These are 15% of all, drawn as for pretraining: of ten, eight are masked, one is another token and one is as it
    was (transformers' collator). The same lines and seed give the same draw, whatever the model.

    Args:
        model: of class BertForMaskedLM or alike, on any device.
        tokenizer: its own.
        lines: one is a sequence of its own, with the special tokens round it.
        length: tokens of a sequence at most; what is beyond is cut off.
        seed: of the draw.

    Raises:
        SeeError: the text is so short that nothing was drawn.
    """
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=seed)
    encoded = tokenizer(list(lines), truncation=True, max_length=length, return_special_tokens_mask=True)
    rows = [{name: encoded[name][i] for name in encoded} for i in range(len(lines))]
    model.eval()
    total, count = 0.0, 0
    for first in range(0, len(rows), LINES):
        batch = collate(rows[first : first + LINES]).to(model.device)
        labels = batch.pop("labels")
        drawn = labels != -100
        scores = model(**batch).logits[drawn].float()
        total += float(F.cross_entropy(scores, labels[drawn], reduction="sum"))
        count += len(scores)
    if count == 0:
        raise SeeError("the text for perplexity is too short: none of its tokens was drawn to be predicted")
    return math.exp(min(total / count, 700))
