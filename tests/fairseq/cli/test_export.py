"""``fairseq-see export``: what is written loads into fairseq's commands, into plain PyTorch and into stock fairseq."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.models.transformer import TransformerModel
from omegaconf import OmegaConf
from safetensors.torch import load_file, save, save_file

from fairseq_see.cli.main import main
from fairseq_see.embeddings import REGISTRY, find_class, load
from fairseq_see.errors import SeeError
from fairseq_see.export_config import write_config
from fairseq_see.models.checkpoint import load_embeddings
from tests.fairseq.cli.test_checkpoints import Exploding
from tests.fairseq.training import PLUGIN, build, train
from tests.forks import make_environment
from tests.helpers import full_disk, make_environ, run_command

# Bytes of the hyper-parameters' checksum, which the footprint leaves out.
CHECKSUM = 8


def translate(*words):
    """Hypotheses and their scores of a test set, by fairseq-generate in a process of its own."""
    done = run_command("fairseq-generate", *words, "-s", "zh", "-t", "en", "--beam", "5", "--max-len-b", "12")
    found = sorted(re.findall(r"^H-(\d+)\t(\S+)\t(.*)$", done.stdout, re.M))
    assert len(found) == 40 and len({sentence for *_, sentence in found}) > 5
    return found


@pytest.mark.slow
def test_fairseqs_commands_take_what_is_written(toy, trained, tmp_path):
    """Each translates as the checkpoint of its precision: rounding to half may turn a near tie of hypotheses."""
    data, checkpoint, small = toy / "data-bin", trained("see"), tmp_path / "small/model.safetensors"
    state = torch.load(checkpoint, weights_only=True)
    state["model"] = {name: x.half() if x.is_floating_point() else x for name, x in state["model"].items()}
    torch.save(state, tmp_path / "half.pt")
    words = ("--output", small.parent, "--bits", "16", "--to-dense", tmp_path / "dense.pt")
    printed = run_command("fairseq-see", "export", checkpoint, *words).stdout

    full, half = (translate(data, *PLUGIN, "--path", path) for path in (checkpoint, tmp_path / "half.pt"))
    factored = ("--model-overrides", "{'see_inference':'factored'}")
    assert [sentence for *_, sentence in translate(data, *PLUGIN, "--path", small, *factored)] == [x for *_, x in half]
    # Without the plugin. Its products are added up in another order.
    dense = translate(data, "--path", tmp_path / "dense.pt")
    assert [sentence for *_, sentence in dense] == [sentence for *_, sentence in full]
    for (_, score, _), (_, expected, _) in zip(dense, full, strict=True):
        assert float(score) == pytest.approx(float(expected), abs=1e-4)
    # Its loss has the name that stock fairseq knows it by.
    validation = ("--task", "translation", "--max-tokens", "400")
    run_command("fairseq-validate", data, "--path", tmp_path / "dense.pt", *validation)
    run_command("fairseq-validate", data, "--path", small, *PLUGIN, *validation)
    tuned = train(data, tmp_path / "tuned", "--finetune-from-model", small, "--see-ratio", "3", "--lr", "1e-9")
    name = "decoder.embed_tokens.morphemes.vectors"
    torch.testing.assert_close(tuned["model"][name], load_file(small)[name].float(), atol=1e-6, rtol=0)

    # What is printed lies on the disk.
    sizes = {name: int(size.replace(",", "")) for name, size in re.findall(r"│ ([a-z, ]+?) +│ +([\d,]+) │", printed)}
    assert sizes.pop("in all") == sum(sizes.values()) == sum(path.stat().st_size for path in small.parent.iterdir())
    for side, embedding in load_embeddings(checkpoint).items():
        assert sizes[f"{side} embedding"] == embedding.footprint().bytes + CHECKSUM
    # Words of the toy task are whole: there are no subwords.
    names = sorted(path.name for path in small.parent.iterdir())
    assert names == ["config.json", "dict.en.txt", "dict.zh.txt", "model.safetensors"]
    assert {tensor.dtype for tensor in load_file(small).values()} == {torch.float16, torch.uint8, torch.int64}


def save_untrained(path, data, *words):
    """Save the checkpoint of a model as it was built, and return the model."""
    model, _, cfg = build(data, *words)
    state = {
        "cfg": OmegaConf.to_container(cfg, resolve=True, enum_to_str=True),
        "model": model.state_dict(),
        "optimizer_history": [{"num_updates": 7}],
        "last_optimizer_state": {"moments": torch.ones(10_000)},
    }
    torch.save(state, path)
    return model.eval()


def score(model):
    """A model's outputs for two sentences."""
    tokens = torch.tensor([[5, 6, 7, 2], [8, 9, 10, 2]])
    with torch.no_grad():
        return model.eval()(tokens, torch.tensor([4, 4]), tokens)[0]


