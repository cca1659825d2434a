"""Files that are either whole or absent."""

import os

import pytest

from fairseq_see.io import replacing, replacing_folder


@pytest.fixture
def umask():
    """One that lets the group read."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_what_is_written_is_as_readable_as_any_file_of_the_user(tmp_path):
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("x")
    with replacing_folder(tmp_path / "folder") as new:
        (new / "private").touch(mode=0o600)
    for path in (tmp_path / "file", tmp_path / "folder/private"):
        assert path.stat().st_mode & 0o777 == 0o640
