"""The real polyglot package, with models trained here."""

import copyreg
import io
import pickle
import random
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import MethodType

import morfessor
import pytest

from experiments.lexicons.morphology import write_model
from fairseq_see.errors import SeeError
from fairseq_see.units.morphology import SEGMENTERS, Polyglot
from tests.unit.units.test_morphology import WORDS

load = pytest.importorskip("polyglot.load")
Word = pytest.importorskip("polyglot.text").Word
_pickle_method = pytest.importorskip("polyglot.utils")._pickle_method
pytestmark = pytest.mark.polyglot

# The import above would break other tests: see Polyglot.
copyreg.dispatch_table.pop(MethodType, None)

ARCHIVE = "polyglot_data/morph2/en/morph2.en.tar.bz2"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What POLYGLOT_DATA_PATH is; polyglot reads the variable when it is imported, and keeps the models it has read."""
    monkeypatch.setenv("POLYGLOT_DATA_PATH", str(tmp_path / "data"))
    monkeypatch.setattr(load, "polyglot_path", str(tmp_path / "data/polyglot_data"))
    # polyglot leaves a temporary file behind when it cannot read a model.
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    load.load_morfessor_model.cache.clear()
    return tmp_path / "data"


def by_morfessor(words: list[str]) -> morfessor.BaselineModel:
    """A model trained with nothing of ours."""
    model = morfessor.BaselineModel()
    model.load_data((1, word) for word in sorted(words))
    random.seed(1)
    model.train_batch()
    return model


def archive(path: Path, *members: tuple[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:bz2") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def binary(tmp_path: Path, model: object) -> bytes:
    morfessor.MorfessorIO().write_binary_model_file(str(tmp_path / "model"), model)
    return (tmp_path / "model").read_bytes()


def test_segments_as_morfessor_does(data: Path) -> None:
    write_model([word.upper() for word in WORDS], data, "en")
    segmenter, reference = Polyglot("en"), by_morfessor(WORDS)
    assert segmenter.model == data / ARCHIVE
    for word in [*WORDS, "walkers", "washable", "日本", "é", "2017", "don't"]:
        assert segmenter.segment(word) == reference.viterbi_segment(word)[0], word
    assert segmenter.segment("walkers") == ["walk", "er", "s"] == list(Word("walkers", language="en").morphemes)
    assert {type(morpheme) for morpheme in segmenter.segment("walking")} == {str}
    for word in ("Walking", "WALKING", "walking" * 20):  # case and very long words, as in Morfessor
        assert segmenter.segment(word) == SEGMENTERS["morfessor"](WORDS, "en").segment(word)


def test_takes_a_model_that_is_not_ours(data: Path, tmp_path: Path) -> None:
    """Binary, and with names like those that polyglot's server had; and Morfessor's older format, in text."""
    model = morfessor.BaselineModel()
    model.load_segmentations((1, a + b, (a, b)) for a in ("wal", "tal", "bal") for b in ("king", "ked", "ks"))
    archive(data / "polyglot_data/morph2/en/morph.en.tar.bz2", ("en.model", binary(tmp_path, model)))
    assert Polyglot("en").segment("walking") == ["wal", "king"]
    archive(data / "polyglot_data/morph2/zh/morph.zh.tar.bz2", ("zh.txt", "1 中 + 国人\n1 中\n1 国人\n".encode()))
    assert Polyglot("zh").segment("中国人") == ["中", "国人"]


def test_one_model_and_no_server(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object) -> None:
        raise AssertionError("polyglot looked for a server")

    monkeypatch.setattr(load.downloader, "status", ask)
    folder = data / "polyglot_data/morph2/en"
    with pytest.raises(
        SeeError, match=f"no polyglot model of en in {folder}, .* python -m experiments morphology --lang en"
    ):
        Polyglot("en")
    write_model(WORDS, data, "en").with_name("older.tar.bz2").write_bytes(b"")
    with pytest.raises(SeeError, match="2 polyglot models of en"):
        Polyglot("en")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: archive(path),
        lambda path: archive(path, ("model", binary(path.parents[4], {"a": "dictionary"}))),
        lambda path: archive(path, ("model", binary(path.parents[4], morfessor.BaselineModel()))),
        lambda path: path.rename(path.with_suffix(".model")),
    ],
)
def test_a_model_that_cannot_be_used(data: Path, damage: Callable[[Path], None]) -> None:
    damage(write_model(WORDS, data, "en"))
    with pytest.raises(SeeError, match=r"polyglot cannot use .*morph2\.en\.tar.*; replace it") as caught:
        Polyglot("en")
    assert "\n" not in str(caught.value)


def test_without_polyglot(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polyglot", None)
    with pytest.raises(SeeError, match=r"cannot import polyglot \(.*\); run scripts/setup.sh --polyglot"):
        Polyglot("en")


def test_methods_can_be_pickled_beside_polyglot(data: Path):
    write_model(WORDS, data, "en")
    copyreg.pickle(MethodType, _pickle_method)
    with pytest.raises(AttributeError):
        pickle.dumps(Path("a").joinpath)
    Polyglot("en")
    assert pickle.loads(pickle.dumps(Path("a").joinpath))("b") == Path("a/b")
