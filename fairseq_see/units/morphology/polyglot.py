"""polyglot 16.7.4 (Al-Rfou 2015): a Morfessor model of each language, in a folder that polyglot looks into.

The folder is ``$POLYGLOT_DATA_PATH/polyglot_data/morph2/LANGUAGE`` (without the variable, below the home folder). It
holds one ``.tar.bz2`` with one file, a binary model of Morfessor. polyglot used to download these from a server that no
longer has them; :func:`write_model` trains one.
"""

import copyreg
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MethodType

from fairseq_see.errors import SeeError
from fairseq_see.units.morphology import spelling
from fairseq_see.units.morphology.morfessor import train_baseline


class Polyglot:
    """Words as polyglot segments them with the model it has; case is a morpheme of its own, as in ``Morfessor``.

    A model is a pickle, which Morfessor loads for polyglot and which can run any code: use only models you trust.

    Args:
        language: polyglot's code of the language, such as ``en``.

    Attributes:
        model: the archive in use.

    Raises:
        SeeError: polyglot is not installed, or has no model of the language, several, or one that cannot be used.
    """

    def __init__(self, language: str) -> None:
        try:
            from polyglot import load
            from polyglot.text import Word
            from polyglot.utils import _pickle_method
        except ImportError as error:
            raise SeeError(f"cannot import polyglot ({error}); run scripts/setup.sh --polyglot") from error
        # To be imported is enough for polyglot to have all methods of the program pickled as only Python 2 can.
        if copyreg.dispatch_table.get(MethodType) is _pickle_method:
            del copyreg.dispatch_table[MethodType]
        self.language = language
        self.model = _only_model(Path(load.polyglot_path, "morph2", language), language)
        try:
            # polyglot keeps what it has loaded. A model without content only fails when it is used.
            load.load_morfessor_model(lang=language).viterbi_segment("a")
        except Exception as error:  # there is no telling what a damaged archive or a strange pickle raises
            raise SeeError(
                f"polyglot cannot use {self.model} ({type(error).__name__}); replace it by a tar.bz2 of one binary "
                f"Morfessor model, such as python -m experiments morphology writes"
            ) from error
        self._word = Word

    def segment(self, word: str) -> list[str]:
        """The morphemes of a word, after a marker of its case."""
        return spelling.segment(word, lambda text: map(str, self._word(text, language=self.language).morphemes))


def _only_model(folder: Path, language: str) -> Path:
    """The one file in the folder: polyglot would take any, and without one ask its server."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    if not files:
        unset = "" if "POLYGLOT_DATA_PATH" in os.environ else " (POLYGLOT_DATA_PATH is not set)"
        raise SeeError(
            f"no polyglot model of {language} in {folder}{unset}, and polyglot's server no longer has any; "
            f"train one with python -m experiments morphology --lang {language}"
        )
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise SeeError(f"{folder} holds {names}, of which polyglot reads any; leave only the model there")
    return files[0]


def write_model(words: Iterable[str], data_path: str | Path, language: str, seed: int = 1) -> Path:
    """Train Morfessor Baseline and put the model where polyglot looks if POLYGLOT_DATA_PATH is ``data_path``.

    An earlier model that was written by this function is replaced.

    Args:
        words: each type counts once, in lower case; see :func:`train_baseline`.
        data_path: models of several languages can share it.
        language: polyglot's code of the language, such as ``en``.
        seed: of the training; the same types and seed give the same bytes.

    Returns:
        The archive.

    Raises:
        SeeError: no words, a folder that cannot be written to, or another file where the model has to be alone.
    """
    folder = Path(data_path, "polyglot_data", "morph2", language)
    archive = folder / f"morph2.{language}.tar.bz2"
    try:
        others = [file for file in folder.iterdir() if file != archive] if folder.is_dir() else []
        if others:
            raise SeeError(f"{others[0]} is in the way: polyglot would read it or the new model; move it elsewhere")
        # Made beside polyglot's folder, not in it, for polyglot reads any file there; and before the training, to know
        # at once whether it can be written.
        Path(data_path).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=data_path) as scratch:
            packed = _packed(train_baseline(words, seed), Path(scratch, archive.name))
            folder.mkdir(parents=True, exist_ok=True)
            packed.replace(archive)
    except OSError as error:
        raise SeeError(f"cannot write {archive}: {error.strerror or error}; choose another folder") from error
    return archive


def _packed(model: object, path: Path) -> Path:
    """A ``morfessor.BaselineModel`` as the only member of an archive, with nothing of this machine or of today."""
    import morfessor

    binary = path.with_suffix(".model")
    morfessor.MorfessorIO().write_binary_model_file(str(binary), model)
    member = tarfile.TarInfo("morfessor.model")
    member.size = binary.stat().st_size
    with tarfile.open(path, "w:bz2") as archive, binary.open("rb") as content:
        archive.addfile(member, content)
    return path
