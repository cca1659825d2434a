"""HowNet's senses through the OpenHowNet package (Qi et al., arXiv 1901.09957), version 2.

HowNet's files are pickles, and only the package that owns them opens them. A pickle can run code: take one only from
where you would take a program.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fairseq_see.errors import SeeError
from fairseq_see.units.senses import LONGEST_WORD, Sense, Senses

FILES = ("sememe_all", "sememe_triples_taxonomy.txt", "HowNet_dict_complete")

# Part of the fingerprint: a table that an older _sense or _word made is not taken for today's.
_EXTRACTION = 1

_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]+")


def default_folder() -> Path:
    """The folder in which the package keeps ``resources``, told without importing it."""
    return Path(os.path.expanduser("~"), ".openhownet")


def files(folder: str | Path) -> list[Path]:
    """HowNet's files, each of which can be opened; ``folder`` as for ``load``.

    Raises:
        SeeError: a file is missing or cannot be read.
    """
    home = _home(folder)
    missing = _missing(home)
    if missing:
        raise SeeError(
            f"no HowNet in {home / 'resources'}: {', '.join(missing)} missing; name the folder that has it, "
            f"or fetch it: fairseq-see index DICT --openhownet {home} --download"
        )
    paths = [home / "resources" / name for name in FILES]
    for file in paths:
        try:
            file.open("rb").close()
        except OSError as error:
            raise SeeError(f"cannot read {file}: {error.strerror}") from error
    return paths


def fingerprint(folder: str | Path) -> str:
    """16 hexadecimal digits that change when HowNet's files do; ``folder`` as for ``load``.

    Raises:
        SeeError: a file is missing or cannot be read.
    """
    digest = hashlib.sha256(bytes([_EXTRACTION]))
    for file in files(folder):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def load(folder: str | Path) -> Senses:
    """The senses of HowNet's concepts, in HowNet's order.

    A concept is a sense of its Chinese and of its English word. Its sememes are in the order of its definition, each
    once. (``get_sememe_list``, the package's own way to them, gives a set, whose order changes from run to run, and
    leaves out the second of two alternative definitions.) A concept without a sememe is no sense.

    Args:
        folder: holds OpenHowNet's files, or the folder ``resources`` that holds them.

    Raises:
        SeeError: files are missing, cannot be read, or are not those of OpenHowNet 2.
    """
    files(folder)
    home = _home(folder)
    hownet = _hownet(home)
    entries: dict[str, dict[str, list[Sense]]] = {}
    for language, concepts in (("zh", hownet.zh_map), ("en", hownet.en_map)):
        words = entries[language] = {}
        for name, meanings in concepts.items():
            senses = [sense for sense in map(_sense, meanings) if sense]
            word = _word(name)
            if senses and 0 < len(word) <= LONGEST_WORD:
                words.setdefault(word, []).extend(senses)
    if not any(entries.values()):
        raise SeeError(f"HowNet in {home / 'resources'} has no word with a sense; is it HowNet?")
    return Senses(entries)


def download(folder: str | Path) -> None:
    """Let the package download HowNet to ``folder/resources``, unless it is there; all of it or nothing.

    Raises:
        SeeError: it cannot be downloaded or written, or something else is in its place.
    """
    home = _home(folder)
    if not _missing(home):
        return
    package = _package()
    target = home / "resources"
    try:
        if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
            raise SeeError(f"it is there, but lacks {', '.join(_missing(home))}; remove it first")
        # Not in the folder itself: a failure would leave that behind, empty.
        existing = next(path for path in (home, *home.parents) if path.is_dir())
        with TemporaryDirectory(dir=existing, prefix=".openhownet.") as temporary:
            with _looking_in(Path(temporary)), redirect_stdout(StringIO()):
                package.download()
            absent = _missing(Path(temporary))
            if absent:
                raise SeeError(f"{', '.join(absent)} did not come with it")
            home.mkdir(parents=True, exist_ok=True)
            Path(temporary, "resources").replace(target)
    # The package checks nothing: a lost connection, an error page and a full disk all end in exceptions of their own.
    except Exception as error:
        source = package.Download.OPENHOWNET_DATA_URL
        raise SeeError(f"cannot download HowNet from {source} to {target}: {_reason(error)}") from error


def _home(folder: str | Path) -> Path:
    """The folder above ``resources``: that is where the package wants to look."""
    path = Path(os.path.abspath(folder))
    inside = path.name == "resources" and not os.path.isdir(path / "resources")
    return path.parent if inside else path


def _missing(home: Path) -> list[str]:
    return [name for name in FILES if not os.path.exists(home / "resources" / name)]


def _package() -> Any:
    try:
        import OpenHowNet
        from OpenHowNet import Download

        if not hasattr(Download, "OPENHOWNET_RESOURCE_PATH"):
            raise ImportError("it is older than version 2")
    except ImportError as error:
        raise SeeError(f"cannot use the package OpenHowNet: {error}; pip install 'OpenHowNet>=2.0'") from error
    return OpenHowNet


@contextmanager
def _looking_in(home: Path) -> Iterator[None]:
    """Make the package look for ``resources`` in ``home``."""
    settings = _package().Download
    usual = settings.OPENHOWNET_RESOURCE_PATH
    settings.OPENHOWNET_RESOURCE_PATH = str(home)
    try:
        yield
    finally:
        settings.OPENHOWNET_RESOURCE_PATH = usual


def _hownet(home: Path) -> Any:
    """The package's HowNetDict, silently."""
    package, printed = _package(), StringIO()
    resources = home / "resources"
    try:
        with _looking_in(home), redirect_stdout(printed):
            hownet = package.HowNetDict()
    # Unpickling and parsing what is not HowNet may raise anything.
    except Exception as error:
        raise SeeError(
            f"the files in {resources} are damaged, or not those of OpenHowNet 2: {_reason(error)}"
        ) from error
    # If it misses a file it prints that and returns an object that is half built.
    if not hasattr(hownet, "en_map"):
        raise SeeError(f"OpenHowNet cannot read {resources}: {' '.join(printed.getvalue().split())}")
    return hownet


def _sense(concept: Any) -> Sense:
    names = (sememe.en_zh for sememe in concept.sememes)
    return tuple(dict.fromkeys("_".join(name.split()) for name in names))


def _word(name: str) -> str:
    """The word without characters that a line of text cannot hold."""
    return _UNFIT.sub(" ", name).strip()


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, SeeError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:300]
