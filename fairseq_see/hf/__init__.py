"""Compressed embeddings in Hugging Face models: wrap, train, save, load, and go back to a stock model.

    model = compress_embeddings(AutoModelForCausalLM.from_pretrained(name), tokenizer, index=build_index(...))
    ...                                               train it like any model
    model.save_pretrained(folder)                     no dense copy of a table is in it
    AutoModelForCausalLM.from_pretrained(folder)      works wherever this module has been imported
    materialise(model)                                the stock model, with full tables

Needs transformers and accelerate (``pip install 'fairseq_see[hf]'``); nothing else of the package does.
"""

from fairseq_see.errors import SeeError

try:
    import transformers  # noqa: F401
except ModuleNotFoundError as error:
    raise SeeError(
        f"fairseq_see.hf needs the package {error.name}: pip install 'fairseq_see[hf]', or scripts/setup.sh --hf"
    ) from error

from fairseq_see.hf.compress import compress_embeddings, materialise, ship
from fairseq_see.hf.loading import Loader  # noqa: F401 - registers itself
from fairseq_see.hf.saving import CompressionConfig
from fairseq_see.hf.surgery import compressed_embeddings
from fairseq_see.hf.vocabulary import build_index, extend_index, read_vocabulary

__all__ = [
    "CompressionConfig",
    "build_index",
    "compress_embeddings",
    "compressed_embeddings",
    "extend_index",
    "materialise",
    "read_vocabulary",
    "ship",
]
