"""Steps that are files."""

import pytest

from experiments.llm.cached_step import check_settings, once
from fairseq_see.errors import SeeError


def test_a_step_is_done_once_and_a_failed_one_again(tmp_path):
    path = tmp_path / "new" / "step.json"
    with pytest.raises(ZeroDivisionError):
        once(path, lambda: 1 / 0)
    assert not path.exists()
    made = [once(path, lambda number=number: {"number": number}) for number in (1, 2)]
    assert made == [{"number": 1}, {"number": 1}] and [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"fit_epochs": 3}, {"fit_epochs": 4}, "x was made with --fit-epochs 3, not 4; choose another folder"),
        ({}, {"seed": 1}, "--seed None, not 1"),
    ],
)
def test_other_settings_are_refused(before, now, message):
    check_settings("x", before, {})
    check_settings("x", now, now)
    with pytest.raises(SeeError, match=message):
        check_settings("x", before, now)
