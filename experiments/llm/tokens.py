"""Which rows of an input table fine-tuning can change, and how far it moved them.

A row of a dense table learns when its token is in a batch. A row of a compressed one shares parameters with others, so
those of tokens that were never seen move with them. A table that is tied to the output learns from every token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Rows that are looked up at a time.
ROWS = 4096


def count_tokens(examples: Iterable[Mapping[str, Sequence[int]]], rows: int) -> Tensor:
    """How often each of ``rows`` tokens is an input of the examples: (V,) int64."""
    counts = torch.zeros(rows, dtype=torch.int64)
    for example in examples:
        counts += torch.bincount(torch.as_tensor(example["input_ids"]), minlength=rows)
    return counts


def measure_reach(table: nn.Module, counts: Tensor) -> dict[str, float | int]:
    """What the tokens that are seen can change in an input table, by looking its rows up.

    Args:
        table: an embedding, compressed or not.
        counts: (V,), from :func:`count_tokens`.

    Returns:
        ``tokens`` and ``distinct`` tokens seen, their share of the ``vocabulary``; ``parameters``, the share of the
        table's numbers that get a gradient from them; ``unseen_rows``, the share of the other rows in which these
        numbers occur too, so that they move without being seen.
    """
    copy = deepcopy(table).cpu().float().train()
    seen = counts.nonzero().squeeze(1)
    generator = torch.Generator().manual_seed(0)
    for ids in seen.split(ROWS):
        rows = copy(ids)
        (rows * torch.randn(rows.shape, generator=generator)).sum().backward()
    touched = {
        name: parameter.grad.ne(0) if parameter.grad is not None else torch.zeros_like(parameter, dtype=torch.bool)
        for name, parameter in copy.named_parameters()
    }
    before = _table(copy, len(counts))
    with torch.no_grad():
        for name, parameter in copy.named_parameters():
            parameter.add_(touched[name] * torch.rand(parameter.shape, generator=generator))
    moved = (_table(copy, len(counts)) != before).any(1)
    unseen = counts == 0
    numbers = sum(mask.numel() for mask in touched.values())
    return {
        "tokens": int(counts.sum()),
        "distinct": len(seen),
        "vocabulary": len(counts),
        "share": len(seen) / len(counts),
        "parameters": sum(int(mask.sum()) for mask in touched.values()) / numbers,
        "unseen_rows": float(moved[unseen].float().mean()) if unseen.any() else 0.0,
    }


def measure_distances(teacher: nn.Module, before: nn.Module, after: nn.Module, counts: Tensor) -> dict[str, Any]:
    """How far the rows of tokens that were seen, and of those that were not, are from the teacher's.

    Args:
        teacher: the input table of the model that was compressed.
        before: the compressed one, before it was trained on.
        after: and afterwards.
        counts: (V,), from :func:`count_tokens`.

    Returns:
        for ``seen`` and ``unseen`` tokens: ``rows``; ``moved``, the share of rows that changed, and ``change``, how
        far (Frobenius norm of the difference, by that of the rows before); and a pair, before and after, of
        ``relative_error`` (norm of the difference to the teacher's rows, by that of these) and ``cosine`` (mean over
        rows).
    """
    target, old, new = (_table(table, len(counts)) for table in (teacher, before, after))
    return {
        name: {
            "rows": int(mask.sum()),
            "moved": float((new != old)[mask].any(1).float().mean()),
            "change": float((new - old)[mask].norm() / old[mask].norm()),
            "relative_error": [float((table - target)[mask].norm() / target[mask].norm()) for table in (old, new)],
            "cosine": [float(F.cosine_similarity(table[mask], target[mask]).mean()) for table in (old, new)],
        }
        for name, mask in (("seen", counts > 0), ("unseen", counts == 0))
        if mask.any()
    }


@torch.no_grad()
def _table(table: nn.Module, rows: int) -> Tensor:
    """All rows of an embedding, in single precision on the CPU: (V, d)."""
    device = next(table.parameters()).device
    return torch.cat([table(ids.to(device)).float().cpu() for ids in torch.arange(rows).split(ROWS)])
