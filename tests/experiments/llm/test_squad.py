"""SQuAD: windows over contexts, answers read from scores, metrics against values worked out by hand."""

import json

import numpy as np
import pytest
from datasets import Dataset
from transformers import BertTokenizerFast

from experiments.llm import squad
from fairseq_see.errors import SeeError
from tests.experiments.llm import small


@pytest.fixture(scope="module")
def tokenizer() -> BertTokenizerFast:
    return small.train_tokenizer()


def split(rows: list[dict], tokenizer: BertTokenizerFast, length: int) -> list[dict]:
    return Dataset.from_dict(squad.split_windows(Dataset.from_list(rows)[:], tokenizer, length)).to_list()


@pytest.mark.parametrize("length", [20, 64])
def test_scores_that_know_the_answer_find_it(tokenizer, tmp_path, length):
    small.write_data(tmp_path)
    rows = squad.read(tmp_path)["train"].to_list()
    windows = split(rows, tokenizer, length)
    assert (len(windows) == len(rows)) == (length == 64)
    assert all(len(window["input_ids"]) <= length for window in windows)
    tokens = max(len(window["input_ids"]) for window in windows)
    starts, ends = np.zeros((2, len(windows), tokens))
    for i, window in enumerate(windows):
        starts[i, window["start_positions"]] = ends[i, window["end_positions"]] = 9
    found = squad.read_answers(rows, windows, starts, ends)
    assert found == [row["answers"]["text"][0] for row in rows]


def test_an_answer_is_in_the_context_and_no_longer_than_thirty_tokens(tokenizer):
    context = " ".join(["piano"] * 40)
    row = {"question": "Who has the piano?", "context": context, "answers": {"text": ["piano"], "answer_start": [0]}}
    (window,) = split([row], tokenizer, 64)
    tokens = len(window["input_ids"])
    first = next(token for token, (_, end) in enumerate(window["characters"]) if end)
    starts, ends = np.zeros((2, 1, tokens + 3))
    # The special token, backwards and padding, and a token too much: 18, 10 and 9; then thirty tokens: 7.
    starts[0, [0, first + 5]] = 9, 5
    ends[0, [tokens + 1, first + 2, first + 35, first + 34]] = 9, 5, 4, 2
    assert squad.read_answers([row], [window], starts, ends) == [" ".join(["piano"] * 30)]


def test_metrics():
    given = [{"answers": {"text": texts}} for texts in (["The Cat!", "a dog"], ["in the garden"], ["1889"])]
    # "cat": 1; "garden" against "in garden": 2 * 1 / (1 + 2); "1890": 0
    expected = {"exact_match": 100 / 3, "f1": 100 * (1 + 2 / 3) / 3}
    assert squad.score(["cat", "garden", "1890"], given) == pytest.approx(expected)


def test_reading_refuses_what_is_not_squad(tmp_path):
    small.write_data(tmp_path)
    assert len(squad.read(tmp_path)["train"]) == 16
    path = tmp_path / "squad/dev-v1.1.json"
    content = json.loads(path.read_text())
    content["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(SeeError, match=r"dev-v1\.1\.json .*question 0 is not at character"):
        squad.read(tmp_path)
    path.write_text("{}")
    with pytest.raises(SeeError, match="not in the format of SQuAD"):
        squad.read(tmp_path)
    path.unlink()
    with pytest.raises(SeeError, match="cannot read"):
        squad.read(tmp_path)
