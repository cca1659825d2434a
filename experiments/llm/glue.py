"""GLUE (Wang et al. 2019): what its tasks read, and how they are scored. Scores are in percent, as papers have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef


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


def scores(task: Task, logits: NDArray[np.floating], labels: NDArray[Any]) -> dict[str, float]:
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
