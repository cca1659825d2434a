"""Embedding matrices, dense and compressed, in plain PyTorch.

Every module beside this one is imported here, and registers the methods it holds: a new method is one new file.
"""

import os
import pkgutil
from importlib import import_module

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.buffers import Footprint
from fairseq_see.embeddings.config import MethodConfig, option
from fairseq_see.embeddings.dense import DenseEmbedding
from fairseq_see.embeddings.exported import load
from fairseq_see.embeddings.registry import (
    REGISTRY,
    build,
    complete_config,
    find_class,
    import_user_dir,
    register,
    restore,
)
from fairseq_see.embeddings.see import SEEEmbedding

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "REGISTRY",
    "DenseEmbedding",
    "Embedding",
    "Footprint",
    "MethodConfig",
    "SEEEmbedding",
    "build",
    "complete_config",
    "find_class",
    "import_user_dir",
    "load",
    "option",
    "register",
    "restore",
]

# For commands that take no --user-dir: what the scripts start.
if _user_dir := os.environ.get("SEE_USER_DIR"):
    import_user_dir(_user_dir)
