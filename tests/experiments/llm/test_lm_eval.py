"""lm-eval on a compressed model: a task of ours in the format of ARC, against scores added up by hand; no network."""

import json
import math
import socket
from pathlib import Path

import lm_eval
import pytest
import torch
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM
from transformers.quantizers import auto

from experiments.llm.evaluate import run_tasks
from experiments.llm.experiment import TASKS
from fairseq_see.errors import SeeError
from fairseq_see.hf import compress_embeddings
from tests.hf.conftest import TEXT, count_rows, make_tiny

TASK = """task: {name}
dataset_path: {path}
dataset_kwargs: {kwargs}
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{choices.label.index(answerKey)}}}}"
doc_to_choice: "{{{{choices.text}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
"""


def make_questions() -> list[dict]:
    """One on each sentence: how does it go on?"""
    words = [line.split() for line in TEXT]
    made = []
    for i, sentence in enumerate(words):
        # A model that has learned nothing prefers the shortest: it must be right now and then, but not always.
        answers = [" ".join(words[(i + k) % len(words)][3 : 5 + (i + k) % 3]) for k in range(3 + i % 2)]
        right = i % len(answers)
        answers[0], answers[right] = answers[right], answers[0]
        choices = {"text": answers, "label": list("ABCD"[: len(answers)])}
        made.append({"id": str(i), "question": " ".join(sentence[:3]), "choices": choices, "answerKey": "ABCD"[right]})
    return made


def write_task(folder: Path) -> None:
    """The task ``endings``, whose questions are beside it; and one whose questions are out of reach."""
    (folder / "endings.jsonl").write_text("".join(f"{json.dumps(question)}\n" for question in make_questions()))
    kwargs = json.dumps({"data_files": {"test": str(folder / "endings.jsonl")}})
    (folder / "endings.yaml").write_text(TASK.format(name="endings", path="json", kwargs=kwargs))
    (folder / "far.yaml").write_text(TASK.format(name="far_away", path="allenai/ai2_arc", kwargs="{}"))


@pytest.fixture
def attempts(monkeypatch, tmp_path):
    """What tried to reach a network; the cache of data sets is a new one."""
    made = []

    def refuse(*args, **kwargs):
        made.append(args[:2])
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return made


def score_by_hand(model, tokenizer) -> tuple[float, float]:
    """acc and acc_norm: each answer by itself, log probabilities added up token by token."""
    right = [0, 0]
    for question in make_questions():
        prompt = tokenizer(f"Question: {question['question']}\nAnswer:")["input_ids"]
        scores = []
        for answer in question["choices"]["text"]:
            ids = tokenizer(f"Question: {question['question']}\nAnswer: {answer}")["input_ids"]
            with torch.no_grad():
                logs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            scores.append(sum(float(logs[t - 1, ids[t]]) for t in range(len(prompt), len(ids))))
        gold = question["choices"]["label"].index(question["answerKey"])
        lengths = [len(answer) for answer in question["choices"]["text"]]
        normed = [score / length for score, length in zip(scores, lengths, strict=True)]
        for i, values in enumerate((scores, normed)):
            right[i] += values.index(max(values)) == gold
    return right[0] / len(make_questions()), right[1] / len(make_questions())


def test_a_compressed_model_answers_questions(tmp_path, tokenizers, indexes, attempts):
    write_task(tmp_path)
    tokenizer, index = tokenizers["llama-tied"], indexes["llama-tied"]
    model = compress_embeddings(make_tiny("llama-tied", count_rows(tokenizer)), ratio=2, index=index)
    found = run_tasks(model, tokenizer, ["endings"], tmp_path, batch=3)["endings"]
    assert (found["acc"], found["acc_norm"]) == pytest.approx(score_by_hand(model, tokenizer))
    assert found["questions"] == len(TEXT) and 0 < found["acc"] < 1
    variance = found["acc"] * (1 - found["acc"]) / (len(TEXT) - 1)
    assert found["acc_stderr"] == pytest.approx(math.sqrt(variance))
    # What was saved is the same model to lm-eval, as is one that never holds a matrix.
    model.save_pretrained(tmp_path / "saved")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    loaded.get_input_embeddings().inference = "factored"
    assert run_tasks(loaded, tokenizer, ["endings"], tmp_path, batch=2)["endings"] == found
    assert run_tasks(loaded, tokenizer, ["endings"], tmp_path, limit=2)["endings"]["questions"] == 2
    assert not attempts


def test_lm_eval_alone_refuses_a_compressed_folder(tmp_path, small, tokenizers, monkeypatch):
    """As ``lm_eval --model hf`` does, in which nothing imports this package."""
    small("llama").save_pretrained(tmp_path)
    tokenizers["llama"].save_pretrained(tmp_path)
    for mapping in (auto.AUTO_QUANTIZATION_CONFIG_MAPPING, auto.AUTO_QUANTIZER_MAPPING):
        monkeypatch.delitem(mapping, "fairseq_see")
    with pytest.raises(ValueError, match="Unknown quantization type, got fairseq_see"):
        HFLM(pretrained=str(tmp_path))


def test_questions_that_are_out_of_reach(tmp_path, tokenizers, attempts):
    write_task(tmp_path)
    tokenizer = tokenizers["llama"]
    arc = Path(lm_eval.__file__).parent / "tasks/arc"
    for tasks, folder in ((["far_away"], tmp_path), (TASKS["arc"], arc)):
        with pytest.raises(SeeError, match=f"lm-eval cannot do {', '.join(tasks)}: .*allenai/ai2_arc") as error:
            run_tasks(make_tiny("llama", count_rows(tokenizer)), tokenizer, tasks, folder)
        assert "\n" not in str(error.value) and not attempts
