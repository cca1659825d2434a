"""GLUE (Wang et al. 2019): what its tasks read, and how they are scored."""

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
    """A task, its columns and splits as the data set ``nyu-mll/glue`` has them, the metric cited first."""

    columns: tuple[str, ...]
    metrics: tuple[str, ...] = ("accuracy",)
    labels: int = 2  # 1 stands for a number to predict
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
    """The splits of a task: of the hub's ``nyu-mll/glue``, or FOLDER/TASK/SPLIT.jsonl with an object a line."""
    task, found = TASKS[name], {}
    for split in ("train", *task.validation):
        if folder is None:
            found[split] = load_split("nyu-mll/glue", name, split)
            continue
        path, columns, rows = folder / name / f"{split}.jsonl", (*task.columns, "label"), []
        for number, line in enumerate(read_lines(path), 1):
            try:
                row = json.loads(line)
                rows.append({column: row[column] for column in columns})
            except (ValueError, KeyError, TypeError) as error:
                raise SeeError(f"{path}, line {number}: expected an object with {', '.join(columns)}") from error
        found[split] = Dataset.from_list(rows)
    return found


def score(task: Task, logits: NDArray[np.floating], labels: NDArray[Any]) -> dict[str, float]:
    """Metrics of logits (n, labels) in percent; 0 for a correlation with predictions that are all alike."""
    found = logits[:, 0] if task.labels == 1 else logits.argmax(1)
    if task.labels == 1 and np.ptp(found) == 0:
        return dict.fromkeys(task.metrics, 0.0)
    return {name: 100 * float(METRICS[name](labels, found)) for name in task.metrics}
