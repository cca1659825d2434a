"""The Python of docs/hugging-face.md and the README runs as it stands, with a tiny model in place of MODEL."""

import re
import shutil

import pytest
from transformers import AutoModelForCausalLM, TrainingArguments

from fairseq_see.hf import compress_embeddings
from tests.helpers import ROOT
from tests.hf.conftest import make_tiny


def read_python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture
def folder(tokenizers, tmp_path, monkeypatch):
    make_tiny("phi3").save_pretrained(tmp_path / "MODEL")
    tokenizers["phi3"].save_pretrained(tmp_path / "MODEL")
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data/senses.tsv", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guides_blocks_run(folder):
    compress, distil = read_python_blocks("docs/hugging-face.md")[:2]
    given = {}
    exec(compress, given)
    assert {"small", "stock"} <= {path.name for path in folder.iterdir()}
    ids = [5, 6, 7, 8]
    given["model"] = compress_embeddings(make_tiny("phi3"), method="low_rank", ratio=2)
    given["arguments"] = TrainingArguments("out", max_steps=2, use_cpu=True, report_to="none", disable_tqdm=True)
    given["dataset"] = [{"input_ids": ids, "labels": ids}] * 16
    exec(distil, given)
    given["trainer"].train()
    assert given["trainer"].state.global_step == 2


def test_the_readmes_block_runs(folder, tokenizers):
    (code,) = (block for block in read_python_blocks("README.md") if "compress_embeddings" in block)
    exec(code, {"model": make_tiny("phi3"), "tokenizer": tokenizers["phi3"]})
    assert AutoModelForCausalLM.from_pretrained("small").config.quantization_config
