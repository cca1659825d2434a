"""What fairseq learns from this package: architectures, exported models, which globals its own checkpoints may hold.

And a name that it misses in numpy 2.
"""

import argparse
import pkgutil
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from fairseq import checkpoint_utils
from fairseq.dataclass.utils import overwrite_args_by_name
from fairseq.trainer import Trainer
from omegaconf import OmegaConf

from fairseq_see.export_config import is_export

# torch >= 2.6 loads checkpoints with weights_only=True. Stock fairseq checkpoints hold an argparse namespace, and
# numbers (the best validation loss, say) that numpy made: harmless data, named here one by one instead of switching
# safety off.
_NUMPY_CORE = getattr(np, "_core", None) or np.core
SAFE_GLOBALS = [
    argparse.Namespace,
    _NUMPY_CORE.multiarray.scalar,
    _NUMPY_CORE.multiarray._reconstruct,
    np.ndarray,
    np.dtype,
    *{type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "uint8", "bool")},
]
torch.serialization.add_safe_globals(SAFE_GLOBALS)

# numpy 2 has no np.compat. fairseq asks it for one thing, an integer type, to read text a sentence at a time
# (--sample-break-mode eos).
if not hasattr(np, "compat"):
    np.compat = SimpleNamespace(long=int)  # type: ignore[attr-defined]

for _name in ("fairseq_see.models", "fairseq_see.criterions"):
    for _module in pkgutil.iter_modules(import_module(_name).__path__):
        import_module(f"{_name}.{_module.name}")


def _or_exported(load: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """fairseq's loader of checkpoints, for exported models too: the one door through which all its commands go."""
    from fairseq_see.models.checkpoint import exit_on_error, load_checkpoint

    @wraps(load)
    def load_checkpoint_to_cpu(
        path: str, arg_overrides: dict[str, Any] | None = None, load_on_all_ranks: bool = False
    ) -> dict[str, Any]:
        if not is_export(path):
            return load(path, arg_overrides, load_on_all_ranks)
        with exit_on_error():
            state = load_checkpoint(path)
        state["cfg"] = OmegaConf.create(state["cfg"], flags={"allow_objects": True})
        if arg_overrides is not None:
            overwrite_args_by_name(state["cfg"], arg_overrides)
        return state

    return load_checkpoint_to_cpu


def _or_one_line(load: Callable[..., Any]) -> Callable[..., Any]:
    """fairseq's loading into a model to be trained, which reports any cause as architectures that do not match."""
    from fairseq_see.models.checkpoint import exit_on_error

    @wraps(load)
    def load_checkpoint(*args: Any, **kwargs: Any) -> Any:
        with exit_on_error():
            return load(*args, **kwargs)

    return load_checkpoint


Trainer.load_checkpoint = _or_one_line(Trainer.load_checkpoint)
checkpoint_utils.load_checkpoint_to_cpu = _or_exported(checkpoint_utils.load_checkpoint_to_cpu)
