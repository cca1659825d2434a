"""What fairseq learns from this package: architectures, and which globals its own checkpoints may hold."""

import argparse
import pkgutil
from importlib import import_module

import numpy as np
import torch

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

for _name in ("fairseq_see.models", "fairseq_see.criterions"):
    for _module in pkgutil.iter_modules(import_module(_name).__path__):
        import_module(f"{_name}.{_module.name}")
