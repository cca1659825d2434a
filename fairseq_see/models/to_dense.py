"""The model of stock fairseq that computes the same as one of ours: its embedding matrices written out."""

import json
from collections import OrderedDict
from dataclasses import fields
from typing import Any

import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterionConfig
from fairseq.models import ARCH_MODEL_REGISTRY

from fairseq_see.embeddings import Embedding
from fairseq_see.errors import SeeError
from fairseq_see.io import check_finite
from fairseq_see.models.checkpoint import count_updates, make_state
from fairseq_see.models.options import EmbeddingOptions
from fairseq_see.models.transformer import SEETransformerModel


def make_dense(state: dict[str, Any], embeddings: dict[str, Embedding]) -> dict[str, Any]:
    """A checkpoint of fairseq's ``transformer``, without an optimizer, which loads without this package.

    Args:
        state: the checkpoint of a ``see_transformer``; SeeError if it is of another or not finite.
        embeddings: its embeddings by side, whose matrices are written out.
    """
    options = state["cfg"]["model"]
    name = options.get("_name") if isinstance(options, dict) else getattr(options, "arch", None)
    if ARCH_MODEL_REGISTRY.get(name) is not SEETransformerModel:
        raise SeeError(f"only a see_transformer can be made a dense one, this model is {name!r}")
    ours = {option.name for option in fields(EmbeddingOptions)}
    transformer = {key: value for key, value in options.items() if key not in ours} | {"_name": "transformer"}
    # What is left may hold a namespace or numpy's numbers too.
    cfg = json.loads(json.dumps({**state["cfg"], "model": transformer}, default=_to_plain))
    # Options are read by key, as fairseq does, and as attributes, as CTranslate2's converter does. fairseq would save a
    # namespace, which safe loading refuses.
    model_options = cfg["model"] = OrderedDict(cfg["model"])
    vars(model_options).update(cfg["task"], **model_options, arch="transformer", task="translation")
    cfg["common"]["user_dir"] = None
    criterion = cfg.get("criterion") or {}
    if str(criterion.get("_name")).startswith("see_"):
        # Stock fairseq's name of the loss that a model has without a teacher.
        known = {field.name for field in fields(LabelSmoothedCrossEntropyCriterionConfig)}
        cfg["criterion"] = {key: value for key, value in criterion.items() if key in known}
        cfg["criterion"]["_name"] = "label_smoothed_cross_entropy"
    model = {key: value for key, value in state["model"].items() if ".embed_tokens." not in key}
    with torch.no_grad():
        matrices = {side: embedding.table() for side, embedding in embeddings.items()}
    for side in ("encoder", "decoder"):
        model[f"{side}.embed_tokens.weight"] = matrices.get(side, matrices["encoder"])
    model.setdefault("decoder.output_projection.weight", model["decoder.embed_tokens.weight"])
    check_finite(model)
    return make_state(cfg, model, count_updates(state))


def _to_plain(value: Any) -> Any:
    return vars(value) if hasattr(value, "__dict__") else value.item()
