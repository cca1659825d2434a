"""Exchange the embedding matrices of a Hugging Face model for compressed ones, and back."""

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from fairseq_see.embeddings import Embedding, build, find_class
from fairseq_see.embeddings.base import INFERENCE_MODES
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig, initialise
from fairseq_see.fitting import fit as fit_to
from fairseq_see.hf import surgery
from fairseq_see.hf.saving import OUTPUTS, CompressionConfig, override_methods
from fairseq_see.hf.surgery import get_compressed_embeddings
from fairseq_see.hf.vocabulary import build_index, read_vocabulary
from fairseq_see.units import Senses, UnitIndex

logger = logging.getLogger(__name__)


def compress_embeddings(
    model: PreTrainedModel,
    tokenizer: Any = None,
    method: str = "see",
    ratio: float | None = 5,
    *,
    index: UnitIndex | str | Path | None = None,
    senses: Senses | str | Path | None = None,
    output: str = "auto",
    counts: Sequence[int] | None = None,
    fit: FitConfig | None = None,
    inference: str = "auto",
    seed: int = 1,
    **options: Any,
) -> PreTrainedModel:
    """Exchange the input embedding of a model, and that of its output layer as asked, for compressed ones, in place.

    They are computed in float32 and of the model's precision. No token is exempt: the padding token is one of the
    vocabulary, which a tied output layer scores.

    Args:
        model: any of transformers with ``get_input_embeddings``.
        tokenizer: the model's, where a unit index has to be built, or a given one to be checked.
        method: registered name of an embedding.
        ratio: compression of each V x d matrix in parameters (of a quantised one in bytes); None where ``options``
            decide the size.
        index: a unit index of the model's tokens, or its file (default: built from ``tokenizer`` and ``senses``).
        senses: as :func:`~fairseq_see.hf.vocabulary.build_index` takes it.
        output: ``tied``, the output layer projects by the input's embedding; ``untied``, by one of its own; ``dense``,
            it stays, one that was tied with the matrix to itself; ``auto``, ``tied`` if it was, else ``dense``.
        counts: (V,) how often each id occurs in running text (default: all alike): weights of a fit, order of units.
        fit: how to fit to the model's matrices (default: the method's closed form; random where it has none).
        inference: ``cached`` keeps a whole matrix when serving, ``factored`` only its factors, ``auto`` what is faster.
        seed: of the random initialisation.
        **options: hyper-parameters of the method, ``vectors`` or ``layernorm`` for example.

    Raises:
        SeeError: the model has no such embeddings or is compressed already, or the embedding cannot be built.
        InfeasibleRatio: the ratio cannot be reached; nothing has been changed.
    """
    dense = surgery.find_dense_embedding(model)
    matrices, vocabulary = {"input": dense.weight.detach()}, len(dense.weight)
    if getattr(model.config, "quantization_config", None) is not None:
        raise SeeError("the model is quantized; compress the model that it was made from")
    if dense.weight.is_meta or hasattr(dense, "_hf_hook"):
        raise SeeError("the model has no weights or is spread over devices; load it on one, and spread what is saved")
    if inference not in INFERENCE_MODES:
        raise SeeError(f"inference is {', '.join(INFERENCE_MODES[:-1])} or {INFERENCE_MODES[-1]}, not {inference!r}")
    output = _resolve_output(model, output)
    if output == "untied":
        matrices["output"] = model.get_output_embeddings().weight.detach()
    cls = find_class(method)
    weights = None if counts is None else torch.as_tensor(counts, dtype=torch.float32, device=dense.weight.device) + 1
    if weights is not None and len(weights) != vocabulary:
        raise SeeError(f"there are counts for {len(weights)} ids, but the matrix has {vocabulary} embeddings")
    unit_index = None
    if cls.uses_index:
        unit_index = _find_index(index, tokenizer, vocabulary, senses=senses, counts=counts)
        if getattr(cls, "senses", False) and not len(unit_index.sense_groups):
            # It would be another method.
            raise SeeError(f"no token has a sense, which {method!r} is made of: give senses (data/README.md)")
    embeddings = {}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for side, matrix in matrices.items():
            planned = ratio if cls.compresses else None
            embedding = build(method, *matrix.shape, ratio=planned, index=unit_index, **options)
            embedding.inference = inference
            _initialise(side, embedding, matrix, fit, weights)
            embeddings[side] = embedding.train(model.training)
    surgery.put(model, embeddings["input"], output, embeddings.get("output"), surgery.find_scale(dense))
    override_methods(model)
    model.config.quantization_config = CompressionConfig.describe(model)
    return model


@torch.no_grad()
def ship(model: PreTrainedModel) -> PreTrainedModel:
    """Leave out of a compressed model what only training needs, in place: it computes the same.

    The queries of ``dpq`` become the codes that they choose, the latents of ``low_bit`` their digits. Until then
    ``save_pretrained`` keeps them, so that a Trainer resumes.
    """
    for embedding in get_compressed_embeddings(model).values():
        small = embedding.ship()
        if small is not embedding:
            small.to(next(embedding.parameters()).dtype).inference = embedding.inference
            surgery.replace(model, embedding, small)
        for name, (codes, _) in getattr(small, "list_codes", dict)().items():
            small.get_parameter(name).copy_(codes)
    return model


