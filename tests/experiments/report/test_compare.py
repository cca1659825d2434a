"""Under which ratio a cell stands."""

from types import SimpleNamespace

import pytest

from experiments.report.compare import _column


@pytest.mark.parametrize(
    ("compresses", "asked", "ratio", "column"),
    [
        (False, None, 1.0, None),
        (True, 10.0, 10.2, 10.0),
        # The nearest of those within 3%, not the first.
        (True, None, 10.0, 10.0),
        (True, None, 9.85, 9.8),
        (True, None, 13.04, 13.0),
    ],
)
def test_a_ratio_that_nobody_asked_for_stands_under_the_nearest(compresses, asked, ratio, column):
    result = SimpleNamespace(compresses=compresses, asked=asked, ratio=ratio)
    assert _column(result, [9.8, 10.0, 20.0]) == column
