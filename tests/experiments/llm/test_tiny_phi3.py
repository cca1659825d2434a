"""The study of a tiny Phi-3 runs, keeps what is there, and writes what it measured."""

import json
import sys

import pytest
from safetensors.torch import load_file

from experiments.llm import tiny_phi3
from tests.helpers import ROOT

SIZES = ("--words", "600", "--dim", "27", "--layers", "1", "--ratio", "2", "--length", "32", "--batch", "4")
UPDATES = ("--teacher-updates", "4", "--updates", "4", "--start-updates", "2", "--every", "2", "--fit-epochs", "1")
ARMS = ("random-staged", "fitted-plain", "product_quantised-formal", "dpq-formal")


@pytest.mark.slow
def test_arms_begin_with_the_compressed_model_and_are_drawn(tmp_path, monkeypatch, capsys):
    for split, lines in (("train", 400), ("dev", 40)):
        text = (ROOT / f"data/{split}.en").read_text(encoding="utf-8").splitlines()[:lines]
        (tmp_path / split).write_text("\n".join(text) + "\n", encoding="utf-8")
    words = [tmp_path / "out", "--text", tmp_path / "train", "--valid", tmp_path / "dev", *SIZES, *UPDATES, "--arms"]
    monkeypatch.setattr(sys, "argv", ["tiny_phi3", *map(str, words), *ARMS])
    tiny_phi3.main()
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "out/results.json").read_text())
    for arm in ARMS:
        models, curve = results[arm]["models"], results[arm]["curve"]
        assert [step for step, _ in curve] == [0, 2, 4]
        # The trainer's mean is over batches, of which the last is smaller.
        assert curve[0][1] == pytest.approx(models["compressed"]["perplexity"], rel=0.02)
        assert curve[-1][1] == pytest.approx(models["distilled"]["perplexity"], rel=0.02)
        assert f"{models['distilled']['perplexity']:,.1f}" in printed
    assert len({results[arm]["models"]["compressed"]["perplexity"] for arm in ARMS[:3]}) == 3
    # The codes of dpq are shipped, and no queries.
    small = load_file(tmp_path / "out/dpq-formal/distilled/model.safetensors")
    assert {name.rpartition("embed_tokens.")[2] for name in small if "embed_tokens" in name} == {
        *("codebooks", "codes_version_1.codes.packed", "config_version", "weight")
    }
    assert (tmp_path / "out/curves.png").stat().st_size > 1000
    tiny_phi3.main()
    again = capsys.readouterr()
    assert again.out == printed and "train_runtime" not in again.err
