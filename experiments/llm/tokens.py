"""Which embeddings fine-tuning can change, and how far it moved them.

An embedding of a dense matrix learns when its token is in a batch. One of a compressed matrix shares parameters with
others, so those of tokens that were never seen move too. A matrix that is tied to the output learns from every token.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Tokens that are looked up at a time.
CHUNK = 4096


def count_tokens(examples: Iterable[Mapping[str, Sequence[int]]], vocabulary: int) -> Tensor:
    """How often each token is an input of the examples: (V,) int64."""
    counts = torch.zeros(vocabulary, dtype=torch.int64)
    for example in examples:
        counts += torch.bincount(torch.as_tensor(example["input_ids"]), minlength=vocabulary)
    return counts


def measure_reach(embedding: nn.Module, counts: Tensor) -> dict[str, float | int]:
    """What the tokens that are seen, those with ``counts`` (V,), can change in an input embedding.

    ``parameters`` is the share of the parameters that get a gradient from them, ``unseen_rows`` the share of the other
    embeddings that these parameters move.
    """
    copy = deepcopy(embedding).cpu().float().train()
    seen, unseen = counts.nonzero().squeeze(1), counts == 0
    generator = torch.Generator().manual_seed(0)
    for ids in seen.split(CHUNK):
        found = copy(ids)
        (found * torch.randn(found.shape, generator=generator)).sum().backward()
    before = _look_up_all(copy, len(counts))
    touched = parameters = 0
    for parameter in copy.parameters():
        reached = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.ne(0).float()
        touched, parameters = touched + int(reached.sum(dtype=torch.int64)), parameters + parameter.numel()
        parameter.data += reached * torch.rand(parameter.shape, generator=generator)
    moved = (_look_up_all(copy, len(counts)) != before).any(1)
    return {
        "tokens": int(counts.sum()),
        "distinct": len(seen),
        "vocabulary": len(counts),
        "share": len(seen) / len(counts),
        "parameters": touched / parameters,
        "unseen_rows": float(moved[unseen].float().mean()) if unseen.any() else 0.0,
    }


def measure_distances(teacher: nn.Module, before: nn.Module, after: nn.Module, counts: Tensor) -> dict[str, Any]:
    """How far embeddings moved in training, of tokens that were ``seen`` and of those that were ``unseen``.

    ``moved`` is the share that changed, ``change`` the Frobenius norm of the change by that of the embeddings before.
    Before and after training are ``relative_error``, the norm of the difference to the teacher's by the teacher's, and
    the mean ``cosine`` with them.
    """
    target, old, new = (_look_up_all(embedding, len(counts)) for embedding in (teacher, before, after))
    return {
        name: {
            "rows": int(mask.sum()),
            "moved": float((new != old)[mask].any(1).float().mean()),
            "change": float((new - old)[mask].norm() / old[mask].norm()),
            "relative_error": [float((each - target)[mask].norm() / target[mask].norm()) for each in (old, new)],
            "cosine": [float(F.cosine_similarity(each[mask], target[mask]).mean()) for each in (old, new)],
        }
        for name, mask in (("seen", counts > 0), ("unseen", counts == 0))
        if mask.any()
    }


@torch.no_grad()
def _look_up_all(embedding: nn.Module, vocabulary: int) -> Tensor:
    """All embeddings, in single precision on the CPU: (V, d)."""
    device = next(embedding.parameters()).device
    return torch.cat([embedding(ids.to(device)).float().cpu() for ids in torch.arange(vocabulary).split(CHUNK)])
