import pytest

from fairseq_see.embeddings.roots import ceil_root


@pytest.mark.parametrize("degree", [2, 3, 4, 5, 9])
def test_ceil_root_is_the_smallest_that_reaches(degree):
    for number in [*range(1, 300), *(b**degree + c for b in (5, 6, 8, 31) for c in (-1, 0, 1))]:
        root = ceil_root(number, degree)
        assert root**degree >= number
        assert root == 1 or (root - 1) ** degree < number


def test_exact_fifth_power():
    assert ceil_root(3125, 5) == 5
