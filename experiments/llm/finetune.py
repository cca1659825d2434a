"""Fine-tuning of a BERT-like model on GLUE and SQuAD v1.1 with transformers' Trainer, and its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

from experiments.llm import glue, squad
from experiments.llm.checkpoints import last_checkpoint


class Schedule(NamedTuple):
    """How to fine-tune: Adam with a rate that falls to 0 in equal steps.

    Attributes:
        epochs: passes over the training set.
        batch_size: sequences of an update.
        lr: learning rate at the beginning.
        length: tokens of a sequence at most.
        seed: of the order and of dropout.
    """

    epochs: float = 3
    batch_size: int = 32
    lr: float = 2e-5
    length: int = 128
    seed: int = 1


def classify(
    model: Any, tokenizer: Any, task: glue.Task, sets: dict[str, Dataset], schedule: Schedule, folder: Path
) -> dict[str, float]:
    """Fine-tune on a GLUE task and score its validation sets; one that a task has beside the first is named.

    Args:
        model: with a head for sequences, of ``task.labels`` outputs.
        tokenizer: its own.
        task: which.
        sets: its splits.
        schedule: how.
        folder: of checkpoints; training goes on from the last that is there.
    """

    def encode(rows: dict[str, list[Any]]) -> dict[str, Any]:
        encoded = tokenizer(*(rows[column] for column in task.columns), truncation=True, max_length=schedule.length)
        return {**encoded, "labels": [float(x) for x in rows["label"]] if task.labels == 1 else rows["label"]}

    encoded = {split: _mapped(rows, encode) for split, rows in sets.items()}
    trainer = _trained(model, tokenizer, encoded["train"], schedule, folder)
    results = {}
    for split in task.validation:
        done = trainer.predict(encoded[split])
        name = split.removeprefix("validation").removeprefix("_")
        for metric, value in glue.scores(task, _array(done.predictions), done.label_ids).items():
            results[f"{name} {metric}".strip()] = value
    return results


def answer(model: Any, tokenizer: Any, sets: dict[str, Dataset], schedule: Schedule, folder: Path) -> dict[str, float]:
    """Fine-tune on SQuAD and score the validation set: ``exact_match`` and ``f1``. Arguments as in :func:`classify`."""

    def encode(rows: dict[str, list[Any]], numbers: list[int]) -> dict[str, Any]:
        cut = squad.windows(rows, tokenizer, schedule.length)
        return {**cut, "row": [numbers[row] for row in cut["row"]]}

    train, cut = (_mapped(sets[split], encode, with_indices=True) for split in ("train", "validation"))
    trainer = _trained(model, tokenizer, train.remove_columns(["row", "characters"]), schedule, folder)
    unread = ["row", "characters", "start_positions", "end_positions"]
    starts, ends = trainer.predict(cut.remove_columns(unread)).predictions
    rows = sets["validation"].to_list()
    found = squad.answers_of(rows, cut, starts, ends)
    return squad.scores(found, [row["answers"]["text"] for row in rows])


def _mapped(rows: Dataset, encode: Any, **options: Any) -> Dataset:
    return rows.map(encode, batched=True, remove_columns=rows.column_names, **options)


def _array(predictions: Any) -> np.ndarray:
    """Of a model that returns more than scores, they are the first."""
    return predictions[0] if isinstance(predictions, tuple) else predictions


def _trained(model: Any, tokenizer: Any, rows: Dataset, schedule: Schedule, folder: Path) -> Trainer:
    """A trainer that has done its work."""
    set_seed(schedule.seed)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=schedule.epochs,
        per_device_train_batch_size=schedule.batch_size,
        per_device_eval_batch_size=schedule.batch_size,
        learning_rate=schedule.lr,
        seed=schedule.seed,
        save_strategy="epoch",
        save_total_limit=1,
        logging_strategy="epoch",
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
    )
    trainer = Trainer(model, arguments, DataCollatorWithPadding(tokenizer), rows, processing_class=tokenizer)
    trainer.train(resume_from_checkpoint=last_checkpoint(folder))
    return trainer
