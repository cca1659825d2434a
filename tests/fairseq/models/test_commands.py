"""The real fairseq commands, one after the other, as a user runs them; what they refuse."""

import json
import math
import re
import shutil

import pytest
import torch

from experiments.training import begin
from tests.fairseq.training import OPTIONS, PLUGIN, build, generate, train
from tests.helpers import run_command


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory):
    """A SEE model trained for two epochs by fairseq-train, in a folder with its own copy of the data."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(toy / "data-bin", folder / "data-bin")
    words = (*OPTIONS, "--see-ratio", "3", "--save-dir", folder / "checkpoints")
    done = run_command("fairseq-train", folder / "data-bin", *words)
    (folder / "train.log").write_text(done.stdout + done.stderr)
    return folder


def test_a_checkpoint_is_plain_and_records_what_was_resolved(run):
    state = torch.load(run / "checkpoints/checkpoint_best.pt", weights_only=True)
    assert not [name for name in state["model"] if name.endswith("embed_tokens.weight") or "output_projection" in name]
    index = [name for name in state["model"] if name.endswith("word_morphemes")]
    assert len(index) == 2 and all(state["model"][name].dtype == torch.int32 for name in index)
    resolved = json.loads(state["cfg"]["model"]["see_resolved"])
    assert resolved["ratio"] == 3
    for side in ("encoder", "decoder"):
        description, index = resolved[side], resolved[side]["index"]
        assert description["method"] == "see" and description["config"]["vectors"] >= 1
        assert index["order"] == 3 and index["rank"] == 5 and index["sememes"] > 3 and index["groups"] > 0
        printed = re.search(rf"{side} embedding: see, .* \((.*)x\)", (run / "train.log").read_text())
        assert 3 <= float(printed[1]) <= 3.09


def test_generate_interactive_and_validate_need_no_index_file(run):
    model = (run / "data-bin", *PLUGIN, "--path", run / "checkpoints/checkpoint_best.pt")
    for index in run.glob("data-bin/*.see"):
        index.unlink()
    factored = ("--model-overrides", "{'see_inference': 'factored'}")
    texts = [run_command("fairseq-generate", *model, "--beam", "5", *more).stdout for more in ((), factored)]
    cached, factored = ([line for line in text.splitlines() if line[:2] in ("S-", "D-")] for text in texts)
    # Scores may differ in the last digit, sentences may not.
    assert len(cached) == 80 and [line.split("\t")[::2] for line in cached] == [x.split("\t")[::2] for x in factored]
    done = run_command("fairseq-interactive", *model, input="山人 水口\n火手\n")
    assert len(re.findall(r"^D-[01]\t", done.stdout, re.M)) == 2
    validated = run_command("fairseq-validate", *model, "--task", "translation", "--max-tokens", "400")
    assert re.search(r"valid on 'valid' subset .*loss", validated.stdout + validated.stderr)


def test_hydra_train_reads_our_yaml(toy, tmp_path):
    overrides = ("model.see_ratio=4", "optimization.max_epoch=1", "model.see_args={frequent_share: 0, init: normal}")
    begin("demo_zh_en", toy / "data-bin", tmp_path, overrides)
    done = run_command("fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "training")
    state = torch.load(tmp_path / "checkpoints/checkpoint_best.pt", weights_only=True)
    resolved = json.loads(state["cfg"]["model"]["see_resolved"])
    assert resolved["ratio"] == 4, done.stdout[-500:]
    assert resolved["decoder"]["config"]["init"] == "normal" and not resolved["decoder"]["config"]["frequent_share"]
    assert math.isfinite(state["extra_state"]["best"])


VECTORS = ("--see-args", "vectors=2")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--see-ratio", "3000"], "'see' cannot compress 3000x here; nearest ratio: "),
        ([], "method 'see' needs 'vectors', or a ratio to plan it for"),
        (["--see-args", "vectors=two"], "vectors is 'two', but must be a number"),
        ([*VECTORS, "--see-index", "nowhere.see"], "no unit index at nowhere.see"),
        ([*VECTORS, "--see-index", "SWAPPED"], "built for another dictionary"),
        ([*VECTORS, "--see-index", "TRUNCATED"], "build it with fairseq-see index"),
        ([*VECTORS, "--encoder-embed-path", "x"], "--encoder-embed-path does not go with see_transformer"),
        ([*VECTORS, "--adaptive-softmax-cutoff", "9"], "--adaptive-softmax-cutoff does not go with"),
        ([*VECTORS, "--share-all-embeddings"], "needs a joined dictionary"),
    ],
)
def test_bad_options_end_in_one_line(toy, tmp_path, words, message):
    data = toy / "data-bin"
    swapped, truncated = f"{data}/dict.en.see:{data}/dict.zh.see", tmp_path / "truncated.see"
    truncated.write_bytes((data / "dict.zh.see").read_bytes()[:-20])
    words = [{"SWAPPED": swapped, "TRUNCATED": str(truncated)}.get(word, word) for word in words]
    with pytest.raises(SystemExit, match=rf"^error: [^\n]*{message}[^\n]*$"):
        build(data, *words)


def test_resuming_with_other_options_or_another_index_is_an_error(toy, tmp_path):
    train(toy / "data-bin", tmp_path / "run", *VECTORS, "--max-epoch", "1")
    message = r"^error: the weights were trained with other options than see 72 x 64, .*; give those of their training$"
    for other in ("vectors=3", "vectors=2,init=xavier"):
        with pytest.raises(SystemExit, match=message):
            train(toy / "data-bin", tmp_path / "run", "--see-args", other)
    other = tmp_path / "other"
    shutil.copytree(toy / "data-bin", other)
    words = ("--senses", toy / "senses.tsv", "--rank", "2", "--morphology", "characters")
    run_command("fairseq-see", "index", other / "dict.zh.txt", *words)
    with pytest.raises(SystemExit, match=r"^error: the weights were trained with another unit index; give the index"):
        train(other, tmp_path / "run", *VECTORS)


def test_fine_tuning_a_stock_model_names_the_command_that_compresses_it(toy, trained, tmp_path):
    """As a command: what fairseq raises, with its advice on architectures, must not be the last word."""
    words = ("--see-ratio", "2", "--save-dir", tmp_path, "--finetune-from-model", trained("stock"))
    message = r"\nerror: the weights hold a dense encoder.embed_tokens.weight, not see 72 x 64, "
    with pytest.raises(pytest.fail.Exception, match=message + r".*; run fairseq-see fit CHECKPOINT first$"):
        run_command("fairseq-train", toy / "data-bin", *OPTIONS, *words)


@pytest.mark.parametrize("method", ["tensor_train", "word2ketxs", "dense"])
def test_a_smaller_dictionary_is_refused_even_where_its_weights_would_fit(toy, tmp_path, method):
    words = ("--see-method", method, *(() if method == "dense" else ("--see-ratio", "2")))
    _, _, cfg = build(toy / "data-bin", *words)
    shutil.copytree(toy / "data-bin", tmp_path / "other")
    dictionary = tmp_path / "other/dict.en.txt"
    lines = dictionary.read_text(encoding="utf-8").splitlines(keepends=True)
    dictionary.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"the decoder.s embedding was trained as .*; give the dictionary"):
        build(tmp_path / "other", *words, "--see-resolved", cfg.model.see_resolved)


def test_damaged_models_end_in_one_line(run, toy, tmp_path):
    best = run / "checkpoints/checkpoint_best.pt"
    (tmp_path / "truncated.pt").write_bytes(best.read_bytes()[:-100])
    state = torch.load(best, weights_only=True)
    state["model"]["encoder.embed_tokens.config_version"] += 1
    torch.save(state, tmp_path / "other.pt")
    for name, message in (("truncated", "is not a whole checkpoint"), ("other", "trained with other options")):
        with pytest.raises(SystemExit, match=rf"^error: [^\n]*{message}[^\n]*$"):
            generate(toy / "data-bin", tmp_path / f"{name}.pt")


# What these tasks add to the dictionaries has units of its own.
LANGUAGES = ("--langs", "zh,en", "-s", "zh", "-t", "en")
MULTILINGUAL = ("--lang-pairs", "zh-en", "--encoder-langtok", "src", "--decoder-langtok")


@pytest.mark.parametrize(
    ("task", "words", "symbols"),
    [("translation_multi_simple_epoch", MULTILINGUAL, 2), ("translation_from_pretrained_bart", (), 3)],
)
def test_tasks_that_add_language_tokens(toy, tmp_path, task, words, symbols):
    words = ("--task", task, *LANGUAGES, *words)
    state = train(toy / "data-bin", tmp_path, "--see-ratio", "2", *words, "--max-epoch", "1")
    resolved = json.loads(state["cfg"]["model"]["see_resolved"])
    assert {resolved[side]["rows"] for side in ("encoder", "decoder")} == {72 + symbols}
    generate(toy / "data-bin", tmp_path / "checkpoint_last.pt", *words)
