"""The ``--see-...`` options: which embedding a model is built with. Any fairseq model's dataclass can inherit them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass

from fairseq_see.embeddings import REGISTRY
from fairseq_see.embeddings.base import INFERENCE_MODES
from fairseq_see.embeddings.init import INITS


@dataclass
class EmbeddingOptions(FairseqDataclass):
    """Options of the embedding; None leaves the choice to the method."""

    # fairseq's OmegaConf reads Optional[...], not X | None.
    see_method: ChoiceEnum(sorted(REGISTRY)) = field(  # type: ignore[valid-type]
        default="see", metadata={"help": "embedding method"}
    )
    see_ratio: Optional[float] = field(
        default=None, metadata={"help": "compress each embedding table this many times (or give --see-m)"}
    )
    see_m: Optional[str] = field(
        default=None,
        metadata={"help": "vectors of each basic unit: a number, or SEMEMES,MORPHEMES; instead of --see-ratio"},
    )
    see_whole_m: Optional[bool] = field(
        default=None, metadata={"help": "plan --see-ratio with a whole m, as the paper does, however coarse"}
    )
    see_share: Optional[float] = field(
        default=None,
        metadata={"help": "plan --see-ratio with so many vectors for a sememe for each of a morpheme (default: 1)"},
    )
    see_head: Optional[float] = field(
        default=None,
        metadata={"help": "part of the units, used most, that shares about half of all vectors; 0: none (see: 0.2)"},
    )
    see_order: Optional[int] = field(default=None, metadata={"help": "order the unit index must have"})
    see_rank: Optional[int] = field(default=None, metadata={"help": "rank the unit index must have"})
    see_index: Optional[str] = field(
        default=None,
        metadata={
            "help": "unit index: a folder with dict.LANG.see of both languages (default: the data folder), "
            "a file for both sides, or SOURCE.see:TARGET.see; looked for in the data folder too"
        },
    )
    see_layernorm: Optional[bool] = field(default=None, metadata={"help": "normalise each reconstructed row"})
    see_bias: Optional[bool] = field(default=None, metadata={"help": "add a bias to every row (matrix)"})
    see_init: Optional[ChoiceEnum(list(INITS))] = field(  # type: ignore[valid-type]
        default=None, metadata={"help": "start of the vectors (default: balanced, matched to a dense table's variance)"}
    )
    see_inference: ChoiceEnum(list(INFERENCE_MODES)) = field(  # type: ignore[valid-type]
        default="cached", metadata={"help": "in eval mode keep the whole table (fast), or only its factors (small)"}
    )
    see_resolved: Optional[str] = field(
        default=None, metadata={"help": "written by the model itself: what the options above came to (JSON)"}
    )


def set_defaults(args: Any, options: type[FairseqDataclass], preset: Mapping[str, Any] | None = None) -> None:
    """Set the options that ``args`` lacks, or has as None, to those of a preset, or else to their defaults.

    What is by default another option of fairseq's configuration is left to fairseq.
    """
    for option in fields(options):
        elsewhere = isinstance(option.default, str) and option.default.startswith("${")
        if getattr(args, option.name, None) is None and not option.name.startswith("_") and not elsewhere:
            setattr(args, option.name, (preset or {}).get(option.name, option.default))
