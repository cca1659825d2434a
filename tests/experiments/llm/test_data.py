"""Text and questions as tokens and labels."""

import json

import pytest

from experiments.llm.data import collate, read, split_blocks, split_record
from fairseq_see.errors import SeeError
from fairseq_see.hf.distillation import IGNORED

QUESTION = {
    "question": "What lends money?",
    "choices": {"text": ["a river", "a bank"], "label": ["1", "2"]},
    "answerKey": "2",
}


@pytest.fixture(params=["llama", "phi3"])
def tokenizer(request, tokenizers):
    return tokenizers[request.param]


def test_a_text_is_one_stream_of_lines(tmp_path, tokenizer):
    lines = ["The river runs.", "", "Farmers plant trees.", "A cat."]
    (tmp_path / "text").write_text("\n".join(lines) + "\n", encoding="utf-8")
    stream = []
    for line in filter(None, lines):
        stream += [*tokenizer(line)["input_ids"], tokenizer.eos_token_id]
    found = read(tmp_path / "text", tokenizer, 8)
    assert [token for block in found for token in block["input_ids"]] == stream
    assert all(block["input_ids"] == block["labels"] and len(block["labels"]) == 8 for block in found[:-1])
    # What remains of one token has nothing to predict.
    assert len(split_blocks([lines[0]], tokenizer, len(tokenizer(lines[0])["input_ids"]))) == 1


def test_only_completions_are_learned(tmp_path, tokenizer):
    records = [{"text": "The bank."}, {"prompt": "The river", "completion": " runs past."}, QUESTION]
    path = tmp_path / "records.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    texts = ["The bank.", " runs past.", " a bank"]
    for example, record, text in zip(read(path, tokenizer, 99), records, texts, strict=True):
        given = example["labels"].count(IGNORED)
        learned = example["labels"][given:]
        assert learned[-1] == tokenizer.eos_token_id and learned == example["input_ids"][given:]
        assert tokenizer.decode(learned[:-1]).strip() == text.strip()
        assert ("text" in record) == (not given)
    # Nothing of what is learned would be left.
    with pytest.raises(SeeError, match="no text to learn from within 3 tokens"):
        path.write_text(json.dumps(QUESTION))
        read(path, tokenizer, 3)


def test_questions_are_asked_as_lm_eval_does():
    assert split_record(QUESTION) == ("Question: What lends money?\nAnswer:", " a bank")


def test_a_batch_is_padded_behind_its_tokens():
    batch = collate([{"input_ids": [5, 6, 7], "labels": [IGNORED, 6, 7]}, {"input_ids": [8], "labels": [8]}])
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 6, 7], [8, IGNORED, IGNORED]]
    assert batch["input_ids"][0].tolist() == [5, 6, 7] and batch["input_ids"][1, 0] == 8


@pytest.mark.parametrize(
    "line", ["no json", "[]", "{}", '{"text": 3}', '{"prompt": "a"}', json.dumps({**QUESTION, "answerKey": "9"})]
)
def test_a_line_that_is_no_example_is_named(tmp_path, tokenizers, line):
    path = tmp_path / "records.jsonl"
    path.write_text(f'{{"text": "The bank."}}\n{line}\n')
    with pytest.raises(SeeError, match=r"records.jsonl, line 2 holds no text"):
        read(path, tokenizers["llama"], 9)
