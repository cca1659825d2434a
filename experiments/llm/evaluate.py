"""How good a causal language model is: perplexity, and tasks of lm-eval."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from experiments.llm.data import Example, collate
from fairseq_see.errors import SeeError
from fairseq_see.hf.distillation import IGNORED, shift_labels
from fairseq_see.losses.chunked import cross_entropy

# Of multiple choice: the most probable answer, and the most probable one by its number of characters.
MEASURES = ("acc", "acc_norm")


@torch.no_grad()
def measure_perplexity(model: Any, examples: Sequence[Example], batch: int = 16) -> float:
    """exp of the mean negative log likelihood of all target tokens, each counted once; sets eval mode."""
    model.eval()
    total, tokens = 0.0, 0
    for start in range(0, len(examples), batch):
        inputs = {name: value.to(model.device) for name, value in collate(examples[start : start + batch]).items()}
        labels = shift_labels(inputs.pop("labels"))
        _, likelihood = cross_entropy(model(**inputs, use_cache=False).logits, labels, 0.0, IGNORED)
        total += likelihood.item()
        tokens += int((labels != IGNORED).sum())
    return math.exp(min(total / tokens, 700))


def run_tasks(
    model: Any,
    tokenizer: Any,
    tasks: Sequence[str],
    folder: Path | None = None,
    batch: int = 8,
    limit: int | None = None,
) -> dict[str, dict[str, float]]:
    """Scores of a causal language model in tasks of lm-eval, without examples in the prompt.

    ``folder`` has further tasks, one YAML each; ``batch`` sequences are read at a time, and ``limit`` questions of each
    task. By task there are the MEASURES that it has, their standard errors as ``acc_stderr``, and ``questions``.
    """
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    # lm-eval's own tasks are ten thousand files, which take it a quarter of a minute to read.
    path = None if folder is None else str(folder)
    manager = TaskManager(include_path=path, include_defaults=False)
    if not set(tasks) <= set(manager.all_tasks):
        manager = TaskManager(include_path=path)
    if unknown := sorted(set(tasks) - set(manager.all_tasks)):
        raise SeeError(f"lm-eval has no task {unknown[0]!r}; lm-eval ls tasks lists them, --task-folder adds your own")
    options = {"tasks": list(tasks), "num_fewshot": 0, "limit": limit, "task_manager": manager, "log_samples": False}
    try:
        found = simple_evaluate(HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch), **options)
    except (OSError, ConnectionError, ValueError) as error:
        raise SeeError(f"lm-eval cannot do {', '.join(tasks)}: {str(error).splitlines()[0]}") from error
    names = [f"{measure}{kind}" for measure in MEASURES for kind in ("", "_stderr")]
    return {
        task: {name: scores[f"{name},none"] for name in names if f"{name},none" in scores}
        | {"questions": found["n-samples"][task]["effective"]}
        for task, scores in found["results"].items()
    }
