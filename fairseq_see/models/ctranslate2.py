"""A trained model for CTranslate2, an inference engine that needs neither fairseq nor torch."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from fairseq_see.errors import SeeError, needs_extra
from fairseq_see.export_config import CONFIG, WEIGHTS, write_config
from fairseq_see.io import replace_folder
from fairseq_see.models.checkpoint import save_checkpoint
from fairseq_see.models.export import TrainedModel, check_replaceable, copy_files
from fairseq_see.models.to_dense import make_dense

QUANTIZATIONS = ("int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32")


def write_ctranslate2(folder: Path, model: TrainedModel, quantization: str | None = None) -> None:
    """Convert a model, its embedding matrices written out, with CTranslate2's converter of fairseq models.

    Args:
        folder: what to write; an earlier one is replaced.
        model: a ``see_transformer``.
        quantization: one of QUANTIZATIONS, or None for the precision of the checkpoint.

    Raises:
        SeeError: no dictionaries, or a model that cannot be converted; the folder holds something else, is not writable
            or full; the package ctranslate2 is missing.
    """
    with needs_extra("ctranslate2"):
        import ctranslate2
        from ctranslate2.converters import FairseqConverter
    check_replaceable(folder)
    # From what is converted nothing small can be made again.
    if (folder / WEIGHTS).exists():
        raise SeeError(f"{folder} is an exported model, which this would replace; choose another folder")
    if not model.files:
        raise SeeError("a model for CTranslate2 needs its dictionaries; --data is the folder that has them")
    state = make_dense(model.state, model.embeddings)
    with replace_folder(folder) as new, TemporaryDirectory(dir=new.parent) as scratch:
        checkpoint = Path(scratch, "dense.pt")
        save_checkpoint(checkpoint, state)
        copy_files(model.files, Path(scratch))
        try:
            converter = FairseqConverter(str(checkpoint), scratch, *model.languages)
            converter.convert(str(new), quantization=quantization, force=True)
        # What a model has that CTranslate2 does not, it lists in several lines.
        except (ValueError, NotImplementedError) as error:
            raise SeeError(f"CTranslate2 cannot convert this model: {' '.join(str(error).split())}") from error
        if model.text:
            name = model.text["source"]["subwords"]
            copy_files({name: model.files[name]}, new)
        write_config(new, {**json.loads((new / CONFIG).read_text(encoding="utf-8")), "text": model.text})
        ctranslate2.Translator(str(new), device="cpu")
