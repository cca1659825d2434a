"""``fairseq-see add-words``: new words are made of vectors that exist, and all others stay as they were."""

import json
import shutil
from pathlib import Path

import pytest
import sacrebleu
import torch

from experiments import new_words
from fairseq_see.cli.main import main
from fairseq_see.embeddings import load
from fairseq_see.text import encode, keep_whole, load_subwords
from fairseq_see.translator import Translator
from fairseq_see.units import UnitIndex, Vocabulary
from tests.fairseq.cli.test_export import save_untrained
from tests.fairseq.cli.test_translate import prepare, segment
from tests.fairseq.training import train
from tests.helpers import run_command

# The toy corpus has all characters and sememes of the first; of the last it has no character.
SENSES = "zh\t山人水\t1\thuman|人 water|水\nzh\t山人水\t2\tghost|鬼\nen\tBalan0\t1\thuman|人\n"
NEW, STRANGE = "山人水", "鬼魅"


@pytest.fixture(scope="module", params=["bpe", "sentencepiece"])
def shipped(request, toy, tmp_path_factory):
    """A folder with a model of subwords, trained on the toy task and exported, and the senses of a new word."""
    folder = tmp_path_factory.mktemp(request.param)
    prepare(folder, toy, "zh", request.param)
    for language in ("zh", "en"):
        dictionary = str(folder / f"data-bin/dict.{language}.txt")
        options = ["--senses", str(toy / "senses.tsv"), "--piece-senses", "--morphology", "characters"]
        assert main(["index", dictionary, *options]) == 0
    train(folder / "data-bin", folder / "run", "--see-method", "see", "--see-ratio", "2", "--max-epoch", "6")
    assert main(["export", str(folder / "run/checkpoint_last.pt"), "-o", str(folder / "small")]) == 0
    (folder / "senses.tsv").write_text(SENSES, encoding="utf-8")
    return folder


def add(folder: Path, output: Path, *new: str, options: tuple = (), small: str = "small") -> int:
    (folder / "words").write_text("".join(f"{word}\n" for word in new), encoding="utf-8")
    files = ("--words", folder / "words", "--senses", folder / "senses.tsv", "--output", output)
    return main(["add-words", *map(str, (folder / small, *files, *options))])


def translate(folder: Path, lines: list[str]) -> list[str]:
    return Translator.load(folder, device="cpu").translate(lines)


