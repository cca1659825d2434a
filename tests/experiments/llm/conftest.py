"""The tiny models and tokenizers of tests/hf."""

from tests.hf.conftest import indexes, senses, tokenizers  # noqa: F401
