"""Text to fine-tune a causal language model on, as tokens and labels.

A file of text is one long stream, cut into blocks. Each line of a ``.jsonl`` file is an example by itself:

    {"text": ...}                                    every token is learned
    {"prompt": ..., "completion": ...}               only the completion is
    {"question": ..., "choices": {"text": [...], "label": [...]}, "answerKey": ...}
                                                     ARC: the right answer is, after the prompt of lm-eval
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fairseq_see.errors import SeeError
from fairseq_see.hf.distillation import IGNORED
from fairseq_see.io import read_lines

ARC = "allenai/ai2_arc"

Example = dict[str, list[int]]


def read(path: Path, tokenizer: Any, length: int) -> list[Example]:
    """Examples of at most ``length`` tokens, from a text or a ``.jsonl`` file.

    Raises:
        SeeError: not readable, not what it should be, or empty.
    """
    lines = read_lines(path)
    if path.suffix == ".jsonl":
        examples = [_example(_parsed(line, f"{path}, line {i}"), tokenizer, length) for i, line in enumerate(lines, 1)]
    else:
        examples = blocks(lines, tokenizer, length)
    examples = [example for example in examples if any(label != IGNORED for label in example["labels"][1:])]
    if not examples:
        raise SeeError(f"{path} has no text to learn from within {length} tokens")
    return examples


def blocks(lines: Iterable[str], tokenizer: Any, length: int) -> list[Example]:
    """Lines, each with the end-of-sequence token behind it, as one stream cut into blocks of ``length`` tokens.

    What remains at the end is a shorter block, if there is something to predict in it.
    """
    kept = [line for line in lines if line.strip()]
    stream = [token for ids in tokenizer(kept)["input_ids"] for token in _ended(ids, tokenizer)] if kept else []
    cut = [stream[start : start + length] for start in range(0, len(stream), length)]
    return [{"input_ids": ids, "labels": list(ids)} for ids in cut if len(ids) > 1]


def arc(tokenizer: Any, length: int, names: Sequence[str] = ("ARC-Challenge", "ARC-Easy")) -> list[Example]:
    """The training questions of ARC (Clark et al. 2018), fetched or from the cache of Hugging Face.

    Raises:
        SeeError: they are neither here nor within reach.
    """
    from datasets import load_dataset

    examples = []
    for name in names:
        try:
            questions = load_dataset(ARC, name, split="train")
        except Exception as error:
            # Errors of all kinds, as the network has them.
            raise SeeError(
                f"cannot get {name} of {ARC}: {_first_line(error)}; without a network, copy the cache (HF_HOME) of a "
                "machine that fetched it, or give --data FILE"
            ) from error
        examples += [_example(question, tokenizer, length) for question in questions]
    return examples


def prompt_and_answer(question: Mapping[str, Any]) -> tuple[str, str]:
    """A question of ARC as lm-eval asks it (its task ``arc_easy``), and the right answer."""
    right = question["choices"]["label"].index(question["answerKey"])
    return f"Question: {question['question']}\nAnswer:", f" {question['choices']['text'][right]}"


def collate(examples: Sequence[Example]) -> dict[str, Tensor]:
    """A batch, padded on the right: ``input_ids``, ``labels`` and ``attention_mask``, (B, T) each."""
    ids, labels = ([torch.tensor(example[name]) for example in examples] for name in ("input_ids", "labels"))
    return {
        # Which token pads makes no difference behind the mask.
        "input_ids": pad_sequence(ids, batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
    }


def _example(record: Mapping[str, Any], tokenizer: Any, length: int) -> Example:
    """Tokens, and labels where they are to be learned; cut behind ``length`` tokens."""
    prompt, text = "", record.get("text")
    if text is None:
        prompt, text = (record["prompt"], record["completion"]) if "prompt" in record else prompt_and_answer(record)
    ids = _ended(tokenizer(prompt + text)["input_ids"], tokenizer)
    alike = zip(ids, tokenizer(prompt)["input_ids"] if prompt else [], strict=False)
    given = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], alike))
    return {"input_ids": ids[:length], "labels": ([IGNORED] * given + ids[given:])[:length]}


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
        if "text" in record or record.keys() >= {"prompt", "completion"}:
            texts = [record[name] for name in ("text", "prompt", "completion") if name in record]
        else:
            texts = list(prompt_and_answer(record))
        if all(isinstance(text, str) for text in texts):
            return record
    except (ValueError, TypeError, AttributeError, LookupError):
        pass
    raise SeeError(f"{where} holds no text, no prompt with a completion, and no question of ARC (see docs/llm.md)")


def _ended(ids: list[int], tokenizer: Any) -> list[int]:
    """Tokens with the one that ends a sequence behind them, which some tokenizers add and others do not."""
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, end]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