@pytest.mark.slow
def test_a_new_word_is_made_of_its_units(shipped, tmp_path, capsys):
    vocabulary = Vocabulary.load(shipped / "small/dict.zh.txt")
    mark = "▁" * (vocabulary.scheme == "sentencepiece")
    known = next(
        symbol
        for symbol in vocabulary.symbols[4:]
        if vocabulary.split(symbol)[1] == "" and len(symbol) == 1 + len(mark)
    )
    assert add(shipped, tmp_path / "new", NEW, known.removeprefix(mark), STRANGE) == 0
    printed = capsys.readouterr()
    assert f"left out {known.removeprefix(mark)}: the dictionary has it" in printed.err
    assert f"{tmp_path / 'new'}: 1 words added, 2 left out\nlacking a unit: 1: {NEW}\n" == printed.out
    assert f"left out {STRANGE}: the model has none of its units (鬼 魅)" in printed.err
    old, new = load(shipped / "small"), load(tmp_path / "new")
    index = UnitIndex.load(shipped / "data-bin/dict.zh.see")
    assert new.num_embeddings == old.num_embeddings + 1
    assert Vocabulary.load(tmp_path / "new/dict.zh.txt").symbols[-1] == mark + NEW
    with torch.no_grad():
        assert torch.equal(new.table()[:-1], old.table())
        # The sum of its units' products, written down here.
        groups = [("sememes", index.sememes, ["human|人", "water|水", "<pad:3>"])]
        groups.append(("morphemes", index.morphemes, list(NEW)))
        row = torch.zeros(new.embedding_dim, dtype=torch.float64)
        for kind, names, units in groups:
            owned = [getattr(old, kind).select(names.index(unit)).double() for unit in units]
            for a, b, c in zip(*owned, strict=False):
                row += torch.kron(torch.kron(a, b), c)[: len(row)] * old.config.output_scale
        row = torch.nn.functional.layer_norm(row, row.shape, old.norm.weight.double(), old.norm.bias.double())
        torch.testing.assert_close(new.table()[-1].double(), row, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(new.reference_rows([new.num_embeddings - 1])[0], row)


@pytest.mark.slow
def test_the_word_stays_whole_and_other_sentences_stay_the_same(shipped, toy, tmp_path):
    assert add(shipped, tmp_path / "new", NEW) == 0
    text = json.loads((tmp_path / "new/config.json").read_text(encoding="utf-8"))["text"]["source"]
    assert text["words"] == [NEW]
    subwords = load_subwords(tmp_path / "new" / text["subwords"], text["scheme"])
    mark = "▁" * (text["scheme"] == "sentencepiece")
    tokens = encode(f"木足，{NEW}，火手", "zh", keep_whole(subwords, text["words"], text["scheme"]), text["words"])
    assert mark + NEW in tokens
    assert tokens == [*subwords(segment("木足，", "zh")), mark + NEW, *subwords(segment("，火手", "zh"))]
    lines = (toy / "test/toy.zh").read_text(encoding="utf-8").splitlines()
    before = translate(shipped / "small", lines)
    assert len(set(before)) > 10
    after = translate(tmp_path / "new", [*lines, f"木足 {NEW}"])
    assert after[:-1] == before
    # An export of it keeps the words whole, too.
    outputs = ("-o", str(tmp_path / "again"), "--to-ctranslate2", str(tmp_path / "ct2"))
    assert main(["export", str(tmp_path / "new"), *outputs]) == 0
    subwords = ("--subwords", str(tmp_path / "new"), "-o", str(tmp_path / "resplit"))
    assert main(["export", str(tmp_path / "new"), *subwords]) == 0
    for folder in ("again", "ct2", "resplit"):
        assert translate(tmp_path / folder, [f"木足 {NEW}"]) == after[-1:]


@pytest.mark.slow
def test_further_words_target_words_and_in_place(shipped, tmp_path, capsys):
    assert add(shipped, tmp_path / "a", NEW) == 0
    shutil.copytree(tmp_path / "a", shipped / "again", dirs_exist_ok=True)
    assert add(shipped, shipped / "again", "水口火", small="again") == 0
    symbols = Vocabulary.load(shipped / "again/dict.zh.txt").symbols
    assert [symbol.removeprefix("▁") for symbol in symbols[-2:]] == [NEW, "水口火"]
    assert torch.equal(load(shipped / "again").table()[:-1], load(tmp_path / "a").table())
    assert add(shipped, tmp_path / "b", "Balan0", options=("--side", "target")) == 0
    old, new = load(shipped / "small", "decoder"), load(tmp_path / "b", "decoder")
    hidden = torch.randn(2, old.embedding_dim)
    with torch.no_grad():
        scores = new.project(hidden)
        torch.testing.assert_close(scores[:, :-1], old.project(hidden))
        torch.testing.assert_close(scores[:, -1], hidden @ new.reference_rows([new.num_embeddings - 1])[0].float())
    assert torch.equal(load(tmp_path / "b").table(), load(shipped / "small").table())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("new", "options", "problem"),
    [
        ((STRANGE,), (), "no word can be added; 鬼魅: the model has none of its units (鬼 魅)"),
        (("山人，",), (), "no word can be added; 山人，: jieba segments it into 山 人 ，"),
        (("q" * 1001,), (), f"jieba segments it into {'q' * 1000}"),
        ((), (), "words has no words"),
        (
            (NEW,),
            ("--index", "{folder}/data-bin/dict.en.see"),
            "the unit index is not the one that the model was trained with",
        ),
        ((NEW,), ("--index", "{folder}/none.see"), "cannot read {folder}/none.see"),
    ],
)
def test_refusals_write_nothing(shipped, tmp_path, capsys, new, options, problem):
    options = tuple(option.format(folder=shipped) for option in options)
    assert add(shipped, tmp_path / "new", *new, options=options) == 2
    errors = capsys.readouterr().err.splitlines()
    assert problem.format(folder=shipped) in errors[-1] and errors[-1].startswith("error: ")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "data", "options", "longer"),
    [
        ("dense", "data-bin", (), ()),
        ("sememe_lstm", "data-bin", (), ("zh",)),
        ("morphte", "joined", ("--share-all-embeddings", "--see-ratio", "2"), ("zh", "en")),
    ],
)
def test_other_methods(toy, tmp_path, capsys, method, data, options, longer):
    save_untrained(tmp_path / "model.pt", toy / data, "--see-method", method, *options)
    assert main(["export", str(tmp_path / "model.pt"), "-o", str(tmp_path / "small")]) == 0
    (tmp_path / "senses.tsv").write_text(SENSES, encoding="utf-8")
    status = add(tmp_path, tmp_path / "new", NEW)
    if not longer:
        assert status == 2 and "dense has parameters of each word's own; add words to see" in capsys.readouterr().err
        return
    assert status == 0
    for language in ("zh", "en"):
        sizes = [len(Vocabulary.load(folder / f"dict.{language}.txt")) for folder in (toy / data, tmp_path / "new")]
        assert sizes[1] - sizes[0] == (language in longer)
    text = "".join((toy / "test/toy.zh").read_text(encoding="utf-8").splitlines(keepends=True)[:5]) + f"{NEW}\n"
    model = ("--path", tmp_path / "new/model.safetensors", "--user-dir", "fairseq_see", "-s", "zh", "-t", "en")
    done = run_command("fairseq-interactive", tmp_path / "new", *model, input=text)
    assert done.stdout.count("\nH-") == 6 and "<unk>" not in done.stdout.split("S-5")[1].splitlines()[0]


