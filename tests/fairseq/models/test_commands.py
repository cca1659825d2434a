"""The real fairseq commands, one after the other, as a user runs them."""

import json
import math
import re
import shutil

import pytest
import torch
from fairseq import checkpoint_utils

from experiments.training import begin
from tests.helpers import ROOT, run_command

PLUGIN = ("--user-dir", ROOT / "fairseq_see")


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory):
    """A SEE model trained for two epochs by fairseq-train, in a folder with its own copy of the data."""
    from tests.fairseq.models.conftest import RECIPE

    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(toy / "data-bin", folder / "data-bin")
    command = ("fairseq-train", folder / "data-bin", *RECIPE, "--see-ratio", "3", "--save-dir")
    done = run_command(*command, folder / "checkpoints")
    (folder / "train.log").write_text(done.stdout + done.stderr)
    return folder, command


def test_train_reports_what_the_embeddings_cost(run):
    log = (run[0] / "train.log").read_text()
    for side in ("encoder", "decoder"):
        ratio = re.search(rf"{side} embedding: see, .* \((.*)x\)", log)[1]
        assert 3 <= float(ratio) <= 3.09


def test_checkpoint_is_plain_and_says_what_was_resolved(run):
    state = torch.load(run[0] / "checkpoints/checkpoint_best.pt", weights_only=True)
    assert not [name for name in state["model"] if name.endswith("embed_tokens.weight") or "output_projection" in name]
    index = [name for name in state["model"] if name.endswith("word_morphemes")]
    assert len(index) == 2 and all(state["model"][name].dtype == torch.int32 for name in index)
    resolved = json.loads(state["cfg"]["model"]["see_resolved"])
    assert resolved["ratio"] == 3
    for side in ("encoder", "decoder"):
        description, index = resolved[side], resolved[side]["index"]
        assert description["method"] == "see" and description["config"]["vectors"] >= 1
        assert index["order"] == 3 and index["rank"] == 5 and index["sememes"] > 3 and index["groups"] > 0


def test_generate_interactive_and_validate_need_no_index_file(run):
    folder, _ = run
    model = ("--path", folder / "checkpoints/checkpoint_best.pt")
    for index in folder.glob("data-bin/*.see"):
        index.unlink()
    cached = run_command("fairseq-generate", folder / "data-bin", *PLUGIN, *model, "--beam", "5").stdout
    factored = run_command(
        *("fairseq-generate", folder / "data-bin", *PLUGIN, *model, "--beam", "5"),
        *("--model-overrides", "{'see_inference': 'factored'}"),
    ).stdout
    words = [[line for line in text.splitlines() if line[:2] in ("S-", "D-")] for text in (cached, factored)]
    assert len(words[0]) == 80
    # Scores may differ in the last digit, sentences may not.
    assert [line.split("\t")[::2] for line in words[0]] == [line.split("\t")[::2] for line in words[1]]
    done = run_command("fairseq-interactive", folder / "data-bin", *PLUGIN, *model, input="山人 水口\n火手\n")
    assert len(re.findall(r"^D-[01]\t", done.stdout, re.M)) == 2
    validated = run_command(
        *("fairseq-validate", folder / "data-bin", *PLUGIN, *model, "--task", "translation", "--max-tokens", "400")
    )
    assert re.search(r"valid on 'valid' subset .*loss", validated.stdout + validated.stderr)


def test_resuming_is_exact(run, toy, tmp_path):
    _, command = run
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    command = (command[0], toy / "data-bin", *command[2:])
    run_command(*command, straight)
    run_command(*command, stopped, "--max-epoch", "1")
    run_command(*command, stopped)
    ends = [torch.load(path / "checkpoint_last.pt", weights_only=True) for path in (straight, stopped)]
    assert ends[0]["model"].keys() == ends[1]["model"].keys()
    for name, value in ends[0]["model"].items():
        assert value.equal(ends[1]["model"][name]), name
    assert ends[0]["cfg"]["model"]["see_resolved"] == ends[1]["cfg"]["model"]["see_resolved"]
    moments = [end["last_optimizer_state"]["state"] for end in ends]
    assert all(moments[0][i]["exp_avg"].equal(moments[1][i]["exp_avg"]) for i in moments[0])