def load_model(path, data):
    """A model as fairseq's commands load it."""
    (model,), cfg, _ = checkpoint_utils.load_model_ensemble_and_task([str(path)], arg_overrides={"data": str(data)})
    return model, cfg


SMALL = (
    *("--encoder-embed-dim", "27", "--decoder-embed-dim", "27", "--encoder-layers", "1", "--decoder-layers", "1"),
    *("--encoder-attention-heads", "1", "--decoder-attention-heads", "1"),
)
UNTIED = ("--arch", "see_transformer", "--encoder-normalize-before", "--layernorm-embedding")


@pytest.mark.parametrize(
    ("method", "data", "words"),
    [
        *((method, "data-bin", ()) for method in sorted(REGISTRY)),
        *(("see", data, words) for data, words in (("data-bin", UNTIED), ("joined", ("--share-all-embeddings",)))),
    ],
)
def test_every_method_and_tying_comes_back(toy, tmp_path, capsys, method, data, words):
    ratio = ("--see-ratio", "2") if find_class(method).compresses else ()
    # Equal to the last bit: factored, dpq and the codes that it is shipped as add in different orders.
    words = (*words, *ratio, "--see-inference", "cached")
    model = save_untrained(tmp_path / "full.pt", toy / data, "--see-method", method, *words, *SMALL)
    out = ("--bits", "16", "-o", str(tmp_path / "small"), "--to-dense", str(tmp_path / "dense.pt"))
    assert main(["export", str(tmp_path / "full.pt"), *out]) == 0

    dense, cfg = load_model(tmp_path / "dense.pt", toy / data)
    assert type(dense) is TransformerModel and "see_method" not in cfg.model
    torch.testing.assert_close(score(dense), score(model))

    model.load_state_dict({name: x.half() if x.is_floating_point() else x for name, x in model.state_dict().items()})
    small, _ = load_model(tmp_path / "small/model.safetensors", toy / data)
    assert score(small).equal(score(model))
    assert (small.encoder.embed_tokens is small.decoder.embed_tokens) == ("--share-all-embeddings" in words)
    for side in ("encoder", "decoder"):
        original, embedding = getattr(model, side).embed_tokens, load(tmp_path / "small", side)
        embedding.inference = "cached"
        tokens, hidden = torch.tensor([[3, 1, 4], [1, 5, 9]]), torch.randn(2, 27)
        with torch.no_grad():
            assert embedding(tokens).equal(original(tokens)) and embedding.table().equal(original.table())
            assert embedding.project(hidden).equal(original.project(hidden))
        assert embedding.footprint() == original.footprint()

    # The small model is as good a source as the checkpoint, but for its precision.
    again = ("-o", str(tmp_path / "again"), "--to-dense", str(tmp_path / "again.pt"))
    assert main(["export", str(tmp_path / "small"), *again]) == 0
    for file in (tmp_path / "small").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
    torch.testing.assert_close(score(load_model(tmp_path / "again.pt", toy / data)[0]), score(small))


