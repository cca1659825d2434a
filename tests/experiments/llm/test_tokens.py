"""Which tokens fine-tuning can change, and how far it moved them."""

import pytest
import torch

from experiments.llm.tokens import count_tokens, measure_distances, measure_reach
from fairseq_see.embeddings import build


def test_tokens_of_a_dense_matrix_learn_alone():
    counts = count_tokens([{"input_ids": [5, 7, 5]}, {"input_ids": [9]}], 20)
    assert counts.sum() == 4 and counts[5] == 2 and counts[[7, 9]].tolist() == [1, 1]
    found = measure_reach(torch.nn.Embedding(20, 3), counts)
    assert found == {
        **{"tokens": 4, "distinct": 3, "vocabulary": 20, "share": 3 / 20},
        **{"parameters": pytest.approx(3 / 20), "unseen_rows": 0.0},
    }


def test_tokens_of_a_compressed_matrix_share_what_they_learn(indexes):
    """Against the unit index: parameters are reached through the units of words seen, words through any of these."""
    index, seen = indexes["llama"], [300, 310]
    used = []
    for word in range(index.num_words):
        groups = index.sense_groups[index.sense_offsets[word] : index.sense_offsets[word + 1]]
        sememes, morphemes = index.groups[groups].ravel().tolist(), index.word_morphemes[word].tolist()
        used.append({*(("sememe", unit) for unit in sememes), *(("morpheme", unit) for unit in morphemes)})
    reached = set.union(*(used[word] for word in seen))
    counts = torch.zeros(index.num_words, dtype=torch.int64)
    counts[seen] = 1
    found = measure_reach(build("see_paper", index.num_words, 32, index=index, vectors=2), counts)
    assert found["parameters"] == pytest.approx(len(reached) / (len(index.sememes) + len(index.morphemes)))
    moving = sum(bool(units & reached) for units in used) - len(seen)
    assert found["unseen_rows"] == pytest.approx(moving / (index.num_words - len(seen)))
    assert 0 < moving < index.num_words - len(seen)


def test_distances():
    tables = [torch.nn.Embedding(4, 3) for _ in range(3)]
    with torch.no_grad():
        for table, value in zip(tables, (1.0, 2.0, 2.0), strict=True):
            table.weight.fill_(value)
        tables[2].weight[1] = 1.0
    found = measure_distances(*tables, torch.tensor([0, 3, 0, 1]))
    assert found["unseen"] == {
        **{"rows": 2, "moved": 0.0, "change": 0.0},
        **{"relative_error": [1.0, 1.0], "cosine": [pytest.approx(1.0)] * 2},
    }
    assert found["seen"]["moved"] == 0.5 and found["seen"]["change"] == pytest.approx((3 / 24) ** 0.5)
    assert found["seen"]["relative_error"] == [1.0, pytest.approx(0.5**0.5)]