def test_hydra_train_reads_our_yaml(toy, tmp_path):
    overrides = ("model.see_ratio=4", "optimization.max_epoch=1", "model.see_args={frequent_share: 0, init: normal}")
    begin("demo_zh_en", toy / "data-bin", tmp_path, overrides)
    done = run_command("fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "training")
    state = torch.load(tmp_path / "checkpoints/checkpoint_best.pt", weights_only=True)
    resolved = json.loads(state["cfg"]["model"]["see_resolved"])
    assert resolved["ratio"] == 4, done.stdout[-500:]
    assert resolved["decoder"]["config"]["init"] == "normal" and not resolved["decoder"]["config"]["frequent_share"]
    assert math.isfinite(state["extra_state"]["best"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--see-ratio", "3000"], "'see' cannot compress 3000x here; nearest ratio: "),
        ([], "method 'see' needs 'vectors', or a ratio to plan it for"),
        (["--see-ratio", "3", "--see-args", "vectors=2"], "give 'see' either a ratio or vectors, not both"),
        (["--see-args", "vectors=two"], "vectors is 'two', but must be a number"),
        (["--see-args", "vectors=2,m=3"], "method 'see' takes no option 'm' (its options: vectors, "),
        (["--see-args", "vectors"], "'vectors' is not written NAME=VALUE"),
        (["--see-args", "vectors=2", "--see-index", "nowhere.see"], "no unit index at nowhere.see"),
        (["--see-args", "vectors=2", "--see-index", "SWAPPED"], "built for another dictionary"),
        (["--see-args", "vectors=2", "--see-index", "TRUNCATED"], "build it with fairseq-see index"),
        (
            ["--see-args", "vectors=2", "--encoder-embed-path", "x"],
            "--encoder-embed-path does not go with see_transformer",
        ),
        (["--see-args", "vectors=2", "--adaptive-softmax-cutoff", "9"], "--adaptive-softmax-cutoff does not go with"),
        (["--see-args", "vectors=2", "--share-all-embeddings"], "needs a joined dictionary"),
        (["--see-method", "dense", "--see-args", "vectors=2"], "method 'dense' takes no option 'vectors'"),
    ],
)
def test_bad_options_end_in_one_line(toy, tmp_path, train, options, message):
    data = toy / "data-bin"
    swapped, truncated = f"{data}/dict.en.see:{data}/dict.zh.see", tmp_path / "truncated.see"
    truncated.write_bytes((data / "dict.zh.see").read_bytes()[:-20])
    options = [{"SWAPPED": swapped, "TRUNCATED": str(truncated)}.get(option, option) for option in options]
    with pytest.raises(SystemExit) as exit_:
        train(data, tmp_path / "run", *options)
    text = str(exit_.value)
    assert text.startswith("error: ") and message in text and "\n" not in text
    assert not list(tmp_path.glob("run/*.pt"))


ANOTHER = r"^error: the weights were trained with other options than see 72 x 64, .*; give those of their training$"


def test_resuming_with_other_options_or_another_index_is_an_error(toy, tmp_path, train):
    words = ("--see-args", "vectors=2")
    train(toy / "data-bin", tmp_path / "run", *words, "--max-epoch", "1")
    for other in ("vectors=3", "vectors=2,init=xavier"):
        with pytest.raises(SystemExit, match=ANOTHER):
            train(toy / "data-bin", tmp_path / "run", "--see-args", other)
    other = tmp_path / "other"
    shutil.copytree(toy / "data-bin", other)
    run_command(
        *("fairseq-see", "index", other / "dict.zh.txt", "--senses", toy / "senses.tsv", "--rank", "2"),
        *("--morphology", "characters"),
    )
    with pytest.raises(SystemExit, match=r"^error: the weights were trained with another unit index; give the index"):
        train(other, tmp_path / "run", *words)


def test_starting_from_a_stock_model_names_the_command_that_compresses_it(toy, tmp_path):
    """As a command: what fairseq raises, with its advice on architectures, must not be the last word."""
    shape = [f"--{side}-{name}" for side in ("encoder", "decoder") for name in ("embed-dim", "ffn-embed-dim", "layers")]
    shape = [word for pair in zip(shape, ("64", "128", "1") * 2, strict=True) for word in pair]
    from tests.fairseq.models.conftest import RECIPE, run_train

    run_train(toy / "data-bin", tmp_path / "stock", "--arch", "transformer", *shape, "--max-epoch", "1")
    command = ("fairseq-train", toy / "data-bin", *RECIPE, "--see-ratio", "2", "--save-dir", tmp_path / "run")
    start = ("--finetune-from-model", tmp_path / "stock/checkpoint_last.pt")
    message = r"\nerror: the weights hold a dense encoder.embed_tokens.weight, not see 72 x 64, "
    with pytest.raises(pytest.fail.Exception, match=message + r".*; run fairseq-see fit CHECKPOINT first$"):
        run_command(*command, *start)


@pytest.mark.parametrize("method", ["tensor_train", "word2ketxs", "dense"])
def test_a_smaller_dictionary_is_refused_even_where_its_weights_would_fit(toy, tmp_path, train, method):
    ratio = [] if method == "dense" else ["--see-ratio", "2"]
    train(toy / "data-bin", tmp_path / "run", "--see-method", method, *ratio, "--max-epoch", "1")
    other = tmp_path / "other"
    shutil.copytree(toy / "data-bin", other)
    lines = (other / "dict.en.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (other / "dict.en.txt").write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"the decoder.s embedding was trained as .*; give the dictionary"):
        checkpoint_utils.load_model_ensemble_and_task(
            [str(tmp_path / "run/checkpoint_last.pt")], arg_overrides={"data": str(other)}
        )
