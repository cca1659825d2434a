"""The examples: a method of one's own, with its option on every command line, and the notebook."""

import json
import os
import re
import shutil

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from tests.helpers import ROOT, refused, run_command, script, write_beginning

OPTIONS = (
    *("--arch", "see_transformer_tiny", "--criterion", "see_cross_entropy", "--optimizer", "adam", "--lr", "0.005"),
    *("--max-tokens", "400", "--num-workers", "0", "--no-epoch-checkpoints"),
)


@pytest.fixture(scope="module")
def my_methods(tmp_path_factory):
    """The folder that the example asks for."""
    folder = tmp_path_factory.mktemp("user") / "my_methods"
    folder.mkdir()
    shutil.copy(ROOT / "examples/add_a_method.py", folder / "__init__.py")
    return folder


def test_the_method_passes_the_contract_tests(my_methods):
    path = {"PYTHONPATH": f"{my_methods.parent}{os.pathsep}{ROOT}"}
    done = run_command("pytest", "-q", "-p", "my_methods", "-k", "hashed", "tests/unit/embeddings", **path)
    assert re.search(r"\d+ passed", done.stdout)


def test_the_method_has_its_option_on_every_command_line(my_methods, toy, tmp_path):
    method = ("--user-dir", my_methods, "--see-args", "hashes=3")
    words = (*method, "--methods", "hashed", "--ratios", "2", "--dim", "64", "--json")
    plans = json.loads(run_command("fairseq-see", "plan", toy / "data-bin", *words).stdout)
    assert [plan["config"] for plan in plans] == [{"buckets": 36, "hashes": 3}] * 2
    assert "hashed: hashes (int; default: 2)" in run_command("fairseq-see", "plan", *method, "--list-options").stdout

    words = (*OPTIONS, *method, "--see-method", "hashed", "--see-ratio", "2", "--max-epoch", "1")
    run_command("fairseq-train", toy / "data-bin", *words, "--save-dir", tmp_path)
    state = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)
    assert json.loads(state["cfg"]["model"]["see_resolved"])["decoder"]["config"] == {"buckets": 36, "hashes": 3}
    assert state["model"]["decoder.embed_tokens.vectors"].shape == (36, 64)

    words = (*method, "--see-method", "hashed", "--see-ratio", "3", "--epochs", "1", "--json")
    run_command("fairseq-see", "fit", tmp_path / "checkpoint_last.pt", "-o", tmp_path / "fit.pt", *words)
    assert torch.load(tmp_path / "fit.pt", weights_only=True)["model"]["encoder.embed_tokens.vectors"].shape == (24, 64)


@pytest.mark.slow
def test_the_scripts_train_and_score_the_method_and_it_ships(my_methods, tmp_path):
    write_beginning(tmp_path / "text")
    words = ("scale=tiny", "size=200", "corpus=text", "out=out", "methods=hashed", "ratios=5", "updates=2")
    user = {"SEE_USER_DIR": str(my_methods), "SNAKEMAKE": "--cores 1"}
    done = script("reproduce.sh", "table2", *words, cwd=tmp_path, **user)
    assert not done.returncode, done.stderr
    (cell,) = tmp_path.glob("out/cells/*")
    record = json.loads((cell / "run.json").read_text(encoding="utf-8"))
    assert record["config"]["method"] == "hashed" and "test" in record["metrics"]
    option = ("--user-dir", my_methods)
    run_command("fairseq-see", "export", cell / "checkpoints/checkpoint_best.pt", *option, "-o", tmp_path / "small")
    lines = (tmp_path / "text/test.zh").read_text(encoding="utf-8")
    done = run_command("fairseq-see", "translate", tmp_path / "small", *option, input=lines)
    assert done.stdout.count("\n") == lines.count("\n") == 3
    user["SEE_USER_DIR"] = "nothing"
    assert refused(script("reproduce.sh", "table2", *words, cwd=tmp_path, **user), "no folder nothing (SEE_USER_DIR)")


@pytest.mark.slow
def test_the_notebook_executes(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "examples/from_words_to_embeddings.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": ROOT / "examples"}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    tables = [output.data["text/plain"] for output in outputs if "text/plain" in output.get("data", {})]
    assert re.search(r"ate +eat +lemma +eat", tables[0]) and any("teacher (0." in table for table in tables)
