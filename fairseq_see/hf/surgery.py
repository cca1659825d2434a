"""Where a Hugging Face model uses its embedding matrix, and putting a compressed embedding there.

A model may use it in several places: as the input of encoder and decoder, and, transposed, as the matrix of the output
layer. In all of them stands the same embedding afterwards.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from fairseq_see.embeddings import Embedding
from fairseq_see.embeddings.buffers import PACKED, PACKED_CODES, unpack_state
from fairseq_see.errors import SeeError


class ProjectionHead(nn.Module):
    """An output layer that projects by an embedding, the input's own where they are tied, and adds a bias (V,)."""

    bias: nn.Parameter | None

    def __init__(self, embedding: Embedding, bias: nn.Parameter | None = None) -> None:
        super().__init__()
        self.embedding = embedding
        self.register_parameter("bias", bias)

    @property
    def weight(self) -> Tensor:
        """The matrix, (V, d), for models that read it."""
        return self.embedding.weight

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores (..., V) of ``hidden`` (..., d)."""
        scores = self.embedding.project(hidden)
        # In place: they are the largest tensor of a forward, and stay of autocast's precision.
        return scores if self.bias is None else scores.add_(self.bias)


class ScaleOutput:
    """A forward hook that multiplies what an embedding looks up, as Gemma and BART do, and not what it projects."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, module: nn.Module, args: Any, rows: Tensor) -> Tensor:
        """The embeddings, scaled in their own precision."""
        return rows * torch.full((), self.factor, dtype=rows.dtype, device=rows.device)


def find_dense_embedding(model: PreTrainedModel) -> nn.Embedding:
    """The dense embedding that tokens are looked up in; SeeError if there is none, or one that does more."""
    name = type(model).__name__
    try:
        dense = model.get_input_embeddings()
    except (NotImplementedError, AttributeError) as error:
        raise SeeError(f"{name} does not name its input embedding (get_input_embeddings)") from error
    if isinstance(dense, Embedding):
        raise SeeError("the embeddings of this model are compressed already; materialise(model) undoes it")
    plain = type(dense).forward is nn.Embedding.forward or find_scale(dense) is not None
    if not isinstance(dense, nn.Embedding) or not plain:
        raise SeeError(f"the input embedding of {name}, a {type(dense).__name__}, does more than look up embeddings")
    return dense


def find_scale(embedding: nn.Module) -> float | None:
    """What a dense or a compressed embedding multiplies what is looked up by; None if by nothing."""
    if isinstance(embedding, Embedding):
        return next((hook.factor for hook in embedding._forward_hooks.values() if isinstance(hook, ScaleOutput)), None)
    scale = getattr(embedding, "embed_scale", None)
    return None if scale is None else float(scale)


def get_compressed_embeddings(model: PreTrainedModel) -> dict[str, Embedding]:
    """The embeddings of a compressed model: ``input``, and ``output`` where the output layer has one of its own.

    SeeError if the model is not a compressed one, or uses others besides.
    """
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if not isinstance(embedding, Embedding):
        raise SeeError(f"this {type(model).__name__} has no compressed embeddings; compress_embeddings(model) first")
    for name in model._places_of_input:
        module = model.get_submodule(name)
        used = module.embedding if isinstance(module, ProjectionHead) else module
        if used is not embedding and module is not head:
            what = f"{name} had the input embedding and now has another, a {type(used).__name__}"
            raise SeeError(f"{what}: it can be neither saved nor materialised; put model.get_input_embeddings() there")
    own = isinstance(head, ProjectionHead) and head.embedding is not embedding
    return {"input": embedding} | ({"output": head.embedding} if own else {})


def detect_output(model: PreTrainedModel) -> str:
    """What the output layer of a compressed model is now: ``tied``, ``untied`` or ``dense``; its config then agrees."""
    head, record = model.get_output_embeddings(), getattr(model.config, "quantization_config", None)
    if isinstance(head, ProjectionHead):
        if head.embedding is not model.get_input_embeddings():
            return "untied"
        if not getattr(model.config, "tie_word_embeddings", True):
            # PEFT declares what it has merged untied.
            model.config.tie_word_embeddings = True
        return "tied"
    # One without such a layer, a classifier, keeps the record of the model that it was made from.
    return "tied" if head is None and record is not None and record.output == "tied" else "dense"


def find_places(model: PreTrainedModel) -> list[str]:
    """Names of the modules that use the input matrix, its own first: by identity, and by what is declared tied."""
    dense = model.get_input_embeddings()
    modules = dict(model.named_modules(remove_duplicate=False))
    names = [name for name, module in modules.items() if module is dense]
    names += [name for name, module in modules.items() if module._parameters.get("weight") is dense.weight]
    pairs = model.all_tied_weights_keys.items()
    ties = [(target.removesuffix(".weight"), source.removesuffix(".weight")) for target, source in pairs]
    # A source is never a target.
    sources = {*names, *(source for target, source in ties if target in names)}
    names += [name for tie in ties if tie[1] in sources for name in reversed(tie) if name in modules]
    return list(dict.fromkeys(names))