def test_bits_of_embeddings_and_layers(toy, tmp_path, capsys):
    model = save_untrained(tmp_path / "full.pt", toy / "data-bin", "--see-ratio", "2", *SMALL)
    words = ("--bits", "6", "--layer-bits", "8", "-o")
    assert main(["export", str(tmp_path / "full.pt"), *words, str(tmp_path / "small")]) == 0
    assert "6 bits, layers 8" in capsys.readouterr().out
    stored = load_file(tmp_path / "small/model.safetensors")
    config = json.loads((tmp_path / "small/config.json").read_text())
    assert [config[name] for name in ("bits", "layer_bits")] == [6, 8]
    assert config["bytes"] == sum(tensor.nbytes for tensor in stored.values())

    small, _ = load_model(tmp_path / "small/model.safetensors", toy / "data-bin")
    before, after = dict(model.named_parameters()), dict(small.named_parameters())
    for name, value in before.items():
        bits = 6 if ".embed_tokens." in name else 8
        if value.dim() == 1:
            assert after[name].equal(value.half().float()), name
            continue
        # A step is the largest of a row by 31, or 127; that step is in half precision.
        step = value.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
        assert ((after[name] - value).abs() <= 0.56 * step).all() and not after[name].equal(value.half().float()), name
        # Of 27 columns and the scales, in bytes.
        assert stored[f"{name}.packed"].nbytes == 16 + math.ceil(value.numel() * bits / 8), name
        assert stored[f"{name}.scales"].nbytes == 2 * len(value)

    # An export of it has its bits, and so the same bytes; whatever is made of it computes the same.
    again = ("-o", str(tmp_path / "again"), "--to-dense", str(tmp_path / "dense.pt"))
    assert main(["export", str(tmp_path / "small"), *again]) == 0
    assert (tmp_path / "small/model.safetensors").read_bytes() == (tmp_path / "again/model.safetensors").read_bytes()
    dense, _ = load_model(tmp_path / "dense.pt", toy / "data-bin")
    torch.testing.assert_close(score(dense), score(small))


def test_shared_matrices_are_stored_once_even_after_averaging(toy, tmp_path):
    save_untrained(tmp_path / "full.pt", toy / "joined", "--see-ratio", "2", "--share-all-embeddings", *SMALL)
    state = torch.load(tmp_path / "full.pt", weights_only=True)
    state["model"] = {name: 2 * x if x.is_floating_point() else x for name, x in state["model"].items()}
    torch.save(state, tmp_path / "twice.pt")
    averaged = (str(tmp_path / "full.pt"), str(tmp_path / "twice.pt"))
    assert main(["average", *averaged, "-o", str(tmp_path / "mean.pt")]) == 0
    for name in ("full", "mean"):
        assert main(["export", str(tmp_path / f"{name}.pt"), "-o", str(tmp_path / name)]) == 0
        assert not [key for key in load_file(tmp_path / name / "model.safetensors") if "decoder.embed_tokens" in key]
        assert load(tmp_path / name, "decoder").table().equal(load(tmp_path / name).table())


@pytest.fixture(scope="module")
def untrained(toy, tmp_path_factory):
    path = tmp_path_factory.mktemp("untrained") / "GOOD"
    save_untrained(path, toy / "data-bin", "--see-ratio", "2", *SMALL)
    return path


