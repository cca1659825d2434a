"""The README's lines on Hugging Face run as they stand, with a tiny model."""

import re
import shutil

from transformers import AutoModelForCausalLM

from tests.helpers import ROOT
from tests.hf.conftest import tiny


def test_the_block_runs(tokenizers, tmp_path, monkeypatch):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    (code,) = (block for block in blocks if "compress_embeddings" in block)
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data/senses.tsv", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    exec(code, {"model": tiny("phi3", 408), "tokenizer": tokenizers["phi3"]})
    assert AutoModelForCausalLM.from_pretrained("small").config.quantization_config
