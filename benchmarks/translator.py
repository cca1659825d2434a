"""Transformers for benchmarks: configured and built as fairseq does it, with made-up dictionaries and sentences."""

from pathlib import Path
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.tasks.translation import TranslationConfig, TranslationTask
from indexes import make_realistic_index, make_worst_index
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

import fairseq_see.plugin  # noqa: F401
from experiments.training import compose
from fairseq_see.units.vocabulary import Vocabulary

# The paper's setting, and what a processor lacks of it.
CONFIG = "iwslt17_zh_en"
ON_CPU = ("common.cpu=true", "common.fp16=false")


def make_task(words: int) -> TranslationTask:
    """A translation task of two languages with the same symbols: fairseq's special ones, and made-up ones."""
    dictionary = Dictionary()
    for number in range(words - len(dictionary)):
        dictionary.add_symbol(f"w{number}")
    return TranslationTask(TranslationConfig(data="", source_lang="zh", target_lang="en"), dictionary, dictionary)


def configure(task: TranslationTask, folder: Path, method: str, *overrides: str) -> DictConfig:
    """fairseq's configuration of the paper's setting, with any embedding.

    Args:
        task: the task.
        folder: where its unit indexes are written: like a real one's, or for ``see, worst case`` the worst.
        method: registered name.
        overrides: of configs/iwslt17_zh_en.yaml, KEY=VALUE.
    """
    words = Vocabulary(tuple(task.source_dictionary.symbols), tuple(task.source_dictionary.count))
    method, _, bad = method.partition(", worst case")
    index = (folder / f"{'worst' if bad else 'real'}.see").resolve()
    if not index.exists():
        (make_worst_index if bad else make_realistic_index)(len(words), words.hash).save(index)
    places = ("task.data=none", f"checkpoint.save_dir='{folder}'", f"+model.see_index='{index}'")
    given = (f"model.see_method={method}", *places, "optimization.max_update=100000", *overrides)
    return OmegaConf.create(compose(CONFIG, given))


def build_model(cfg: DictConfig, task: TranslationTask) -> Any:
    """A model at its initialisation."""
    torch.manual_seed(1)
    return task.build_model(cfg.model)


def make_sentences(number: int, length: int, words: int, seed: int = 1) -> Tensor:
    """(number, length) tokens by Zipf's law, the last of each sentence its end."""
    ranks = 1 / torch.arange(5, words + 1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    tokens = 4 + torch.multinomial(ranks, number * length, replacement=True, generator=generator).view(number, length)
    tokens[:, -1] = 2
    return tokens
