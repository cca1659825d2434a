"""Files that are either whole or absent."""

import os
import sys

import pytest

from fairseq_see.errors import SeeError
from fairseq_see.io import _swap, check_outputs, replace_file, replace_folder


@pytest.fixture
def umask():
    """One that lets the group read."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_what_is_written_is_as_readable_as_any_file_of_the_user(tmp_path):
    with replace_file(tmp_path / "file") as temporary:
        temporary.write_text("x")
    with replace_folder(tmp_path / "folder") as new:
        (new / "private").touch(mode=0o600)
    for path in (tmp_path / "file", tmp_path / "folder/private"):
        assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("swaps", [True, False])
def test_a_folder_is_replaced_as_a_whole(tmp_path, monkeypatch, swaps):
    """Also where the system cannot swap two folders in one step."""
    if not swaps:
        monkeypatch.setattr("fairseq_see.io._swap", lambda first, second: False)
    for name in ("first", "second"):
        with replace_folder(tmp_path / "folder") as new:
            (new / name).touch()
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]
        assert [path.name for path in (tmp_path / "folder").iterdir()] == [name]


def test_folders_are_swapped_in_one_step(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"in-{name}").touch()
    if sys.platform == "linux":
        assert _swap(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "a/in-b").exists() and (tmp_path / "b/in-a").exists()
    assert not _swap(tmp_path / "a", tmp_path / "absent")


def test_a_place_that_cannot_be_written_to_is_known_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    check_outputs({"--output": tmp_path / "new/folder/out.pt"}, [])
    with pytest.raises(SeeError, match=f"cannot write .*: {tmp_path}/file is no folder that you may write to"):
        check_outputs({"--output": tmp_path / "file/new/out.pt"}, [])
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != tmp_path)
    with pytest.raises(SeeError, match=f"{tmp_path} is no folder that you may write to; choose another"):
        check_outputs({"--output": tmp_path / "new/out.pt"}, [])
