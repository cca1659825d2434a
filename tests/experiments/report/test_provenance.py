"""What trained a run."""

import json

import pytest
import torch

from experiments.report import provenance
from fairseq_see.errors import SeeError


def test_a_change_of_code_or_machine_is_added_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "provenance.json"
    assert provenance.read(file) == []
    for commit in ("a", "a", "b"):
        monkeypatch.setattr(provenance, "commit", lambda value=commit: value)
        provenance.add(file)
    assert [entry["commit"] for entry in provenance.read(file)] == ["a", "b"]
    assert f"torch {torch.__version__}, fairseq 0.12" in provenance.sentence(provenance.read(file)[0])


def test_packed_source_tells_which_commit_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "experiments/report/provenance.py"))
    assert provenance.commit() == "unknown"
    (tmp_path / "COMMIT").write_text("abc1234-dirty\n")
    assert provenance.commit() == "abc1234-dirty"


@pytest.mark.parametrize("text", ["{", "{}", json.dumps([{"commit": "a"}])])
def test_another_file_is_told(tmp_path, text):
    (tmp_path / "x").write_text(text)
    with pytest.raises(SeeError, match="remove it"):
        provenance.read(tmp_path / "x")
