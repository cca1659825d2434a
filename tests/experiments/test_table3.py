"""Table 3: sizes of dictionaries and of the dense model."""

import pytest

from experiments.table3 import count_sizes
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex


def test_the_papers_transformer(toy):
    found = count_sizes(toy / "data-bin", "iwslt17_zh_en")
    rows = [len((toy / f"data-bin/dict.{side}.txt").read_text("utf-8").splitlines()) + 4 for side in ("zh", "en")]
    assert [found["|V| zh"], found["|V| en"]] == rows
    assert found["|M| en"] == len(UnitIndex.load(toy / "data-bin/dict.en.see").sememes) - 3
    # Weights and biases of attention (one in the encoder's layers, two in the decoder's), ffn and LayerNorms.
    attention, ffn, norm = 4 * (512 * 512 + 512), 2 * 512 * 1024 + 1024 + 512, 2 * 512
    layers = 6 * (attention + ffn + 2 * norm) + 6 * (2 * attention + ffn + 3 * norm)
    assert found["E"] == 512 * sum(rows)
    assert found["S"] == found["E"] + layers and found["P"] == found["E"] / found["S"]


def test_a_missing_index_is_named(toy, tmp_path):
    for side in ("zh", "en"):
        (tmp_path / f"dict.{side}.txt").write_bytes((toy / f"data-bin/dict.{side}.txt").read_bytes())
    with pytest.raises(SeeError, match=r"dict\.zh\.see"):
        count_sizes(tmp_path, "iwslt17_zh_en")
