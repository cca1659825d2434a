"""The committed results: small, whole, and drawn by their script."""

import json
import os
import re
import subprocess
import sys

import pytest

from experiments.hyperparameters import read_recipes
from tests.helpers import ROOT

RESULTS = ROOT / "docs/results"


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*/*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_record_says_what_made_it(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 4096 and record["name"] == path.stem
    assert record["seed"] and record["data"]["dictionaries"] and all(record["data"]["dictionaries"].values())
    assert all(len(made["commit"]) >= 7 and made["torch"] and made["processor"] for made in record["trained"])
    for scores in record["scores"].values():
        assert 0 <= scores["bleu"] <= 100 and scores["signature"].startswith("BLEU|")
    # No place on the machine that trained.
    assert not re.search(r"""["'=]/""", path.read_text(encoding="utf-8"))


def test_the_picture_is_drawn_of_the_records(tmp_path):
    command = [sys.executable, RESULTS / "plot.py", tmp_path / "results.png"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=env, check=True)
    new, committed = (
        re.findall(rb"tEXtDescription\0([0-9a-f]{16})", path.read_bytes())
        for path in (tmp_path / "results.png", ROOT / "docs/results.png")
    )
    assert len(new) == 1 and new == committed, "draw docs/results.png anew"


def test_every_method_of_a_documented_command_has_a_recipe():
    commands = re.findall(r"reproduce\.sh(?:[^\n]*\\\n)*[^\n]*", (ROOT / "docs/results.md").read_text(encoding="utf-8"))
    with_methods = [command.replace("\\\n", " ") for command in commands if "--methods" in command]
    assert with_methods
    for command in with_methods:
        methods, recipes = (
            re.findall(rf"{option} (.*?)(?: --| \+|$)", command)[0].split() for option in ("--methods", "--recipes")
        )
        assert set(methods) <= read_recipes(ROOT / recipes[0]).keys()
