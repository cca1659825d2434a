"""polyglot 16.7.4 (Al-Rfou 2015): a Morfessor model of each language, in a folder that polyglot looks into.

The folder is ``$POLYGLOT_DATA_PATH/polyglot_data/morph2/LANGUAGE`` (without the variable, below the home folder). It
holds one ``.tar.bz2`` with one file, a binary model of Morfessor. polyglot used to download these from a server that no
longer has them; ``python -m experiments morphology`` trains one.
"""

import copyreg
from pathlib import Path
from types import MethodType

from fairseq_see.errors import SeeError
from fairseq_see.units.morphology.case import segment_lower


class Polyglot:
    """Words as polyglot segments them with the model it has; case is a morpheme of its own, as in ``Morfessor``.

    A model is a pickle, which Morfessor loads for polyglot and which can run any code: use only models you trust.

    Args:
        language: polyglot's code of the language, such as ``en``.

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
        folder = Path(load.polyglot_path, "morph2", language)
        files = list(folder.iterdir()) if folder.is_dir() else []
        if len(files) != 1:
            # Of several polyglot would take any, and without one ask its server.
            found = f"{len(files)} polyglot models" if files else "no polyglot model"
            raise SeeError(
                f"{found} of {language} in {folder}, 1 is needed; train one with python -m experiments morphology "
                f"--lang {language}, and set POLYGLOT_DATA_PATH as it prints"
            )
        self.model, self.language, self._word = files[0], language, Word
        try:
            # polyglot keeps what it has loaded. A model without content only fails when it is used.
            load.load_morfessor_model(lang=language).viterbi_segment("a")
        except Exception as error:  # whatever a damaged archive or a strange pickle raises
            raise SeeError(
                f"polyglot cannot use {self.model} ({type(error).__name__}); replace it by a tar.bz2 of one binary "
                f"Morfessor model, such as python -m experiments morphology writes"
            ) from error

    def segment(self, word: str) -> list[str]:
        """The morphemes of a word, after a marker of its case."""
        return segment_lower(word, lambda text: map(str, self._word(text, language=self.language).morphemes))