@pytest.mark.slow
def test_the_experiment(shipped, toy, tmp_path, capsys):
    side = "source" if (shipped / "codes.zh").exists() else "target"
    (tmp_path / "tok").mkdir()
    text = {language: (toy / f"train/toy.{language}").read_text("utf-8").splitlines() for language in ("zh", "en")}
    for language, lines in text.items():
        tokenised = "".join(f"{segment(line, language)}\n" for line in lines)
        (tmp_path / f"tok/train.{language}").write_text(tokenised, encoding="utf-8")
    options = ("--train", tmp_path / "tok/train", "--test", toy / "test/toy", "--senses", toy / "senses.tsv")
    results = tmp_path / "results"
    command = [*map(str, (shipped / "small", *options, "--side", side, "--whole", shipped / "small"))]
    # No word is both whole and not.
    with pytest.raises(SystemExit):
        new_words.main([*command, "--output", str(results)])
    assert "no word can be added" in capsys.readouterr().err
    new_words.main([*command[:-2], "--output", str(results)])
    found = json.loads((results / "new_words.json").read_text(encoding="utf-8"))
    assert found["words"] > 3 and found["sentences"] == len(found["translations"]) > 10
    code = {"source": "zh", "target": "en"}[side]
    old, new = (Vocabulary.load(folder / f"dict.{code}.txt") for folder in (shipped / "small", results / "added"))
    added = [symbol.removeprefix("▁") for symbol in new.symbols[len(old) :]]
    tokenised = " ".join(segment(line, code) for line in text[code]).split()
    assert len(added) == found["words"] and all(5 <= tokenised.count(word) <= 50 for word in added)
    columns = {name: [line[name] for line in found["translations"]] for name in found["translations"][0]}
    assert all(any(word in line for word in added) for line in columns["source" if side == "source" else "reference"])
    for name, folder in (("subwords", shipped / "small"), ("added", results / "added")):
        assert translate(folder, columns["source"]) == columns[name]
        bleu = sacrebleu.corpus_bleu(columns[name], [columns["reference"]])
        assert found["scores"][name]["BLEU"] == pytest.approx(bleu.score)
    assert f"{found['words']} words" in capsys.readouterr().out
