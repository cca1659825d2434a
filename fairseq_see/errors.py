"""The one error a user can cause: one line that names what is wrong, where, and what to do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class SeeError(ValueError):
    """Bad input. The command line prints its message after ``error:`` and exits with status 2."""


class InfeasibleRatio(SeeError):
    """A compression ratio that no setting of the method reaches.

    Attributes:
        nearest: the nearest ratio that can be reached.
    """

    def __init__(self, message: str, nearest: float) -> None:
        super().__init__(message)
        self.nearest = nearest


@contextmanager
def needs_extra(name: str) -> Iterator[None]:
    """Raise SeeError if the block misses a package, naming the extra of this one that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SeeError(
            f"this needs the package {error.name}, which is not installed: pip install 'fairseq_see[{name}]'"
        ) from error


@contextmanager
def ends_in_one_line() -> Iterator[None]:
    """End the program with status 2 and one line on stderr if the block raises :class:`SeeError`."""
    try:
        yield
    except SeeError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
