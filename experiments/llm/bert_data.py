"""Text, GLUE and SQuAD v1.1: from Hugging Face's hub, or from files of the same formats in a folder.

FOLDER/mlm.txt                             lines of text, for perplexity
FOLDER/TASK/train.jsonl, validation.jsonl  a GLUE task: an object a line with the columns of ``nyu-mll/glue``
FOLDER/squad/train-v1.1.json, dev-v1.1.json  SQuAD as it is published
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset

from experiments.llm.glue import Task
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines

TEXT = ("Salesforce/wikitext", "wikitext-2-raw-v1", "test")


def text(folder: Path | None) -> list[str]:
    """Lines that are not empty: the folder's, or WikiText-2's test set.

    Raises:
        SeeError: no such file, or no hub.
    """
    lines = read_lines(folder / "mlm.txt") if folder else _hub(*TEXT)["text"]
    lines = [line.strip() for line in lines if line.strip()]
    if not lines:
        raise SeeError(f"{folder}/mlm.txt has no text")
    return lines


def glue(name: str, task: Task, folder: Path | None) -> dict[str, Dataset]:
    """The splits of a task, with ``label`` and the sentences' columns.

    Raises:
        SeeError: no such file, another format, a label that there is not; or no hub.
    """
    splits = ("train", *task.validation)
    if folder is None:
        return {split: _hub("nyu-mll/glue", name, split) for split in splits}
    return {split: _rows(folder / name / f"{split}.jsonl", task) for split in splits}


def squad(folder: Path | None) -> dict[str, Dataset]:
    """``train`` and ``validation``, with ``id``, ``context``, ``question`` and ``answers``.

    Raises:
        SeeError: no such file, or another format; or no hub.
    """
    if folder is None:
        return {split: _hub("rajpurkar/squad", None, split) for split in ("train", "validation")}
    files = {"train": "train-v1.1.json", "validation": "dev-v1.1.json"}
    return {split: _published(folder / "squad" / file) for split, file in files.items()}


def _hub(name: str, part: str | None, split: str) -> Any:
    try:
        return load_dataset(name, part, split=split)
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise SeeError(f"cannot fetch {name} ({reason}); give its files with --data, see docs/llm.md") from error


def _rows(path: Path, task: Task) -> Dataset:
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            row = json.loads(line)
            label = row["label"]
            right = isinstance(label, (int, float)) if task.labels == 1 else label in range(task.labels)
            if not right or not all(isinstance(row[column], str) for column in task.columns):
                raise ValueError
        except (ValueError, KeyError, TypeError) as error:
            labels = "a number" if task.labels == 1 else f"0 to {task.labels - 1}"
            wanted = f"an object with the texts {', '.join(task.columns)} and a label, {labels}"
            raise SeeError(f"{path}, line {number}: expected {wanted}") from error
        rows.append({name: row[name] for name in (*task.columns, "label")})
    if not rows:
        raise SeeError(f"{path} is empty")
    return Dataset.from_list(rows)


def _published(path: Path) -> Dataset:
    try:
        articles = json.loads("\n".join(read_lines(path)))["data"]
        rows = [
            _question(question, paragraph["context"])
            for article in articles
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SeeError(f"{path} is not in the format of SQuAD v1.1 ({type(error).__name__}: {error})") from error
    if not rows:
        raise SeeError(f"{path} has no questions")
    return Dataset.from_list(rows)


def _question(question: dict[str, Any], context: str) -> dict[str, Any]:
    answers = {name: [answer[name] for answer in question["answers"]] for name in ("text", "answer_start")}
    for start, answer in zip(answers["answer_start"], answers["text"], strict=True):
        if context[start : start + len(answer)] != answer:
            raise ValueError(f"the answer {answer[:40]!r} of question {question['id']} is not at character {start}")
    if not answers["text"]:
        raise ValueError(f"question {question['id']} has no answer, as those of v2.0")
    return {"id": question["id"], "context": context, "question": question["question"], "answers": answers}