@pytest.fixture
def good(untrained, tmp_path):
    return Path(shutil.copy(untrained, tmp_path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["GOOD"], "name what to write"),
        (["MISSING", "-o", "OUT"], "cannot read"),
        (["TRUNCATED", "-o", "OUT"], "not a whole checkpoint"),
        (["UNSAFE", "-o", "OUT", "--to-dense", "OUT.PT"], "loads safely"),
        (["STOCK", "-o", "OUT"], "an embedding of fairseq_see; fairseq-see compress gives it one"),
        (["OTHER", "--to-dense", "OUT"], "only a see_transformer can be made a dense one, this model is 'my_lstm'"),
        (["GOOD", "-o", "FOLDER"], "holds other files than an exported model, notes.txt"),
        (["GOOD", "-o", "FOREIGN"], "is not of an exported model"),
        (["GOOD", "-o", "UNSAFE"], "exists and is no folder"),
        (["GOOD", "--to-dense", "GOOD"], "exists; remove it"),
        (["GOOD", "-o", "OUT", "--data", "FOLDER"], "has no dict.zh.txt; --data is the folder"),
        (["GOOD", "-o", "OUT", "--data", "WRONG"], "is not the dictionary of this model"),
        (["GOOD", "-o", "OUT", "--subwords", "FOLDER"], "dict.zh.txt has no subwords of BPE (@@) or sentencepiece"),
        (["FOLDER", "--to-dense", "OUT"], "cannot read"),
        (["GOOD", "--to-ctranslate2", "SMALL"], "is an exported model, which this would replace"),
        (["CONVERTED", "-o", "OUT"], "was converted to CTranslate2; give the one that it was made of"),
    ],
)
def test_bad_input(good, tmp_path, capsys, words, message):
    (tmp_path / "TRUNCATED").write_bytes(good.read_bytes()[:-100])
    torch.save({"model": {}, "cfg": Exploding()}, tmp_path / "UNSAFE")
    torch.save({"model": {}, "cfg": {"model": {"_name": "transformer"}}}, tmp_path / "STOCK")
    state = torch.load(good, weights_only=True)
    state["cfg"]["model"] = Namespace(arch="my_lstm", see_resolved=state["cfg"]["model"]["see_resolved"])
    torch.save(state, tmp_path / "OTHER")
    for name in ("FOLDER", "FOREIGN", "WRONG", "CONVERTED", "SMALL"):
        (tmp_path / name).mkdir()
    for name in ("CONVERTED", "SMALL"):
        write_config(tmp_path / name, {"text": None})
    (tmp_path / "SMALL/model.safetensors").touch()
    (tmp_path / "FOLDER/notes.txt").touch()
    (tmp_path / "FOREIGN/config.json").write_text('{"model_type": "bert"}')
    for language in ("zh", "en"):
        (tmp_path / f"WRONG/dict.{language}.txt").write_text("a 1\n")
    before = sorted(tmp_path.rglob("*"))
    assert main(["export", *(str(tmp_path / word) if word.isupper() else word for word in words)]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert message in error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", ["--output", "--to-dense", "--to-ctranslate2"])
@pytest.mark.parametrize("value", [math.nan, -math.inf, 1e6])
def test_weights_that_are_not_finite_are_refused(good, tmp_path, capsys, option, value):
    state = torch.load(good, weights_only=True)
    state["model"]["encoder.layers.0.fc1.bias"][0] = value
    torch.save(state, good)
    status = main(["export", str(good), option, str(tmp_path / "out")])
    if value == 1e6 and option != "--output":
        assert not status
        return
    message = "half precision cannot hold, above 65,504" if value == 1e6 else "are NaN or infinite"
    assert status == 2
    assert f"encoder.layers.0.fc1.bias has values that {message}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [good]


def run_killed(step, folder, words):
    """Run a command in a copy of this process that is killed at a step: a change below a folder, or its swap by C.

    Returns:
        the status, negative for a signal.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def count(event, args):
        nonlocal step
        opens = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        changes = opens or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")
        if event == "ctypes.dlsym" or (changes and str(folder) in str(args[0])):
            step -= 1
            if not step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        os._exit(main(words))
    finally:
        os._exit(99)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--output", "--to-ctranslate2"])
def test_killed_at_any_step_an_export_leaves_the_old_or_the_new_folder(good, tmp_path, option):
    """Old and new differ in weights and configuration."""
    state = torch.load(good, weights_only=True)
    state["model"] = {name: 2 * x if x.is_floating_point() else x for name, x in state["model"].items()}
    state["optimizer_history"][-1]["num_updates"] = 8
    torch.save(state, tmp_path / "OTHER")

    def read_files(name):
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    def export(checkpoint, name, step=0):
        return run_killed(step, tmp_path, ["export", str(checkpoint), option, str(tmp_path / name)])

    assert export(good, "old") == export(tmp_path / "OTHER", "new") == 0
    old, new = read_files("old"), read_files("new")
    assert old != new
    found = []
    for step in range(1, 100):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        shutil.copytree(tmp_path / "old", tmp_path / "out")
        status = export(tmp_path / "OTHER", "out", step)
        assert status in (0, -signal.SIGKILL)
        found.append(read_files("out"))
        assert found[-1] in (old, new)
        if not status:
            break
    assert status == 0 and found[-1] == new and found.count(old) > 3 and found.count(new) > 1


def test_a_reader_that_has_gone_is_not_success(good, tmp_path):
    """What was to be written is written before anything is printed."""
    words = ("export", good, "-o", tmp_path / "small", "--to-dense", tmp_path / "dense.pt")
    command = [make_environment() / "bin/fairseq-see", *words]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, env=make_environ(), stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode and "Traceback" not in done.stderr
    assert load(tmp_path / "small") and torch.load(tmp_path / "dense.pt", weights_only=True)["model"]


def test_what_does_not_read_back_is_refused(good, tmp_path, capsys, monkeypatch):
    """A disk that loses a bit, by a copy of the file's functions that does."""

    def lose_a_bit(tensors, path, metadata):
        save_file({name: x.clone() for name, x in tensors.items()}, path, metadata)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)

    monkeypatch.setattr("safetensors.torch.save_file", lose_a_bit)
    assert main(["export", str(good), "-o", str(tmp_path / "small")]) == 2
    assert "model.safetensors does not read back as it was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [good]