@torch.no_grad()
def materialise(model: PreTrainedModel) -> PreTrainedModel:
    """Make a compressed model a stock one again, in place: its matrices are written out, and it computes the same.

    An output layer that was tied, and has been given parameters of its own since, stays apart:
    ``config.tie_word_embeddings`` becomes False, where the family has that choice (T5 has not).
    """
    embeddings = get_compressed_embeddings(model)
    scale, output = surgery.find_scale(embeddings["input"]), surgery.detect_output(model)
    config = copy.deepcopy(model.config)
    del config.quantization_config
    with torch.device("meta"):
        stock = type(model)(config)
    tables = {embedding: nn.Parameter(embedding.eval().table().clone()) for embedding in embeddings.values()}
    modules = dict(model.named_modules(remove_duplicate=False))
    heads = {name: module for name, module in modules.items() if isinstance(module, surgery.ProjectionHead)}
    for name, head in heads.items():
        model.set_submodule(name, _fill(stock.get_submodule(name), tables[head.embedding], head.bias, None))
    for name, module in modules.items():
        if module in tables and name.rpartition(".")[0] not in heads:
            model.set_submodule(name, _fill(stock.get_submodule(name), tables[module], None, scale))
    del model.config.quantization_config
    surgery.take_out(model, stock)
    if output != "tied":
        _untie_output(model)
    return model


def _resolve_output(model: PreTrainedModel, output: str) -> str:
    if output not in ("auto", *OUTPUTS):
        raise SeeError(f"output is one of auto, {', '.join(OUTPUTS)}, not {output!r}")
    head = model.get_output_embeddings()
    tied = head is not None and surgery.find_name(model, head) in surgery.find_places(model)
    if output == "auto":
        return "tied" if tied else "dense"
    name = type(model).__name__
    if output != "dense" and head is None:
        raise SeeError(f"{name} has no output layer over the vocabulary; leave output as it is")
    if output == "tied" and not tied:
        raise SeeError(f"the output layer of this {name} is not tied to its input; choose output='untied' or 'dense'")
    if output == "untied" and not isinstance(head, nn.Linear):
        raise SeeError(f"the output layer of {name} is a {type(head).__name__}, not linear; choose output='dense'")
    return output


def _find_index(index: Any, tokenizer: Any, rows: int, **options: Any) -> UnitIndex:
    if index is None and tokenizer is None:
        raise SeeError("give the tokenizer, to build a unit index of its vocabulary, or an index that has been built")
    if index is None:
        return build_index(tokenizer, rows, **options)
    index = index if isinstance(index, UnitIndex) else UnitIndex.load(index)
    if tokenizer is not None and index.dictionary != read_vocabulary(tokenizer, rows)[0].hash:
        raise SeeError("the unit index was not built for this tokenizer and this matrix; build_index builds one")
    return index


def _initialise(side: str, embedding: Embedding, matrix: Tensor, config: Any, weights: Tensor | None) -> None:
    """Fit in float32, then take the precision of the dense matrix."""
    embedding.to(matrix.device)
    if config is not None:
        fitted = fit_to(embedding, matrix.float(), config, weights, side)
        logger.info(f"{side}: loss {fitted.losses[0]:.4g} at initialisation, {fitted.losses[fitted.epoch]:.4g} kept")
    else:
        initialise(embedding, matrix.float(), weights)
    embedding.to(matrix.dtype)
    parameters, size = embedding.footprint()
    shape = f"{matrix.shape[0]:,} x {matrix.shape[1]}"
    logger.info(
        f"{side} {shape}: {embedding.method}, {parameters:,} parameters ({embedding.ratio:.2f}x), {size:,} bytes"
    )


def _fill(module: Any, weight: nn.Parameter, bias: nn.Parameter | None, scale: float | None) -> nn.Module:
    """Give a stock module, built on the meta device, these parameters."""
    module.weight = weight
    if isinstance(module, nn.Linear):
        module.register_parameter("bias", bias)
    elif scale is not None and "embed_scale" in module._buffers:
        module.embed_scale = torch.tensor(scale, device=weight.device)
    return module


def _untie_output(model: PreTrainedModel) -> None:
    """Undo the tie of the output layer that the class declares, if any."""
    head = model.get_output_embeddings()
    weight = None if head is None else f"{surgery.find_name(model, head)}.weight"
    if weight not in model.all_tied_weights_keys:
        return
    again = type(model.config).from_dict({**model.config.to_dict(), "tie_word_embeddings": False})
    if again.tie_word_embeddings:
        # What from_pretrained does with a checkpoint that has two matrices.
        del model.all_tied_weights_keys[weight]
        return
    for target in model.all_tied_weights_keys:
        module, _, name = target.rpartition(".")
        parameter = model.get_parameter(target)
        setattr(model.get_submodule(module), name, nn.Parameter(parameter.clone(), parameter.requires_grad))
    model.config.tie_word_embeddings = False
    surgery.recompute_ties(model)