def put(
    model: PreTrainedModel, embedding: Embedding, output: str, own: Embedding | None = None, scale: float | None = None
) -> None:
    """Put an embedding in the place of a stock model's input matrix, wherever the model uses it.

    The output layer projects by it (``tied``), by its ``own`` (``untied``) or stays (``dense``). What is looked up is
    multiplied by ``scale``.
    """
    places, head = find_places(model), model.get_output_embeddings()
    head_name = None if head is None else find_name(model, head)
    for name in places:
        if not isinstance(model.get_submodule(name), (nn.Embedding, nn.Linear)):
            kind = type(model.get_submodule(name)).__name__
            raise SeeError(f"{name}, a {kind}, uses the embedding matrix in a way that is not known here")
    ties = {sub: submodel.get_expanded_tied_weights_keys() for sub, submodel in _list_submodels(model)}
    for module in [*embedding.modules(), *(own.modules() if own is not None else ())]:
        # Or transformers' init_weights would reset its norms.
        module._is_hf_initialized = True
    if scale is not None:
        embedding.register_forward_hook(ScaleOutput(scale))
    for name in places:
        module = model.get_submodule(name)
        if name == head_name and output != "tied":
            # Tied until now, it keeps the matrix to itself.
            module.weight = nn.Parameter(module.weight.detach().clone(), module.weight.requires_grad)
        elif isinstance(module, nn.Embedding):
            model.set_submodule(name, embedding)
        else:
            model.set_submodule(name, ProjectionHead(embedding, module.bias))
    if own is not None:
        model.set_submodule(head_name, ProjectionHead(own, head.bias))
    _declare_ties(model, places, ties)
    model._places_of_input = [name for name in places if output == "tied" or name != head_name]
    if output == "tied":
        model._held_tables = []
        model.register_forward_pre_hook(_hold_table)
        model.register_forward_hook(_release_table, always_call=True)
    model.register_state_dict_post_hook(_drop_aliases)
    model.register_load_state_dict_pre_hook(_add_aliases)


def replace(model: PreTrainedModel, embedding: Embedding, other: Embedding) -> None:
    """Put another compressed embedding in all places of one."""
    scale = find_scale(embedding)
    for name in [name for name, each in model.named_modules(remove_duplicate=False) if each is embedding]:
        model.set_submodule(name, other)
    if scale is not None:
        other.register_forward_hook(ScaleOutput(scale))


def take_out(model: PreTrainedModel, stock: PreTrainedModel) -> None:
    """Undo what :func:`put` did to the model besides its modules; ``stock`` is another of its class and config."""
    for name, submodel in _list_submodels(model):
        submodel.__dict__.pop("_tied_weights_keys", None)
        # Marian's instances have their own.
        own = stock.get_submodule(name).__dict__
        submodel.__dict__.update({key: own[key] for key in own.keys() & {"_tied_weights_keys"}})
    for hooks in (model._forward_pre_hooks, model._forward_hooks, model._state_dict_hooks):
        # By what they are: handles would not survive copying the model.
        for key in [key for key, hook in hooks.items() if hook in (_hold_table, _release_table, _drop_aliases)]:
            del hooks[key]
    for key in [key for key, hook in model._load_state_dict_pre_hooks.items() if hook.hook is _add_aliases]:
        del model._load_state_dict_pre_hooks[key]
    own = "_card", "_held_tables", "_places_of_input", "_upload_modified_files"
    for name in (*own, "resize_token_embeddings", "save_pretrained"):
        model.__dict__.pop(name, None)
    recompute_ties(model)


def find_name(model: nn.Module, wanted: nn.Module) -> str:
    """The first name of a module in a model."""
    return next(name for name, module in model.named_modules(remove_duplicate=False) if module is wanted)


def _list_submodels(model: PreTrainedModel) -> list[tuple[str, PreTrainedModel]]:
    """The model and those inside it, each of which declares ties of its own."""
    modules = model.named_modules(remove_duplicate=False)
    return [(name, module) for name, module in modules if isinstance(module, PreTrainedModel)]


def _declare_ties(model: PreTrainedModel, places: list[str], ties: dict[str, dict[str, str]]) -> None:
    """Have the instances override what their classes declare: nothing is tied by the dense matrix any more."""
    gone = {f"{name}.weight" for name in places}
    for sub, pairs in ties.items():
        prefix = f"{sub}." if sub else ""
        kept = {a: b for a, b in pairs.items() if not gone & {prefix + a, prefix + b}}
        if kept != pairs:
            model.get_submodule(sub)._tied_weights_keys = kept
    recompute_ties(model)


def recompute_ties(model: PreTrainedModel) -> None:
    """Have the models inside a model find anew what is tied."""
    for _, submodel in _list_submodels(model):
        submodel.all_tied_weights_keys = submodel.get_expanded_tied_weights_keys(all_submodels=True)


def _list_aliases(model: PreTrainedModel) -> dict[str, str]:
    """Further names of the input embedding's tensors -> their first names."""
    embedding = model.get_input_embeddings()
    names = [name for name, module in model.named_modules(remove_duplicate=False) if module is embedding]
    tensors = list(embedding.state_dict())
    return {f"{alias}.{tensor}": f"{names[0]}.{tensor}" for alias in names[1:] for tensor in tensors}


def _hold_table(model: PreTrainedModel, args: Any) -> None:
    """Before a forward: input and output share one matrix."""
    held = model.get_input_embeddings().hold_table()
    held.__enter__()
    model._held_tables.append(held)


def _release_table(model: PreTrainedModel, args: Any, output: Any) -> None:
    """After it, also where it failed."""
    if model._held_tables:
        model._held_tables.pop().__exit__(None, None, None)


def _drop_aliases(model: PreTrainedModel, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """A state dict has each tensor of the embedding under its first name alone."""
    for alias in _list_aliases(model):
        state.pop(prefix + alias, None)


def _add_aliases(model: PreTrainedModel, state: dict[str, Any], prefix: str, *args: Any) -> None:
    """Torch, which wants every name, finds them again when it loads one, also from a file (saving.py)."""
    saved = [name for name in state if name.endswith((PACKED, PACKED_CODES))]
    state |= unpack_state({name: state.pop(name) for name in saved})
    state.pop(f"{prefix}{find_name(model, model.get_input_embeddings())}.weight", None)
    for alias, name in _list_aliases(model).items():
        if prefix + name in state:
            state.setdefault(prefix + alias, state[prefix + name])
