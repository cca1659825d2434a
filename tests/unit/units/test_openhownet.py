"""HowNet through the real package, from files generated here."""

import io
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from OpenHowNet import Download

from fairseq_see.errors import SeeError
from fairseq_see.units import Senses, openhownet
from tests.helpers import ROOT
from tests.openhownet import concept, concepts_of, write_resources

CONCEPTS = [
    concept("{human|人:HostOf={Occupation|职位},domain={education|教育},{teach|教:agent={~}}}", "教师", "teacher"),
    concept('{earth|大地:belong="Africa|非洲",modifier={ProperName|专}};{earth|大地:belong="Asia|亚洲"}', "亚非"),
    concept("{part|部件:PartPosition={mouth|口},whole={part|部件}}", en=" lip\t"),
    concept("{money|货币:{the Bahamas|巴哈马}}", en="Bahamian\ndollar"),
    concept("{touch|触:instrument={part|部件}}", en="lip"),
    concept("{?}", "的", "of"),
    concept("", "了"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_resources(tmp_path / "hownet", CONCEPTS)


def refusal(folder: Path) -> str:
    with pytest.raises(SeeError) as error:
        openhownet.load(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_definition_in_its_own_order_each_sememe_once(folder: Path) -> None:
    senses = openhownet.load(folder)
    teacher = ("human|人", "Occupation|职位", "education|教育", "teach|教")
    assert senses.find("教师", "zh") == senses.find("teacher", "en") == [teacher]
    assert senses.find("亚非", "zh") == [("earth|大地", "Africa|非洲", "ProperName|专", "Asia|亚洲")]
    # Two concepts of one word, with and without spaces around it, in HowNet's order.
    assert senses.find("lip", "en") == [("part|部件", "mouth|口"), ("touch|触", "part|部件")]
    assert senses.find("Bahamian dollar", "en") == [("money|货币", "the_Bahamas|巴哈马")]
    assert senses.list_words("zh") == ["教师", "亚非"]
    assert senses.list_words("en") == ["teacher", "lip", "Bahamian dollar"]


def test_a_whole_lexicon_comes_through_unchanged(tmp_path: Path) -> None:
    expected = Senses.load(ROOT / "data/senses.tsv")
    openhownet.load(write_resources(tmp_path, concepts_of(expected))).save(tmp_path / "senses.tsv")
    for senses in (openhownet.load(tmp_path), Senses.load(tmp_path / "senses.tsv")):
        for language in ("zh", "en"):
            assert senses.list_words(language) == expected.list_words(language)
            for word in expected.list_words(language):
                assert senses.find(word, language) == expected.find(word, language)


def test_either_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    usual = Download.OPENHOWNET_RESOURCE_PATH
    assert str(openhownet.find_default_folder()) == usual
    monkeypatch.chdir(folder / "resources")
    for path in (folder, folder / "resources", Path("."), Path("..")):
        assert openhownet.load(path).list_words("zh") == ["教师", "亚非"]
        assert openhownet.hash_files(path) == openhownet.hash_files(folder)
    # The package is left as it was, and what it prints is kept back.
    assert usual == Download.OPENHOWNET_RESOURCE_PATH
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", openhownet.FILES)
def test_missing_changed_and_damaged_files(folder: Path, name: str) -> None:
    file, before = folder / "resources" / name, openhownet.hash_files(folder)
    whole = file.read_bytes()
    file.write_bytes(whole + b"\n")
    assert openhownet.hash_files(folder) != before
    for damaged in (b"\xff\xfe", whole[: len(whole) // 2 - 1]):
        file.write_bytes(damaged)
        assert "are damaged" in refusal(folder)
    file.unlink()
    assert f"{folder / 'resources'}: {name} missing" in refusal(folder)
    assert f"--openhownet {folder} --download" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("HowNet_dict_complete", ["a", "list"], "AttributeError"),
        ("HowNet_dict_complete", {"0": {"No": "0", "word": "打"}}, "KeyError: 'en_word'"),
        ("HowNet_dict_complete", {"0": {"No": "0", **concept("{beat|打}", "打")}}, "KeyError: 'beat|打'"),
        ("sememe_all", {"human": 1}, "ValueError"),
    ],
)
def test_pickles_of_something_else(folder: Path, name: str, content: Any, problem: str) -> None:
    write_resources(folder, CONCEPTS, **{name: content})
    message = refusal(folder)
    assert f"{folder / 'resources'} are damaged, or not those of OpenHowNet 2" in message
    assert problem in message


def test_without_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "OpenHowNet", None)
    assert refusal(folder).startswith("this needs the package OpenHowNet")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that the package downloads ``resources.zip`` from; it is not there yet."""
    served = tmp_path / "site"
    served.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(Download, "OPENHOWNET_DATA_URL", f"http://127.0.0.1:{server.server_port}/resources.zip")
    yield served
    server.shutdown()
    server.server_close()


def archive(resources: Path, *names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.write(resources / name, name)
    return packed.getvalue()


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")  # the package's bar counts whole kilobytes
def test_download(site: Path, folder: Path, tmp_path: Path) -> None:
    (site / "resources.zip").write_bytes(archive(folder / "resources", *openhownet.FILES))
    (tmp_path / "empty/resources").mkdir(parents=True)
    for target in (tmp_path / "new/folder", tmp_path / "empty", tmp_path / "other/resources"):
        openhownet.download(target)
        assert openhownet.hash_files(target) == openhownet.hash_files(folder)
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"resources"}
    # What is there stays, and nothing is asked for.
    (site / "resources.zip").unlink()
    openhownet.download(tmp_path / "empty")


def test_a_failed_download_leaves_nothing(
    site: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = archive(folder / "resources", *openhownet.FILES)
    part = archive(folder / "resources", "sememe_all")
    before = sorted(tmp_path.rglob("*"))
    for content, problem in ((None, "BadZipFile"), (whole[:99], "BadZipFile"), (part, "HowNet_dict_complete missing")):
        if content:
            (site / "resources.zip").write_bytes(content)
        with pytest.raises(SeeError, match=f"cannot download HowNet from .* to .*{problem}"):
            openhownet.download(tmp_path / "new/folder")
    monkeypatch.setattr(Download, "OPENHOWNET_DATA_URL", "http://127.0.0.1:1/resources.zip")
    with pytest.raises(SeeError, match=r"cannot download .*ConnectionError"):
        openhownet.download(tmp_path / "new/folder")
    (site / "resources.zip").unlink()
    assert sorted(tmp_path.rglob("*")) == before
    (folder / "resources/sememe_all").unlink()
    with pytest.raises(SeeError, match="resources is there, but lacks files of HowNet; remove it first"):
        openhownet.download(folder)
    assert (folder / "resources/HowNet_dict_complete").exists()
