"""The Python of docs/hugging-face.md runs as it stands, with a tiny model in place of MODEL."""

import re
import shutil

import pytest
from transformers import TrainingArguments

from fairseq_see.hf import compress_embeddings
from tests.helpers import ROOT
from tests.hf.conftest import tiny

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/hugging-face.md").read_text(encoding="utf-8"), re.M | re.S)


def test_the_first_block_runs(tokenizers, tmp_path):
    tiny("phi3", 408).save_pretrained(tmp_path / "MODEL")
    tokenizers["phi3"].save_pretrained(tmp_path / "MODEL")
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data/senses.tsv", tmp_path / "data")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS[0]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    assert {"small", "stock"} <= {path.name for path in tmp_path.iterdir()}


def test_the_block_on_distilling_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny("phi3", 408).save_pretrained("MODEL")
    ids = [5, 6, 7, 8]
    given["model"] = compress_embeddings(tiny("phi3"), method="low_rank", ratio=2)
    given["arguments"] = TrainingArguments("out", max_steps=2, use_cpu=True, report_to="none", disable_tqdm=True)
    given["dataset"] = [{"input_ids": ids, "labels": ids}] * 16
    exec(BLOCKS[1], given)
    given["trainer"].train()
    assert given["trainer"].state.global_step == 2
