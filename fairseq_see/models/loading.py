"""fairseq as its commands need it: exported models load, damaged ones end in one line, and two old names are there."""

from functools import wraps
from types import SimpleNamespace
from typing import Any

import numpy as np
from fairseq import checkpoint_utils
from fairseq.dataclass.utils import overwrite_args_by_name
from fairseq.tasks.translation_from_pretrained_bart import TranslationFromPretrainedBARTTask
from fairseq.trainer import Trainer
from omegaconf import OmegaConf

from fairseq_see.export_config import is_export
from fairseq_see.models.checkpoint import exit_on_error, load_checkpoint

# numpy 2 has no np.compat. fairseq asks it for one thing, an integer type, to read text a sentence at a time
# (--sample-break-mode eos).
if not hasattr(np, "compat"):
    np.compat = SimpleNamespace(long=int)  # type: ignore[attr-defined]

# fairseq 0.12 still reads the options of mBART's task by the name that they had in its older tasks.
if not hasattr(TranslationFromPretrainedBARTTask, "args"):
    TranslationFromPretrainedBARTTask.args = property(lambda task: task.cfg)

_load_to_cpu = checkpoint_utils.load_checkpoint_to_cpu


@exit_on_error()
@wraps(_load_to_cpu)
def load_checkpoint_to_cpu(
    path: str, arg_overrides: dict[str, Any] | None = None, load_on_all_ranks: bool = False
) -> dict[str, Any]:
    """A checkpoint or an exported model: the one door through which all of fairseq's commands go."""
    if is_export(path):
        state = load_checkpoint(path)
        state["cfg"] = OmegaConf.create(state["cfg"], flags={"allow_objects": True})
        if arg_overrides is not None:
            overwrite_args_by_name(state["cfg"], arg_overrides)
        return state
    try:
        return _load_to_cpu(path, arg_overrides, load_on_all_ranks)
    except Exception:
        # If the file is the cause, this names it in one line.
        load_checkpoint(path)
        raise


checkpoint_utils.load_checkpoint_to_cpu = load_checkpoint_to_cpu
checkpoint_utils.load_model_ensemble_and_task = exit_on_error()(checkpoint_utils.load_model_ensemble_and_task)
# It reports any cause as architectures that do not match.
Trainer.load_checkpoint = exit_on_error()(Trainer.load_checkpoint)
