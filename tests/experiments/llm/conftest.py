"""The tiny models and tokenizers of tests/hf."""

from tests.hf.conftest import indexes, senses, small, tokenizers  # noqa: F401
