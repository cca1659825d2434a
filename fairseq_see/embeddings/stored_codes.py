"""The codes of a quantised table as a buffer of a module: a byte each, in memory and where they are shipped."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class StoredCodes(nn.Module):
    """Whole numbers of one byte, in state dicts of four: averaging checkpoints adds them up before it divides.

    Args:
        codes: of dtype int8 or uint8.
    """

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def of(self, ids: Tensor) -> Tensor:
        """The codes of the rows ``ids`` (n,)."""
        return self.codes.index_select(0, ids)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}codes"] = self.codes.to(torch.int32)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # What is assigned in place of being copied would keep its four bytes a code.
        if (codes := state_dict.get(f"{prefix}codes")) is not None:
            state_dict[f"{prefix}codes"] = codes.to(self.codes.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
