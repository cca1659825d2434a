"""Transformers for benchmarks: built as fairseq builds them, with made-up dictionaries and sentences."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from fairseq.tasks.translation import TranslationConfig, TranslationTask
from indexes import like_real, worst
from torch import Tensor

import fairseq_see.plugin  # noqa: F401
from fairseq_see.units.vocabulary import Vocabulary

ARCHITECTURE = "see_transformer_iwslt_zh_en"


def dictionary(words: int) -> Dictionary:
    """fairseq's special symbols, and made-up ones up to ``words``."""
    result = Dictionary()
    for number in range(words - len(result)):
        result.add_symbol(f"w{number}")
    return result


def task(words: int) -> TranslationTask:
    """A translation task whose two languages have the same made-up symbols."""
    return TranslationTask(
        TranslationConfig(data="", source_lang="zh", target_lang="en"), dictionary(words), dictionary(words)
    )


def configuration(of: TranslationTask, folder: Path, method: str, ratio: float | None, **options: Any) -> Namespace:
    """The options of the architecture above with any embedding.

    Args:
        of: the task.
        folder: where its unit indexes are written: like a real one's, or for the method ``see, worst case`` the worst.
        method: registered name.
        ratio: compression of both tables.
        **options: more options of the architecture.
    """
    words = Vocabulary(tuple(of.source_dictionary.symbols), tuple(of.source_dictionary.count))
    method, _, bad = method.partition(", worst case")
    path = folder / f"{'worst' if bad else 'real'}.see"
    if not path.exists():
        (worst if bad else like_real)(len(words), dictionary=words.hash).save(path)
    cfg = Namespace(
        arch=ARCHITECTURE,
        see_method=method,
        see_ratio=ratio,
        see_index=str(path),
        save_dir=str(folder),
        restore_file="checkpoint_last.pt",
        finetune_from_model=None,
        **options,
    )
    ARCH_CONFIG_REGISTRY[ARCHITECTURE](cfg)
    return cfg


def built(cfg: Namespace, of: TranslationTask) -> Any:
    """A model at its start. The options then say what its embeddings came to, as those of a checkpoint do."""
    torch.manual_seed(1)
    return ARCH_MODEL_REGISTRY[ARCHITECTURE].build_model(cfg, of)


def sentences(number: int, length: int, words: int, seed: int = 1) -> Tensor:
    """(number, length) tokens by Zipf's law, the last of each sentence its end."""
    ranks = 1 / torch.arange(5, words + 1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    tokens = 4 + torch.multinomial(ranks, number * length, replacement=True, generator=generator).view(number, length)
    tokens[:, -1] = 2
    return tokens
