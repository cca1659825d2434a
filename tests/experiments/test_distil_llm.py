"""``python -m experiments distil_llm`` where the packages it needs are not installed; tests/llm has the rest."""

import subprocess
import sys

from tests.helpers import ROOT

HIDDEN = "import sys; sys.modules['transformers'] = None; from experiments.__main__ import main; "


def test_says_what_is_missing(tmp_path):
    words = ["distil_llm", "--model", "x", "--data", "x", "--output", str(tmp_path)]
    command = [sys.executable, "-c", f"{HIDDEN}sys.exit(main({words!r}))"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "fairseq_see.hf needs the package transformers" in done.stderr
