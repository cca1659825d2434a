"""SQuAD v1.1 (Rajpurkar et al. 2016): contexts split into windows, answers read from scores, exact match and F1.

A question is as the data set ``rajpurkar/squad`` has it: ``id``, ``context``, ``question`` and ``answers``, whose
``text`` and ``answer_start`` (the character where it begins) are lists.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from torchmetrics.functional.text import squad as squad_metrics

from experiments.llm.hub import load_split
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines

# As published with BERT: tokens of an answer at most, and those that a window shares with the next.
LONGEST_ANSWER = 30
STRIDE = 128

FILES = {"train": "train-v1.1.json", "validation": "dev-v1.1.json"}


def read(folder: Path | None) -> dict[str, Any]:
    """``train`` and ``validation``: the hub's, or FOLDER/squad/train-v1.1.json and dev-v1.1.json as published."""
    if folder is None:
        return {split: load_split("rajpurkar/squad", None, split) for split in FILES}
    return {split: _read_published(folder / "squad" / file) for split, file in FILES.items()}


def _read_published(path: Path) -> Dataset:
    rows = []
    try:
        articles = json.loads("\n".join(read_lines(path)))["data"]
        for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
            context = paragraph["context"]
            for question in paragraph["qas"]:
                answers = {name: [a[name] for a in question["answers"]] for name in ("text", "answer_start")}
                start = answers["answer_start"][0]
                if not context.startswith(answers["text"][0], start):
                    raise ValueError(f"the answer of question {question['id']} is not at character {start}")
                row = {name: question[name] for name in ("id", "question")}
                rows.append(row | {"context": context, "answers": answers})
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SeeError(f"{path} is not in the format of SQuAD v1.1 ({type(error).__name__}: {error})") from error
    return Dataset.from_list(rows)


def split_windows(rows: dict[str, list[Any]], tokenizer: Any, length: int) -> dict[str, list[Any]]:
    """Questions with as much of their contexts as fits, in windows that overlap.

    Columns of questions become columns of windows of at most ``length`` tokens: what a model reads; ``start_positions``
    and ``end_positions`` of the first answer, 0 where the window does not hold it; ``row``, the question's number;
    ``characters``, where each token begins and ends in the context, (0, 0) outside.
    """
    questions = [question.strip() for question in rows["question"]]
    windows = {"truncation": "only_second", "max_length": length, "stride": min(STRIDE, length // 3)}
    windows |= {"return_overflowing_tokens": True, "return_offsets_mapping": True}
    encoded = tokenizer(questions, rows["context"], **windows)
    columns = {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}
    columns |= {"row": encoded["overflow_to_sample_mapping"]}
    columns |= {"characters": [], "start_positions": [], "end_positions": []}
    for window, row in enumerate(columns["row"]):
        places = zip(encoded["offset_mapping"][window], encoded.sequence_ids(window), strict=True)
        characters = [place if part == 1 else (0, 0) for place, part in places]
        start = rows["answers"][row]["answer_start"][0]
        end = start + len(rows["answers"][row]["text"][0])
        inside = [token for token, (a, b) in enumerate(characters) if a < end and b > start]
        whole = inside and characters[inside[0]][0] <= start and characters[inside[-1]][1] >= end
        columns["characters"].append(characters)
        columns["start_positions"].append(inside[0] if whole else 0)
        columns["end_positions"].append(inside[-1] if whole else 0)
    return columns


def read_answers(
    rows: Sequence[dict[str, Any]],
    windows: Sequence[dict[str, Any]],
    starts: NDArray[np.floating],
    ends: NDArray[np.floating],
) -> list[str]:
    """The text with the highest sum of scores of its first and its last token, over all windows of each question.

    ``starts`` and ``ends`` (windows, tokens) are scores of being the first and the last token, padded on the right.
    """
    best = [(-np.inf, "")] * len(rows)
    for window, start, end in zip(windows, starts, ends, strict=True):
        context, characters = rows[window["row"]]["context"], window["characters"]
        outside = np.array([b == 0 for _, b in characters])
        start, end = (np.where(outside, -np.inf, scores[: len(outside)]) for scores in (start, end))
        length = np.arange(len(outside)) - np.arange(len(outside))[:, None]
        sums = np.where((length >= 0) & (length < LONGEST_ANSWER), start[:, None] + end, -np.inf)
        first, last = np.unravel_index(sums.argmax(), sums.shape)
        found = sums[first, last], context[characters[first][0] : characters[last][1]]
        best[window["row"]] = max(best[window["row"]], found)
    return [text for _, text in best]


def score(found: Sequence[str], rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Exact match and F1 in percent, each answer's the best over those that people gave."""
    answers: Any = [{"id": str(i), "answers": row["answers"]} for i, row in enumerate(rows)]
    predictions = [{"id": str(i), "prediction_text": text} for i, text in enumerate(found)]
    return {name: float(value) for name, value in squad_metrics(predictions, answers).items()}
