"""``scripts/distil_llm.sh`` and ``python -m experiments distil_llm``: an experiment from the model to its results."""

import json
import re
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from safetensors.torch import load_file

from experiments.__main__ import main as laboratory
from tests.experiments.llm.test_lm_eval import attempts, make_questions, write_task  # noqa: F401
from tests.helpers import script
from tests.hf.conftest import TEXT, count_rows, make_tiny


@pytest.fixture(scope="module")
def place(tmp_path_factory, tokenizers, senses) -> Path:
    """A folder with a model, a text, senses and a task."""
    folder = tmp_path_factory.mktemp("distil")
    make_tiny("phi3", count_rows(tokenizers["phi3"])).save_pretrained(folder / "model")
    tokenizers["phi3"].save_pretrained(folder / "model")
    (folder / "text.txt").write_text("\n".join(TEXT * 4) + "\n", encoding="utf-8")
    senses.save(folder / "senses.tsv")
    write_task(folder)
    return folder


def write_words(place: Path, output: Path, **changes) -> list[str | Path]:
    options = {
        **{"model": place / "model", "data": place / "text.txt", "valid": place / "text.txt", "output": output},
        **{"senses": place / "senses.tsv", "see-ratio": 2, "order": 2, "rank": 3, "length": 32},
        **{"epochs": 3, "start-epochs": 1, "lr": 0.01, "batch": 4, "micro-batch": 2},
        **{"tasks": "endings", "task-folder": place},
        **changes,
    }
    return [str(word) for name, value in options.items() if value is not None for word in (f"--{name}", value)]


@pytest.fixture(scope="module")
def done(place) -> tuple[Path, str]:
    """A finished experiment, and what was printed."""
    with redirect_stdout(StringIO()) as printed:
        assert laboratory(["distil_llm", *write_words(place, place / "run")]) == 0
    return place / "run", printed.getvalue()


def test_results(done, place):
    folder, printed = done
    results = json.loads((folder / "results.json").read_text())
    models, tokens = results["models"], results["tokens"]
    assert list(models) == ["original", "compressed", "distilled"] and results["made"]["commit"]
    dense, small = (models[name]["tables"]["parameters"] for name in ("original", "compressed"))
    rows = dense / 32
    assert 2 <= dense / small <= 2.06
    assert models["distilled"]["parameters"] == models["compressed"]["parameters"] < models["original"]["parameters"]
    assert models["distilled"]["perplexity"] < 0.5 * models["compressed"]["perplexity"]
    for name, measures in models.items():
        assert measures["tasks"]["endings"]["questions"] == len(make_questions())
        assert f"{measures['perplexity']:.2f}" in printed and name in printed
    assert tokens["dense"]["parameters"] == pytest.approx(tokens["dense"]["share"])
    assert tokens["compressed"]["vocabulary"] == rows == sum(group["rows"] for group in tokens["rows"].values())
    assert tokens["rows"]["seen"]["cosine"][1] > tokens["rows"]["seen"]["cosine"][0]
    assert f"{tokens['compressed']['distinct']:,} of {int(rows):,} tokens were seen" in printed
    # 14 batches of 2 in 7 updates an epoch, logged every 10 updates.
    first, second = (log for log in json.loads((folder / "log.json").read_text()) if "grad_norm" in log)
    assert first["step"] == 10 and {"embedding_loss", "hidden_loss", "kl_loss", "ce_loss"} <= second.keys()


def test_what_is_done_is_not_done_again(done, place, attempts):  # noqa: F811
    folder, _ = done
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.name != "results.json"}
    assert laboratory(["distil_llm", *write_words(place, folder)]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not attempts


def test_other_settings_need_another_folder(done, place, capsys):
    assert laboratory(["distil_llm", *write_words(place, done[0], lr=0.1)]) == 2
    assert "was made with --lr 0.01, not 0.1; choose another folder" in capsys.readouterr().err
    text = (place / "text.txt").read_text()
    (place / "text.txt").write_text(text + "More.\n")
    assert laboratory(["distil_llm", *write_words(place, done[0])]) == 2
    assert re.search(r"--data .*text\.txt \(sha256 \w+\), not .*text\.txt \(sha256 ", capsys.readouterr().err)
    (place / "text.txt").write_text(text)


def test_an_interrupted_training_goes_on(done, place, tmp_path):
    """As if it had been killed in its last epoch."""
    folder = tmp_path / "run"
    shutil.copytree(done[0], folder)
    expected = load_file(folder / "distilled" / "model.safetensors")
    shutil.rmtree(folder / "distilled")
    for name in ("distilled.json", "log.json", "tokens.json", "results.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "training/checkpoint-21")
    assert laboratory(["distil_llm", *write_words(place, folder)]) == 0
    found = load_file(folder / "distilled" / "model.safetensors")
    assert found.keys() == expected.keys() and all(found[name].equal(expected[name]) for name in expected)
    results = [json.loads((path / "results.json").read_text())["models"] for path in (folder, done[0])]
    assert results[0] == results[1]


def test_embeddings_alone_may_be_trained(place, tmp_path):
    changes = {"train": "tables", "see-args": "vectors=1", "epochs": 1}
    changes |= dict.fromkeys(("see-ratio", "tasks", "task-folder"))
    assert laboratory(["distil_llm", *write_words(place, tmp_path / "run", **changes)]) == 0
    before, after = (load_file(tmp_path / "run" / name / "model.safetensors") for name in ("compressed", "distilled"))
    changed = {name for name, value in after.items() if not value.equal(before[name])}
    assert changed and all(".embed_tokens." in name for name in changed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "nobody/nothing"}, "cannot load nobody/nothing: .* give a name on the Hub, or a folder"),
        ({"data": None}, "nothing to learn from; give --task arc or --data FILE"),
        ({"data": "no/such/file"}, "cannot read no/such/file"),
        ({"data": None, "task": "arc"}, "cannot get ARC-Challenge of allenai/ai2_arc: .*without a network"),
        ({"senses": "no/such/table"}, "cannot read no/such/table"),
        ({"senses": None}, "no token has a sense"),
        ({"see-ratio": 1e6}, "cannot compress"),
        ({"see-method": "sea"}, "unknown embedding method 'sea'"),
        ({"batch": 5}, "--batch 5 is no multiple of --micro-batch 2"),
        ({"see-args": "vectors=3"}, "give either --see-ratio or the size in --see-args, not both"),
        ({"see-args": "m=3"}, "method 'see' takes no option 'm'"),
        ({"distil-layers": "9"}, "no layers 9:9 in models of 2 layers"),
        ({"start-beta": -1}, "weight of the embedding loss in the start stage"),
    ],
)
def test_bad_input_ends_in_one_line(place, tmp_path, capfd, attempts, changes, message):  # noqa: F811
    changes = {"tasks": None, "task-folder": None, "valid": None, **changes}
    assert laboratory(["distil_llm", *write_words(place, tmp_path / "run", **changes)]) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and re.search(message, errors[0]), errors
    assert not (tmp_path / "run" / "results.json").exists()


def test_the_scripts_own_errors():
    assert "Phi-3-mini-4k-instruct" in script("distil_llm.sh", "--help").stdout
    assert script("distil_llm.sh", "--model", "x").returncode == 2
