"""GLUE (Wang et al. 2019): what its tasks read, and how they are scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from experiments.llm.hub import load_split
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines


class Task(NamedTuple):
    """A task.

    Attributes:
        columns: of the sentence, or of the two, under the names of the data set ``nyu-mll/glue``.
        metrics: names in METRICS, the one that is cited first.
        labels: how many there are; 1 stands for a number to predict.
        validation: the splits that are scored.
    """

    columns: tuple[str, ...]
    metrics: tuple[str, ...] = ("accuracy",)
    labels: int = 2
    validation: tuple[str, ...] = ("validation",)


METRICS: dict[str, Callable[[Any, Any], Any]] = {
    "accuracy": accuracy_score,
    "f1": f1_score,
    "matthews": matthews_corrcoef,
    "pearson": lambda labels, found: pearsonr(labels, found).statistic,
    "spearman": lambda labels, found: spearmanr(labels, found).statistic,
}

TASKS = {
    "cola": Task(("sentence",), ("matthews",)),
    "sst2": Task(("sentence",)),
    "mrpc": Task(("sentence1", "sentence2"), ("f1", "accuracy")),
    "stsb": Task(("sentence1", "sentence2"), ("pearson", "spearman"), labels=1),
    "qqp": Task(("question1", "question2"), ("f1", "accuracy")),
    "mnli": Task(("premise", "hypothesis"), labels=3, validation=("validation_matched", "validation_mismatched")),
    "qnli": Task(("question", "sentence")),
    "rte": Task(("sentence1", "sentence2")),
    "wnli": Task(("sentence1", "sentence2")),
}


def read(name: str, folder: Path | None) -> dict[str, Any]:
    """The splits of a task: of the hub's ``nyu-mll/glue``, or FOLDER/TASK/SPLIT.jsonl with an object a line.

    Raises:
        SeeError: no such file, another format; or no hub.
    """
    splits = ("train", *TASKS[name].validation)
    if folder is None:
        return {split: load_split("nyu-mll/glue", name, split) for split in splits}
    return {split: _rows(folder / name / f"{split}.jsonl", (*TASKS[name].columns, "label")) for split in splits}


def score(task: Task, logits: NDArray[np.floating], labels: NDArray[Any]) -> dict[str, float]:
    """The task's metrics in percent; 0 for a correlation with predictions that are all alike.

    Args:
        task: which.
        logits: (n, labels).
        labels: (n,) ids, or numbers where one is to be predicted.
    """
    found = logits[:, 0] if task.labels == 1 else logits.argmax(1)
    if task.labels == 1 and np.ptp(found) == 0:
        return dict.fromkeys(task.metrics, 0.0)
    return {name: 100 * float(METRICS[name](labels, found)) for name in task.metrics}


def _rows(path: Path, columns: tuple[str, ...]) -> Dataset:
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            row = json.loads(line)
            rows.append({name: row[name] for name in columns})
        except (ValueError, KeyError, TypeError) as error:
            raise SeeError(f"{path}, line {number}: expected an object with {', '.join(columns)}") from error
    return Dataset.from_list(rows)
