"""The families of fairseq models whose embedding matrices can be replaced after training, and where these are."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from fairseq.models import MODEL_DATACLASS_REGISTRY

from fairseq_see.errors import SeeError

# Options of fairseq's Transformer that ours lacks and no parameter shows: the same weights would compute another thing.
COMPUTES_OTHERWISE = ("cross_self_attention", "encoder_xformers_att_config", "decoder_xformers_att_config")

# How a model was initialised, not what it is; and see_transformer refuses them.
INITIALISATION = {"encoder_embed_path", "decoder_embed_path"}


def _is_tied(options: Mapping[str, Any]) -> bool:
    return bool(options.get("share_all_embeddings") or options.get("share_decoder_input_output_embed"))


class Host(NamedTuple):
    """A family: fairseq's own model and the one of this package.

    Attributes:
        title: what fairseq's model is called.
        name: under which this package's is registered.
        mark: a parameter that is in every checkpoint of the family, and in none of those before it in HOSTS.
        matrices: side -> module of its embedding matrix.
        output: the output matrix, where the model has one of its own or saves a copy of a tied one.
        tied: whether the output is tied, given the model's options; ``untied``: the options where it is not.
    """

    title: str
    name: str
    mark: str
    matrices: Mapping[str, str]
    output: str = "decoder.output_projection.weight"
    tied: Callable[[Mapping[str, Any]], bool] = _is_tied
    untied: Mapping[str, Any] = {"share_decoder_input_output_embed": False}

    def convert(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the family's new model, without embeddings, from those of an old one."""
        chosen = {name: value for name, value in old.items() if value is not None and not name.startswith("see_")}
        if self.name not in MODEL_DATACLASS_REGISTRY:
            return chosen | {"arch": self.name}
        if other := sorted(name for name in COMPUTES_OTHERWISE if chosen.get(name)):
            raise SeeError(f"the model was trained with {other[0]}, which {self.name} does not have")
        known = {field.name for field in fields(MODEL_DATACLASS_REGISTRY[self.name])} - INITIALISATION - {"_name"}
        return {name: value for name, value in chosen.items() if name in known}


HOSTS = (
    Host(
        title="fairseq's Transformer",
        name="see_transformer",
        mark="encoder.layers.0.self_attn.k_proj.weight",
        matrices={"encoder": "encoder.embed_tokens", "decoder": "decoder.embed_tokens"},
    ),
    Host(
        title="fairseq's transformer_lm",
        name="see_transformer_lm",
        mark="decoder.layers.0.self_attn.k_proj.weight",
        matrices={"decoder": "decoder.embed_tokens"},
    ),
    Host(
        title="fairseq's RoBERTa",
        name="see_roberta",
        mark="encoder.lm_head.dense.weight",
        matrices={"encoder": "encoder.sentence_encoder.embed_tokens"},
        output="encoder.lm_head.weight",
        tied=lambda options: not options.get("untie_weights_roberta"),
        untied={"untie_weights_roberta": True},
    ),
)


def find_host(model: Mapping[str, Any], checkpoint: Path) -> Host:
    """The family of a state dict; SeeError if it is of none."""
    for host in HOSTS:
        if host.mark in model:
            return host
    titles = ", ".join(host.title for host in HOSTS)
    raise SeeError(f"{checkpoint} is of no model whose embedding matrices can be replaced; those are {titles}")
