"""GLUE's metrics against values worked out by hand."""

import numpy as np
import pytest

from experiments.llm.glue import METRICS, TASKS, score


def make_logits(*labels: int) -> np.ndarray:
    return np.eye(3)[list(labels)]


def test_scores_by_hand():
    # 2 of 3 found are right, 2 of 4 right ones are found: F1 = 2 * 2 / (3 + 4).
    found = score(TASKS["mrpc"], make_logits(1, 1, 1, 0, 0, 0), np.array([1, 1, 0, 1, 1, 0]))
    assert found == pytest.approx({"f1": 400 / 7, "accuracy": 50})
    assert score(TASKS["mnli"], make_logits(0, 1, 2, 2), np.array([0, 1, 1, 2])) == {"accuracy": 75}

    # tp = 2, tn = 1, fp = 1, fn = 1: (2 * 1 - 1 * 1) / sqrt(3 * 3 * 2 * 2)
    found = score(TASKS["cola"], make_logits(1, 1, 0, 1, 0), np.array([1, 1, 1, 0, 0]))
    assert found == pytest.approx({"matthews": 100 / 6})

    right = np.array([1.0, 2.0, 3.0])
    found = score(TASKS["stsb"], np.array([[1.0], [2.0], [4.0]]), right)
    # Pearson: 3 / sqrt(2 * 14/3)
    assert found == pytest.approx({"pearson": 300 / (2 * 14 / 3) ** 0.5, "spearman": 100})
    assert score(TASKS["stsb"], np.ones((3, 1)), right) == {"pearson": 0, "spearman": 0}


def test_every_task_names_metrics_that_there_are():
    assert len(TASKS) == 9
    assert all(METRICS.keys() >= set(task.metrics) and task.columns for task in TASKS.values())
