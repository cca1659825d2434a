"""Text to fine-tune a causal language model on, as tokens and labels.

A file of text is one long stream, split into blocks. Each line of a ``.jsonl`` file is an example by itself:

    {"text": ...}                                    every token is learned
    {"prompt": ..., "completion": ...}               only the completion is
    {"question": ..., "choices": {"text": [...], "label": [...]}, "answerKey": ...}
                                                     ARC: the right answer is, after the prompt of lm-eval
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from experiments.llm.hub import load_split
from fairseq_see.errors import SeeError
from fairseq_see.hf.distillation import IGNORED
from fairseq_see.io import read_lines

ARC = ("ARC-Challenge", "ARC-Easy")

Example = dict[str, list[int]]


def read(path: Path, tokenizer: Any, length: int) -> list[Example]:
    """Examples of at most ``length`` tokens, from a text or a ``.jsonl`` file."""
    lines = read_lines(path)
    if path.suffix == ".jsonl":
        examples = [_parse(line, f"{path}, line {i}", tokenizer, length) for i, line in enumerate(lines, 1)]
    else:
        examples = split_blocks(lines, tokenizer, length)
    examples = [example for example in examples if any(label != IGNORED for label in example["labels"][1:])]
    if not examples:
        raise SeeError(f"{path} has no text to learn from within {length} tokens")
    return examples


def split_blocks(lines: Iterable[str], tokenizer: Any, length: int) -> list[Example]:
    """Lines, each followed by the end-of-sequence token, as one stream split into blocks of ``length`` tokens."""
    kept = [line for line in lines if line.strip()]
    stream = [token for ids in tokenizer(kept)["input_ids"] for token in _append_end(ids, tokenizer)] if kept else []
    blocks = [stream[start : start + length] for start in range(0, len(stream), length)]
    # A block of one token has nothing to predict.
    return [{"input_ids": ids, "labels": list(ids)} for ids in blocks if len(ids) > 1]


def read_arc(tokenizer: Any, length: int) -> list[Example]:
    """The training questions of ARC (Clark et al. 2018), from the hub or its cache."""
    questions = [question for name in ARC for question in load_split("allenai/ai2_arc", name, "train")]
    return [_tokenize(*split_record(question), tokenizer, length) for question in questions]


def split_record(record: Mapping[str, Any]) -> tuple[str, str]:
    """What is given and what is learned; a question of ARC is asked as lm-eval's task ``arc_easy`` does."""
    if "text" in record:
        return "", record["text"]
    if "prompt" in record:
        return record["prompt"], record["completion"]
    right = record["choices"]["label"].index(record["answerKey"])
    return f"Question: {record['question']}\nAnswer:", f" {record['choices']['text'][right]}"


def collate(examples: Sequence[Example]) -> dict[str, Tensor]:
    """A batch, padded on the right: ``input_ids``, ``labels`` and ``attention_mask``, (B, T) each."""
    # Not transformers' collator: not every tokenizer has a padding token, and behind the mask any will do.
    ids, labels = ([torch.tensor(example[name]) for example in examples] for name in ("input_ids", "labels"))
    return {
        "input_ids": pad_sequence(ids, batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        "attention_mask": pad_sequence([torch.ones_like(each) for each in ids], batch_first=True),
    }


def _parse(line: str, where: str, tokenizer: Any, length: int) -> Example:
    try:
        prompt, text = split_record(json.loads(line))
        return _tokenize(prompt + "", text + "", tokenizer, length)
    except (ValueError, TypeError, LookupError) as error:
        what = "no text, no prompt with a completion, and no question of ARC (see docs/hugging-face.md)"
        raise SeeError(f"{where} holds {what}") from error


def _tokenize(prompt: str, text: str, tokenizer: Any, length: int) -> Example:
    """At most ``length`` tokens, and their labels, which leave out the prompt."""
    ids = _append_end(tokenizer(prompt + text)["input_ids"], tokenizer)
    alike = zip(ids, tokenizer(prompt)["input_ids"] if prompt else [], strict=False)
    given = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], alike))
    return {"input_ids": ids[:length], "labels": ([IGNORED] * given + ids[given:])[:length]}


def _append_end(ids: list[int], tokenizer: Any) -> list[int]:
    """Tokens followed by the one that ends a sequence, which some tokenizers add and others do not."""
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, end]
