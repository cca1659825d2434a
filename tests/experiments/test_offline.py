"""The archive for a machine without network, with a stand-in for pip; docs/offline.md has the whole way."""

import tarfile
from pathlib import Path

import pytest

from experiments import offline
from fairseq_see.errors import SeeError


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, ...]]:
    """What pip is asked for; it writes empty files, and finds no published wheel of sacremoses."""
    words: list[tuple[str, ...]] = []

    def run_pip(*given: str) -> None:
        words.append(given)
        action, name = given[0], given[-1].partition("==")[0]
        if action == "download" and name == "sacremoses":
            raise SeeError("pip cannot")
        folder = Path(given[given.index("-d" if action == "download" else "-w") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-1-py3-none-any.whl").touch()

    monkeypatch.setattr(offline, "run_pip", run_pip)
    monkeypatch.setattr(offline, "find_versions", lambda names: dict.fromkeys(("fairseq-fixed", "sacremoses"), "1"))
    return words


def test_an_archive_has_source_wheels_text_and_target(tmp_path, asked):
    prepared = tmp_path / "prepared"
    for name in ("tests.txt", "data-bin/dict.en.txt", "openhownet-zh.tsv"):
        (prepared / name).parent.mkdir(parents=True, exist_ok=True)
        (prepared / name).touch()
    offline.pack(tmp_path / "a.tar.gz", "3.12", "manylinux_2_28_x86_64", prepared, ["table2", "scale=paper"])
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        names = {*archive.getnames()}
        assert archive.extractfile("target").read() == b"table2\nscale=paper\n"
    assert {"run.sh", "source/experiments/Snakefile", "source/COMMIT", "wheels/sacremoses-1-py3-none-any.whl"} <= names
    # HowNet's senses are not ours to pass on.
    assert {name for name in names if name.startswith("prepared/")} == {
        *("prepared/tests.txt", "prepared/data-bin", "prepared/data-bin/dict.en.txt")
    }
    assert [(words[0], words[-1]) for words in asked] == [
        *(("download", "sacremoses==1"), ("wheel", "sacremoses==1"), ("download", "fairseq-fixed==1"))
    ]
    assert {"--python-version=3.12", "--platform=manylinux_2_17_x86_64", "--only-binary=:all:"} <= {*asked[0]}


def test_a_folder_that_is_not_prepared_is_refused(tmp_path):
    with pytest.raises(SeeError, match=r"was not made by scripts/prepare\.sh"):
        offline.pack(tmp_path / "a.tar.gz", "3.12", "any", tmp_path, ["table2"])


def test_the_installed_versions_are_those_of_all_that_is_needed():
    found = offline.find_versions(("sacrebleu",))
    # What sacrebleu needs, but not what the other machine has.
    assert {"sacrebleu", "portalocker"} <= found.keys() and "numpy" not in found
