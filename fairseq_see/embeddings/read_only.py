"""A matrix that an embedding reconstructs, so that a change to it would be lost without a word."""

from typing import Any

import numpy as np
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
        first = [*args, *kwargs.values()][0]
        if (writes and isinstance(first, cls)) or isinstance(kwargs.get("out"), cls):
            raise SeeError(
                "the matrix of a compressed embedding is reconstructed, so a change to it is lost; change the "
                "parameters that it is made of, or fit them to the matrix you want"
            )
        with torch._C.DisableTorchFunctionSubclass():
            out = func(*args, **kwargs)
            return _protect(out, first) if isinstance(first, cls) else out


def _protect(out: Any, matrix: ReadOnlyMatrix) -> Any:
    """What an operation returns, read-only where it is the matrix's memory."""
    if type(out) is tuple:
        return tuple(_protect(each, matrix) for each in out)
    if isinstance(out, np.ndarray):
        out.flags.writeable = False
    elif isinstance(out, Tensor) and out.untyped_storage()._cdata == matrix.untyped_storage()._cdata:
        return out.as_subclass(ReadOnlyMatrix)
    return out
