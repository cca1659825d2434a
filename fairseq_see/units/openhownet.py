"""HowNet's senses through the OpenHowNet package (Qi et al., arXiv 1901.09957), version 2.

HowNet's files are pickles, and only the package that owns them opens them. A pickle can run code: take one only from
where you would take a program.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fairseq_see.errors import SeeError, needs_extra
from fairseq_see.units.senses import Sense, Senses

FILES = ("sememe_all", "sememe_triples_taxonomy.txt", "HowNet_dict_complete")

# Part of the fingerprint: a table that an older _read_sense or _clean_word made is not taken for today's.
_EXTRACTION = 1

_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]+")


def find_default_folder() -> Path:
    """The folder in which the package keeps ``resources``."""
    return Path.home() / ".openhownet"


def list_files(folder: str | Path) -> list[Path]:
    """HowNet's files, or SeeError if one is missing; ``folder`` as for ``load``."""
    home = _find_home(folder)
    files = [home / "resources" / name for name in FILES]
    if missing := [file.name for file in files if not file.is_file()]:
        raise SeeError(
            f"no HowNet in {home / 'resources'}: {', '.join(missing)} missing; name the folder that has it, "
            f"or fetch it: fairseq-see index DICT --openhownet {home} --download"
        )
    return files


def hash_files(folder: str | Path) -> str:
    """16 hexadecimal digits that change when HowNet's files do; ``folder`` as for ``load``."""
    digest = hashlib.sha256(bytes([_EXTRACTION]))
    for file in list_files(folder):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def load(folder: str | Path) -> Senses:
    """The senses of HowNet's concepts, in HowNet's order.

    A concept is a sense of its Chinese and of its English word. Its sememes are in the order of its definition, each
    once (the package's ``get_sememe_list`` gives a set, in another order in each run). One without sememes is no sense.

    ``folder`` holds OpenHowNet's files, or the folder ``resources`` that does; SeeError if some are missing or others.
    """
    list_files(folder)
    home, package = _find_home(folder), _import_package()
    try:
        with _look_in(home, package):
            hownet = package.HowNetDict()
        concepts = {"zh": hownet.zh_map, "en": hownet.en_map}
    except Exception as error:  # whatever unpickling and parsing what is not HowNet raises
        raise SeeError(
            f"the files in {home / 'resources'} are damaged, or not those of OpenHowNet 2: {_shorten(error)}"
        ) from error
    entries: dict[str, dict[str, list[Sense]]] = {code: {} for code in concepts}
    for code, words in concepts.items():
        for name, meanings in words.items():
            senses = [sense for sense in map(_read_sense, meanings) if sense]
            word = _UNFIT.sub(" ", name).strip()
            if senses and word:
                entries[code].setdefault(word, []).extend(senses)
    return Senses(entries)


def download(folder: str | Path) -> None:
    """Let the package download HowNet to ``folder/resources``, unless something is there; all of it or nothing.

    SeeError if it cannot be downloaded or written, or what is there is not all of HowNet.
    """
    home = _find_home(folder)
    target = home / "resources"
    if target.is_dir() and any(target.iterdir()):
        if not all((target / name).is_file() for name in FILES):
            raise SeeError(f"{target} is there, but lacks files of HowNet; remove it first")
        return
    # Not in the folder itself: a failure would leave that behind, empty.
    existing = next(path for path in (home, *home.parents) if path.is_dir())
    package = _import_package()
    source = package.Download.OPENHOWNET_DATA_URL
    try:
        with TemporaryDirectory(dir=existing, prefix=".openhownet.") as temporary:
            with _look_in(Path(temporary), package):
                package.download()
            list_files(temporary)
            home.mkdir(parents=True, exist_ok=True)
            Path(temporary, "resources").replace(target)
    # The package checks nothing: a lost connection, an error page and a full disk all end in exceptions of their own.
    except Exception as error:
        raise SeeError(f"cannot download HowNet from {source} to {target}: {_shorten(error)}") from error


def _find_home(folder: str | Path) -> Path:
    """The folder above ``resources``: that is where the package wants to look."""
    path = Path(folder).absolute()
    return path.parent if path.name == "resources" and not (path / "resources").is_dir() else path


def _import_package() -> Any:
    with needs_extra("units"):
        import OpenHowNet
    return OpenHowNet


@contextmanager
def _look_in(home: Path, package: Any) -> Iterator[None]:
    """Within the block the package looks for ``resources`` in ``home``; what it prints is dropped."""
    usual = package.Download.OPENHOWNET_RESOURCE_PATH
    package.Download.OPENHOWNET_RESOURCE_PATH = str(home)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        package.Download.OPENHOWNET_RESOURCE_PATH = usual


def _read_sense(concept: Any) -> Sense:
    return tuple(dict.fromkeys("_".join(sememe.en_zh.split()) for sememe in concept.sememes))


def _shorten(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
