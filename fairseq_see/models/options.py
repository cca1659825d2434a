"""The ``--see-...`` options: which embedding a model is built with. Any fairseq model's dataclass can inherit them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models import register_model_architecture

from fairseq_see.embeddings import REGISTRY
from fairseq_see.embeddings.base import INFERENCE_MODES
from fairseq_see.errors import SeeError


def declare(default: Any, help: str) -> Any:
    """A field of a dataclass of options."""
    return field(default=default, metadata={"help": help})


@dataclass
class EmbeddingOptions(FairseqDataclass):
    """Options of the embedding; None leaves the choice to the method."""

    # A string, so that methods of a user's own are known; fairseq's OmegaConf reads Optional[...], not X | None.
    see_method: str = declare("see", f"embedding method: {', '.join(sorted(REGISTRY))}")
    see_ratio: Optional[float] = declare(None, "compress each embedding matrix this many times, by at most 3% more")
    see_args: Any = declare(  # noqa: RUF009
        None,
        "hyper-parameters of the method: NAME=VALUE,... (a mapping in YAML), for example layernorm=false,vectors=9; "
        "fairseq-see plan --list-options names them",
    )
    see_index: Optional[str] = declare(
        None,
        "unit index: a folder with dict.LANG.see of both languages (default: the data folder), a file for both sides, "
        "or SOURCE.see:TARGET.see; looked for in the data folder too",
    )
    see_inference: ChoiceEnum(list(INFERENCE_MODES)) = declare(  # type: ignore[valid-type]  # noqa: RUF009
        "auto", "in eval mode keep the whole matrix (fast), or only its factors (small); auto: what is faster"
    )
    see_resolved: Optional[str] = declare(None, "written by the model itself: its embeddings, as JSON")


def set_defaults(args: Any, options: type[FairseqDataclass], preset: Mapping[str, Any] | None = None) -> None:
    """Set the options that ``args`` lacks, or has as None, to those of a preset, or else to their defaults.

    What is by default another option of fairseq's configuration is left to fairseq.
    """
    for option in fields(options):
        elsewhere = isinstance(option.default, str) and option.default.startswith("${")
        if getattr(args, option.name, None) is None and not option.name.startswith("_") and not elsewhere:
            setattr(args, option.name, (preset or {}).get(option.name, option.default))


def register_presets(model: str, options: type[FairseqDataclass], presets: Mapping[str, Mapping[str, Any]]) -> None:
    """Register architectures of a model, by name the options that they preset."""
    for name, preset in presets.items():
        register_model_architecture(model, name)(partial(set_defaults, options=options, preset=preset))


def refuse_options(args: Any, names: Iterable[str], model: str) -> None:
    """Raise SeeError if one of fairseq's options is given that a model of this package does not have."""
    for name in names:
        if getattr(args, name, None):
            raise SeeError(f"--{name.replace('_', '-')} does not go with {model}; leave it out")
