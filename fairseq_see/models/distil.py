"""Distillation of a compressed checkpoint from the dense one that it was made of: fairseq's training, from Python."""

import math
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils, tasks, utils
from fairseq.dataclass.configs import FairseqConfig
from fairseq.dataclass.initialize import add_defaults
from omegaconf import OmegaConf

from fairseq_see.errors import SeeError
from fairseq_see.models.checkpoint import find_newest, load_checkpoint, read_section, repair
from fairseq_see.models.teacher import find_dictionaries, list_folders

# Of all updates, those in which the learning rate rises.
WARMUP = 1 / 6
LOSS: dict[str, Any] = {"start_updates": 0, "distil_beta": 0.0, "distil_gamma": 0.0, "label_smoothing": 0.1}
BATCHES: dict[str, Any] = {
    **{"num_workers": 0, "required_batch_size_multiple": 1, "update_epoch_batch_itr": True},
    **{"skip_invalid_size_inputs_valid_test": True},
}


def distil(
    student: Path, teacher: Path, data: Path, folder: Path, updates: int, lr: float, max_tokens: int, seed: int
) -> Path:
    """Train a compressed model on KL divergence from its teacher plus cross entropy; the rate falls to zero.

    Training resumes from the folder's last checkpoint, if it has one that lacks updates.

    Args:
        student: checkpoint that ``fairseq-see fit`` wrote.
        teacher: checkpoint that it was made of.
        data: folder of ``fairseq-preprocess``.
        folder: where checkpoints go; the last one is returned.
        updates: of training.
        lr: peak learning rate of Adam.
        max_tokens: of a batch.
        seed: of batches and dropout.
    """
    from fairseq_cli.train import main

    old = load_checkpoint(student)["cfg"]
    # The student's task is its teacher's, and the student has been made with the dictionaries of the data.
    options = read_section(old["task"])
    task = OmegaConf.create({**options, "data": str(data)})
    theirs = find_dictionaries(list_folders(teacher, options), tasks.setup_task(task)) or data
    rate: dict[str, Any] = {"warmup_updates": max(1, round(updates * WARMUP)), "total_num_update": updates, "lr": [lr]}
    chosen: dict[str, Any] = {
        "criterion": {"_name": "see_distillation", "teacher": str(teacher), "teacher_data": str(theirs), **LOSS},
        "optimizer": {"_name": "adam", "adam_betas": "(0.9, 0.98)"},
        "lr_scheduler": {"_name": "polynomial_decay", **rate},
        "common": {"seed": seed, "log_interval": 20},
        "dataset": {"max_tokens": max_tokens, **BATCHES},
        "optimization": {"max_update": updates, "lr": [lr], "clip_norm": 1.0},
        "checkpoint": {"save_dir": str(folder), "finetune_from_model": str(student), "no_epoch_checkpoints": True},
    }
    cfg: Any = OmegaConf.merge(OmegaConf.structured(FairseqConfig), chosen)
    OmegaConf.set_struct(cfg, False)
    cfg.task = task
    cfg.model = OmegaConf.create(dict(read_section(old["model"])), flags={"allow_objects": True})
    add_defaults(cfg)
    # fairseq would do one update more before it looks.
    if repair(folder).get("updates", 0) < updates:
        main(cfg)
    return folder / "checkpoint_last.pt"


def check_training(folder: Path, lr: float, data: Path, seed: int) -> None:
    """Raise SeeError if a folder has a checkpoint that :func:`distil` trained otherwise; arguments are as there."""
    if not (newest := find_newest(folder)):
        return
    cfg = load_checkpoint(newest["path"])["cfg"]
    for name, before, now in (
        ("--lr", cfg["optimization"]["lr"][0], lr),
        ("--data", Path(cfg["task"]["data"]).absolute(), data.absolute()),
        ("--seed", cfg["common"]["seed"], seed),
    ):
        if before != now:
            problem = f"{folder} was trained with {name} {before}, not {now}"
            raise SeeError(f"{problem}; choose another --output, or remove it")


@torch.no_grad()
def measure_perplexity(checkpoint: Path, data: Path, max_tokens: int) -> float:
    """Perplexity of a translation model on the validation set, without label smoothing.

    SeeError if there is no validation set, its dictionaries are others, or a sentence has more than ``max_tokens``.
    """
    models, _, task = checkpoint_utils.load_model_ensemble_and_task([str(checkpoint)], {"data": str(data)})
    model = models[0].eval()
    try:
        task.load_dataset("valid")
    except (FileNotFoundError, ValueError) as error:
        raise SeeError(f"{data} has no valid*.bin; prepare one with fairseq-preprocess --validpref") from error
    dataset, limits = task.dataset("valid"), utils.resolve_max_positions(model.max_positions())
    known = task.filter_indices_by_size(dataset.ordered_indices(), dataset, limits, ignore_invalid_inputs=True)
    if (longest := dataset.num_tokens_vec(known).max(initial=0)) > max_tokens:
        raise SeeError(f"--max-tokens is {max_tokens}, but a sentence of the validation set in {data} has {longest}")
    batches = task.get_batch_iterator(dataset, max_tokens, max_positions=limits, ignore_invalid_inputs=True)
    loss, tokens, pad = 0.0, 0, task.target_dictionary.pad()
    for batch in batches.next_epoch_itr(shuffle=False):
        scores = model.get_normalized_probs(model(**batch["net_input"]), log_probs=True)
        target = batch["target"]
        real = target != pad
        loss -= float(scores[real].gather(1, target[real].unsqueeze(1)).double().sum())
        tokens += int(real.sum())
    return math.exp(loss / max(1, tokens))
