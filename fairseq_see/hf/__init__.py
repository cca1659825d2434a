"""Compressed embeddings in Hugging Face models: compress, train, save, load, and go back to a stock model.

Needs transformers and accelerate (``pip install 'fairseq_see[hf]'``); nothing else of the package does.
"""

from fairseq_see.errors import needs_extra

with needs_extra("hf"):
    import transformers  # noqa: F401

from fairseq_see.hf.compress import compress_embeddings, materialise, ship
from fairseq_see.hf.loading import Loader  # noqa: F401 - registers itself
from fairseq_see.hf.saving import CompressionConfig
from fairseq_see.hf.surgery import get_compressed_embeddings
from fairseq_see.hf.vocabulary import build_index, extend_index, read_vocabulary

__all__ = [
    "CompressionConfig",
    "build_index",
    "compress_embeddings",
    "extend_index",
    "get_compressed_embeddings",
    "materialise",
    "read_vocabulary",
    "ship",
]
