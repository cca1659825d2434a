"""A task, models and samples small enough to be made in a moment, without data on disk."""

import random
from pathlib import Path

import torch
from fairseq import models
from fairseq.data import LanguagePairDataset
from fairseq.tasks.translation import TranslationConfig, TranslationTask
from omegaconf import OmegaConf

import fairseq_see.plugin  # noqa: F401
from fairseq_see.criterions.see_distillation import DistillationConfig, DistillationCriterion

WORDS = {"zh": 44, "en": 56}
SHAPE = {
    f"{side}_{name}": value
    for side in ("encoder", "decoder")
    for name, value in {"embed_dim": 16, "ffn_embed_dim": 24, "layers": 2, "attention_heads": 2}.items()
}
SHAPE |= {"dropout": 0.0, "share_decoder_input_output_embed": True}
# Of fairseq's LSTM, which asks for the criterion's name too.
LSTM_SHAPE = {"encoder_embed_dim": 16, "decoder_embed_dim": 16, "decoder_out_embed_dim": 16, "criterion": "x"}


class Optimizer:
    """All that a task's train_step asks of an optimizer."""

    def backward(self, loss):
        loss.backward()


def make_task(folder: Path, words=WORDS, langs=("zh", "en")) -> TranslationTask:
    """A translation task whose data folder holds nothing but dictionaries."""
    folder.mkdir(parents=True, exist_ok=True)
    for lang in langs:
        text = "".join(f"{lang}{i} {100 - i}\n" for i in range(words[lang]))
        (folder / f"dict.{lang}.txt").write_text(text)
    return load_task(folder, langs)


def load_task(folder: Path, langs=("zh", "en")) -> TranslationTask:
    """The task of a folder that :func:`make_task` filled."""
    cfg = TranslationConfig(data=str(folder), source_lang=langs[0], target_lang=langs[1])
    return TranslationTask.setup_task(OmegaConf.structured(cfg))


def build(task, name="see_transformer", seed=1, **options):
    """A model, and the configuration that a checkpoint of it holds."""
    torch.manual_seed(seed)
    see = {"see_method": "low_rank", "see_ratio": 2} if name.startswith("see") and "see_method" not in options else {}
    cfg = OmegaConf.create({"model": {"_name": name, **(LSTM_SHAPE if name == "lstm" else SHAPE), **see, **options}})
    return models.build_model(cfg.model, task), OmegaConf.to_container(cfg.model)


def save_teacher(path: Path, task, name="transformer", seed=2, **options):
    """The checkpoint of an untrained model, whose dictionaries are those of the task; the model itself."""
    model, cfg = build(task, name, seed, **options)
    state = {
        "args": None,
        "cfg": {"model": cfg, "task": dict(OmegaConf.to_container(task.cfg))},
        "model": model.state_dict(),
        "optimizer_history": [{"num_updates": 3}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return model


def make_samples(task, count=6, seed=5):
    """A function from sentence numbers to the batch of these sentences."""
    rng = random.Random(seed)

    def draw_sentences(dictionary):
        return [
            torch.tensor([*(rng.randrange(4, len(dictionary)) for _ in range(rng.randint(1, 6))), dictionary.eos()])
            for _ in range(count)
        ]

    source, target = draw_sentences(task.source_dictionary), draw_sentences(task.target_dictionary)
    sizes = [[len(line) for line in lines] for lines in (source, target)]
    dataset = LanguagePairDataset(
        *(source, sizes[0], task.source_dictionary, target, sizes[1], task.target_dictionary), left_pad_source=True
    )
    return lambda *ids: dataset.collater([dataset[i] for i in ids])


def make_criterion(task, teacher, **options) -> DistillationCriterion:
    """The criterion; without a start stage by default."""
    if "start_updates" not in options:
        options.setdefault("start_epochs", 0)
    return DistillationCriterion(DistillationConfig(teacher=str(teacher), sentence_avg=False, **options), task)


def derive(model, task, criterion, *samples, update=0):
    """Of the sum of the losses of some batches, and what is logged of each batch."""
    model.zero_grad()
    logged = [task.train_step(sample, model, criterion, Optimizer(), update)[2] for sample in samples]
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}, logged
