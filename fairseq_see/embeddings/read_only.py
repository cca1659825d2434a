"""A matrix that an embedding reconstructs, so that a change to it would be lost without a word."""

from typing import Any

import torch
from torch import Tensor

from fairseq_see.errors import SeeError


class ReadOnlyMatrix(Tensor):
    """The matrix and its views; an operation that writes raises SeeError. What is computed is an ordinary tensor."""

    # Or transformers would initialise it.
    _is_hf_initialized = True

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``func``, unless it writes."""
        name, kwargs = func.__name__, kwargs or {}
        writes = name in ("__setitem__", "__set__") or (name[-1] == "_" and name[-2] != "_")
        if writes and isinstance([*args, *kwargs.values()][0], cls):
            raise SeeError(
                "the matrix of a compressed embedding is reconstructed, so a change to it is lost; change the "
                "parameters that it is made of, or fit them to the matrix you want"
            )
        with torch._C.DisableTorchFunctionSubclass():
            out = func(*args, **kwargs)
        return out.as_subclass(cls) if name in ("__get__", "__getitem__", "detach") and isinstance(out, Tensor) else out