@pytest.mark.parametrize("option", ["--output", "--to-dense", "--to-ctranslate2"])
def test_a_full_disk_ends_in_one_line(good, tmp_path, capsys, option):
    with full_disk():
        assert main(["export", str(good), option, str(tmp_path / "out")]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert re.match(rf"error: cannot write {re.escape(str(tmp_path))}/\.?out\S*: ", error)
    assert list(tmp_path.iterdir()) == [good]


def test_an_export_takes_the_place_of_an_earlier_one_also_without_dictionaries(good, tmp_path, caplog):
    assert main(["export", str(good), "-o", str(tmp_path / "small")]) == 0
    assert (tmp_path / "small/dict.zh.txt").is_file()
    state = torch.load(good, weights_only=True)
    state["cfg"]["task"]["data"] = str(tmp_path / "gone")
    torch.save(state, good)
    assert main(["export", str(good), "-o", str(tmp_path / "small")]) == 0
    assert f"{tmp_path}/gone has no dict.LANG.txt, exporting without dictionaries" in caplog.text
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == ["config.json", "model.safetensors"]


def test_damaged_exports(good, tmp_path, capsys):
    assert main(["export", str(good), "-o", str(tmp_path / "small")]) == 0
    weights, config = tmp_path / "small/model.safetensors", tmp_path / "small/config.json"
    content, text = weights.read_bytes(), config.read_text()
    config.write_text(text.replace('"version": 2', '"version": 1'))
    assert load(tmp_path / "small")
    config.write_text(text)
    tensors = load_file(weights)
    index = content.index(tensors["encoder.embed_tokens.index_version_1.packed_index"].numpy().tobytes())
    for damaged, message in (
        (content[:-100], "model.safetensors is damaged"),
        (b"no tensors", "model.safetensors is damaged"),
        (content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :], "damaged unit index"),
        (save(tensors, {"shared": "["}), "model.safetensors is damaged"),
        (save(tensors, {"shared": "[1]"}), "model.safetensors is damaged"),
    ):
        weights.write_bytes(damaged)
        with pytest.raises(SeeError, match=message):
            load(tmp_path / "small")
    weights.write_bytes(content)
    made = json.loads(text)
    undescribed = {name: value for name, value in made.items() if name != "embeddings"}
    of_one_embedding = "does not describe the encoder's embedding"
    for damaged, message in (
        (json.dumps(undescribed), of_one_embedding),
        (text.replace('"order": 3', '"order": 0'), of_one_embedding),
        (text[:-9], "config.json is damaged"),
        (json.dumps(made | {"version": 3}), "is of version 3"),
        ("[]", "not of an exp"),
        (json.dumps(made | {"more": {"argparse.Namespace": 3}}), "config.json is damaged"),
    ):
        assert damaged != text
        config.write_text(damaged)
        with pytest.raises(SeeError, match=message):
            load(tmp_path / "small")
        if message != of_one_embedding:
            with pytest.raises(SystemExit, match=f"^error: .*{message}"):
                load_model(weights, tmp_path)
    config.write_text(text)
    with pytest.raises(SeeError, match="no embedding of a side 'middle'"):
        load(tmp_path / "small", "middle")
