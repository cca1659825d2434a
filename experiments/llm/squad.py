"""SQuAD v1.1 (Rajpurkar et al. 2016): contexts cut into windows, answers read from scores, exact match and F1.

A row is a question as the data set ``rajpurkar/squad`` has it: ``id``, ``context``, ``question`` and ``answers``, whose
``text`` and ``answer_start`` (the character where it begins) are lists.
"""

from __future__ import annotations

import re
import string
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# As published with BERT: tokens of an answer at most, and those that a window shares with the next.
LONGEST_ANSWER = 30
STRIDE = 128


def windows(rows: dict[str, list[Any]], tokenizer: Any, length: int) -> dict[str, list[Any]]:
    """Questions with as much of their contexts as fits, in windows that overlap.

    Args:
        rows: columns of questions.
        tokenizer: a fast one, because others do not tell characters.
        length: tokens of a window at most.

    Returns:
        columns of windows: what a model reads, ``start_positions`` and ``end_positions`` of the first answer (both
        that of the first token, if the window does not hold the answer), ``row`` the question's number, and
        ``characters``: for each token where it begins and ends in the context, (0, 0) outside.
    """
    questions = [question.strip() for question in rows["question"]]
    encoded = tokenizer(
        questions,
        rows["context"],
        truncation="only_second",
        max_length=length,
        stride=min(STRIDE, length // 3),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    columns = {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}
    columns |= {"row": encoded["overflow_to_sample_mapping"], "characters": []}
    columns |= {"start_positions": [], "end_positions": []}
    for window, row in enumerate(columns["row"]):
        of_context = [part == 1 for part in encoded.sequence_ids(window)]
        offsets = encoded["offset_mapping"][window]
        characters = [place if inside else (0, 0) for place, inside in zip(offsets, of_context, strict=True)]
        first, last = _tokens_of(rows["answers"][row], characters)
        columns["characters"].append(characters)
        columns["start_positions"].append(first)
        columns["end_positions"].append(last)
    return columns


def _tokens_of(answers: dict[str, list[Any]], characters: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """First and last token of the first answer; (0, 0) if the tokens do not hold all of it."""
    start = answers["answer_start"][0]
    end = start + len(answers["text"][0])
    inside = [token for token, (a, b) in enumerate(characters) if a < end and b > start]
    whole = inside and characters[inside[0]][0] <= start and characters[inside[-1]][1] >= end
    return (inside[0], inside[-1]) if whole else (0, 0)


def answers_of(
    rows: Sequence[dict[str, Any]],
    cut: Sequence[dict[str, Any]],
    starts: NDArray[np.floating],
    ends: NDArray[np.floating],
) -> list[str]:
    """The text with the highest sum of scores of its first and its last token, over all windows of each question.

    Args:
        rows: n questions.
        cut: w windows of theirs, with ``row`` and ``characters``.
        starts: (w, tokens) scores of being the first token of the answer; what is beyond a window's tokens is padding.
        ends: (w, tokens) of being the last.
    """
    best: dict[int, tuple[float, str]] = defaultdict(lambda: (-np.inf, ""))
    for window, start, end in zip(cut, starts, ends, strict=True):
        characters = window["characters"]
        outside = np.array([b == 0 for _, b in characters])
        start, end = (np.where(outside, -np.inf, scores[: len(outside)]) for scores in (start, end))
        sums = start[:, None] + end[None, :]
        allowed = np.triu(np.ones_like(sums, dtype=bool)) & ~np.triu(np.ones_like(sums, dtype=bool), LONGEST_ANSWER)
        sums[~allowed] = -np.inf
        first, last = np.unravel_index(sums.argmax(), sums.shape)
        context = rows[window["row"]]["context"]
        text = context[characters[first][0] : characters[last][1]]
        best[window["row"]] = max(best[window["row"]], (float(sums[first, last]), text))
    return [best[row][1] for row in range(len(rows))]


def scores(found: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Exact match and F1 in percent, each answer's the best over those that people gave."""
    pairs = list(zip(found, answers, strict=True))
    exact = [max(float(_normalised(text) == _normalised(right)) for right in given) for text, given in pairs]
    f1 = [max(_f1(_normalised(text).split(), _normalised(right).split()) for right in given) for text, given in pairs]
    return {"exact_match": 100 * float(np.mean(exact)), "f1": 100 * float(np.mean(f1))}


def _normalised(text: str) -> str:
    """Lower case, without punctuation, articles and spaces beyond one, as the published script compares answers."""
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def _f1(found: list[str], right: list[str]) -> float:
    shared = sum((Counter(found) & Counter(right)).values())
    return 2 * shared / (len(found) + len(right)) if shared else 0.0
