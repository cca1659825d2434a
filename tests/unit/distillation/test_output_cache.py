"""The outputs of a teacher come back as they were, from memory and from disk, or are refused."""

import pytest
import torch

from fairseq_see.distillation import output_cache
from fairseq_see.distillation.output_cache import OutputCache, hash_contents
from fairseq_see.errors import SeeError
from tests.helpers import full_disk

LENGTHS = {3: 2, 8: 1, 5: 4}
LOGITS = {i: torch.randn(n, 9, generator=torch.Generator().manual_seed(i)) * 5 for i, n in LENGTHS.items()}


def ask(cache, *ids, compute=None):
    def run():
        return torch.cat([LOGITS[i] for i in ids])

    return cache.fetch(list(ids), [100 + i for i in ids], [LENGTHS[i] for i in ids], compute or run)


def never():
    raise AssertionError("the teacher was run")


def test_outputs_are_the_largest_and_survive(tmp_path):
    cache = OutputCache(tmp_path / "kept", {"teacher": "a"}, 4)
    asked = ask(cache, 3, 8)
    expected = torch.cat((LOGITS[3], LOGITS[8])).topk(4)
    assert asked[0].equal(expected.indices)
    torch.testing.assert_close(asked[1], expected.values - expected.values[:, :1], rtol=1e-3, atol=1e-3)
    assert not (tmp_path / "kept").exists()
    cache.flush()
    # Other batches, and one sample that is new.
    later = OutputCache(tmp_path / "kept", {"teacher": "a"}, 4)
    assert all(x.equal(y[2:]) for x, y in zip(ask(later, 8, compute=never), asked, strict=True))
    both = ask(later, 5, 3)
    later.flush()
    assert all(x[4:].equal(y[:2]) for x, y in zip(both, asked, strict=True))
    last = OutputCache(tmp_path / "kept", {"teacher": "a"}, 4)
    assert all(x.equal(y) for x, y in zip(ask(last, 5, 3, compute=never), both, strict=True))
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".safetensors"] * 2


def test_full_batches_are_written_at_once_and_others_see_them(tmp_path, monkeypatch):
    monkeypatch.setattr(output_cache, "FILE_SAMPLES", 2)
    here, there = (OutputCache(tmp_path, {"teacher": "a"}, 4) for _ in range(2))
    ask(here, 3, 8)
    assert len(list(tmp_path.iterdir())) == 1
    ask(there, 5)
    there.flush()
    ask(there, 3, 8, compute=never)


def test_outputs_of_other_teachers_or_data_and_damaged_ones_are_refused(tmp_path):
    cache = OutputCache(tmp_path, {"teacher": "a"}, 4)
    ask(cache, 3)
    cache.flush()
    for key, k in (("b", 4), ("a", 3)):
        with pytest.raises(SeeError, match="another teacher or another number of them; give another folder"):
            OutputCache(tmp_path, {"teacher": key}, k)
    with pytest.raises(SeeError, match="for other data; give another folder"):
        cache.fetch([3], [7], [2], never)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SeeError, match=r"is damaged or cannot be read .*; delete it"):
        OutputCache(tmp_path, {"teacher": "a"}, 4)


def test_a_full_disk_is_reported(tmp_path):
    cache = OutputCache(tmp_path, {"teacher": "a"}, 4)
    ask(cache, 3)
    with full_disk(100), pytest.raises(SeeError, match=r"cannot write .*\.safetensors: "):
        cache.flush()
    assert not list(tmp_path.iterdir())


def test_hashes_are_of_tokens_and_not_of_padding():
    source = torch.tensor([[1, 1, 7, 8], [5, 6, 7, 8]])
    target = torch.tensor([[9, 2], [9, 1]])
    both = hash_contents(1, source, target)
    assert both == hash_contents(1, source.flip(0), target.flip(0))[::-1]
    assert hash_contents(1, torch.tensor([[7, 8, 1]]), torch.tensor([[9, 2, 1]])) == both[:1]
    # The border between source and target counts.
    assert hash_contents(1, torch.tensor([[7, 8, 9]]), torch.tensor([[2]])) != both[:1]
    assert hash_contents(1, torch.tensor([[8, 7]]), torch.tensor([[9, 2]])) != both[:1]
