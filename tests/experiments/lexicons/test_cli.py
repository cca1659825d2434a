"""Other sources of senses, as tables that ``fairseq-see index`` reads."""

import json

import numpy as np
import pytest

from experiments.__main__ import main as laboratory
from fairseq_see.cli.main import main
from fairseq_see.models.checkpoint import load_embeddings
from fairseq_see.units import Senses
from tests.experiments.lexicons.test_wordnet import write_wordnet
from tests.fairseq.cli.test_checkpoints import save_model


@pytest.fixture
def folder(tmp_path):
    """A WordNet, a dictionary of 60 symbols, a table and a checkpoint of them."""
    write_wordnet(tmp_path / "wordnet")
    words = ["dog", "dog@@", *(f"word{i}" for i in range(54))]
    (tmp_path / "dict.en.txt").write_text("".join(f"{word} 1\n" for word in words))
    save_model(tmp_path / "model.pt")
    np.save(tmp_path / "table.npy", load_embeddings(tmp_path / "model.pt")["decoder"].table().detach().numpy())
    return tmp_path


def lexicon(folder, *words):
    return laboratory(["lexicon", *(str(word).format(folder=folder) for word in words)])


KMEANS = ("kmeans", "{folder}/dict.en.txt", "--clusters", "5", "--output", "{folder}/out.tsv", "--table")


def test_wordnet_and_an_index_of_it(folder, capsys):
    words = ("wordnet", "--wordnet", "{folder}/wordnet", "--synsets", "4", "--output", "{folder}/out.tsv")
    assert lexicon(folder, *words) == 0
    assert "fall under none of the 4 synsets" in capsys.readouterr().out
    options = ("--senses", str(folder / "out.tsv"), "--morphology", "characters", "--json", str(folder / "out.json"))
    assert main(["index", str(folder / "dict.en.txt"), *options]) == 0
    coverage = json.loads((folder / "out.json").read_text())
    assert coverage["found"]["exact"]["types"] == coverage["with_senses"]["types"] == 1
    assert coverage["provenance"]["senses"].startswith("out.tsv")


def test_kmeans_of_a_file_and_of_a_checkpoint(folder, capsys):
    assert lexicon(folder, *KMEANS, "{folder}/table.npy") == 0
    assert "55 words, 55 senses, 15 units" in capsys.readouterr().out
    senses = Senses.load(folder / "out.tsv")
    assert len(senses.find("dog", "en")[0]) == 3
    content = (folder / "out.tsv").read_bytes()
    assert lexicon(folder, *KMEANS, "{folder}/model.pt", "--side", "decoder") == 0
    assert (folder / "out.tsv").read_bytes() == content
    assert lexicon(folder, *KMEANS, "{folder}/model.pt", "--side", "encoder", "--seed", "2") == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("wordnet", "--wordnet", "{folder}/none", "--output", "{folder}/out.tsv"), "apt-get install wordnet-base"),
        (("wordnet", "--order", "1", "--output", "{folder}/out.tsv"), "order 1"),
        ((*KMEANS, "{folder}/model.pt"), "has matrices of the encoder and the decoder; choose one with --side"),
        ((*KMEANS, "{folder}/table.npy", "--output", "{folder}/table.npy"), "is one of the inputs"),
        ((*KMEANS, "{folder}/table.npy", "--output", "{folder}"), "is a folder; write a file"),
        ((*KMEANS, "{folder}/dict.en.txt"), "not a whole checkpoint"),
        (("kmeans", "{folder}/other.txt", *KMEANS[2:], "{folder}/table.npy"), "has no language code"),
    ],
)
def test_bad_input(folder, capsys, words, problem):
    (folder / "other.txt").write_text("dog 1\n")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert lexicon(folder, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and problem in error and error.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
