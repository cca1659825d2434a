"""The commands of docs/ship.md, and the fits of docs/compress.md, run as they stand, in order, on a toy model."""

import re
import shutil

import pytest

from tests.fairseq.cli.test_translate import prepare
from tests.fairseq.test_readme import run_block
from tests.fairseq.training import train
from tests.helpers import ROOT

SHIP, COMPRESS = (
    re.findall(r"^```(bash|python)\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    for page in ("docs/ship.md", "docs/compress.md")
)
BLOCKS = SHIP + [block for block in COMPRESS if block[1].startswith("fairseq-see fit")]

# What a toy model and a test's patience need in place of a real model's.
TOY = {"--ratio 20": "--ratio 2", "--updates 1200": "--updates 4", "--see-ratio 5": "--see-ratio 2.06"}


@pytest.mark.slow
def test_every_command_of_the_guide_runs(toy, tmp_path):
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    prepare(prepared, toy, "zh", "bpe")
    train(prepared / "data-bin", tmp_path / "run", "--arch", "transformer_tiny")
    shutil.move(tmp_path / "run/checkpoint_best.pt", tmp_path)
    shutil.copytree(toy / "test", prepared / "subwords")
    (prepared / "subwords/toy.zh").rename(prepared / "subwords/test.zh")
    raw = (toy / "test/toy.zh").read_text(encoding="utf-8")
    (tmp_path / "raw.zh").write_text(raw, encoding="utf-8")
    assert [language for language, _ in BLOCKS].count("bash") == 8
    for language, code in BLOCKS:
        run_block(code if language == "bash" else f"python <<'END'\n{code}END\n", tmp_path, ROOT, TOY)
        if "translate" in code and language == "bash":
            assert (tmp_path / "raw.en").read_text(encoding="utf-8").count("\n") == raw.count("\n")
            (tmp_path / "raw.en").unlink()
    assert (tmp_path / "converted/model.bin").is_file() and (tmp_path / "work/model/codes.zh").is_file()
