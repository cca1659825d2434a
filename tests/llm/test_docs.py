"""The Python of docs/llm.md runs as it stands, with a tiny model in place of MODEL."""

import os
import re
import shutil
import subprocess
import sys

from tests.conftest import ROOT
from tests.llm.conftest import tiny

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/llm.md").read_text(encoding="utf-8"), re.M | re.S)


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
