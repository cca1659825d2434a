"""Exchange the tables of a Hugging Face model for compressed ones, and back."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from fairseq_see.embeddings import Embedding, build, embedding_class
from fairseq_see.embeddings.base import INFERENCE_MODES
from fairseq_see.embeddings.buffers import IndexBuffers
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig, initialise
from fairseq_see.fitting import fit as fit_to
from fairseq_see.hf import surgery
from fairseq_see.hf.saving import CompressionConfig, override_methods
from fairseq_see.hf.surgery import compressed_embeddings
from fairseq_see.hf.vocabulary import build_index, read_vocabulary
from fairseq_see.units import Senses, UnitIndex

logger = logging.getLogger(__name__)

OUTPUTS = ("auto", "tied", "untied", "dense")


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
    inference: str = "cached",
    seed: int = 1,
    **options: Any,
) -> PreTrainedModel:
    """Exchange the table of input tokens, and that of the output layer as asked, for compressed ones.

    The products of the method are computed in float32, their rows are of the model's precision. No row is exempt: the
    padding token is one of the vocabulary, which a tied output layer scores.

    Args:
        model: any of transformers with ``get_input_embeddings``; changed in place.
        tokenizer: the model's, where a unit index has to be built, or one that is given to be checked.
        method: registered name of an embedding.
        ratio: compression of each table, V x d by its parameters (bytes by bytes of a quantised one); None
            where ``options`` say all.
        index: a unit index of the model's rows, or its file (default: built from ``tokenizer`` and ``senses``).
        senses: a table of senses or its file, as :func:`~fairseq_see.hf.vocabulary.build_index` takes it.
        output: the output layer. ``tied``: it projects by the input's embedding; ``untied``: by one of its own;
            ``dense``: it stays, one that was tied with the matrix to itself; ``auto``: ``tied`` if it was, else
            ``dense``.
        counts: (V,) how often each id occurs in running text (default: all alike): weights of a fit, and what orders
            the units of an index that is built.
        fit: how to fit to the model's matrices (default: the method's closed form, if it has one; others are
            initialised at random, to be trained).
        inference: ``cached`` keeps a whole table when serving, ``factored`` only its factors.
        seed: of the random initialisation.
        **options: hyper-parameters of the method, ``vectors`` or ``layernorm`` for example.

    Returns:
        the model.

    Raises:
        SeeError: the model has no such tables or is compressed already, or the embedding cannot be built.
        InfeasibleRatio: the ratio cannot be reached; nothing has been changed.
    """
    table = surgery.input_table(model)
    if getattr(model.config, "quantization_config", None) is not None:
        raise SeeError("the model is quantized; compress the model that it was made from")
    if table.weight.is_meta:
        raise SeeError("the model has no weights yet (it is on the meta device); load it first")
    if hasattr(table, "_hf_hook"):
        raise SeeError(
            "the model is spread over devices; load it on one, compress and save it, and load that as you like"
        )
    if inference not in INFERENCE_MODES:
        raise SeeError(f"inference is {' or '.join(INFERENCE_MODES)}, not {inference!r}")
    output = _resolved(model, output)
    dense = {"input": table.weight} | ({"output": model.get_output_embeddings().weight} if output == "untied" else {})
    cls = embedding_class(method)
    weights = None if counts is None else torch.as_tensor(counts, dtype=torch.float32, device=table.weight.device) + 1
    if weights is not None and weights.shape != table.weight.shape[:1]:
        raise SeeError(f"there are counts for {len(weights)} ids, but the matrix has {len(table.weight)} embeddings")
    unit_index = _index(index, tokenizer, senses, len(table.weight), counts) if cls.uses_index else None
    embeddings = {}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for side, matrix in dense.items():
            planned = ratio if cls.compresses else None
            embedding = build(method, *matrix.shape, ratio=planned, index=unit_index, **options)
            _check_senses(embedding, unit_index)
            embedding.inference = inference
            _initialise(side, embedding, matrix.detach(), fit, weights)
            embeddings[side] = embedding.train(model.training)
    scale = surgery.scale_of(table)
    surgery.put(model, embeddings["input"], output, embeddings.get("output"), scale)
    override_methods(model)
    model.config.quantization_config = CompressionConfig.of(model)
    return model


@torch.no_grad()
def ship(model: PreTrainedModel) -> PreTrainedModel:
    """Leave out of a compressed model what only training needs, in place: it computes the same.

    The queries of ``dpq`` become the codes that they choose, the latents of ``low_bit`` their digits. Until then
    ``save_pretrained`` keeps them, so that a Trainer resumes.

    Returns:
        the model.

    Raises:
        SeeError: the model is not a compressed one.
    """
    for embedding in compressed_embeddings(model).values():
        small = embedding.shipped()
        if small is not embedding:
            small.to(next(embedding.parameters()).dtype).inference = embedding.inference
            surgery.replace(model, embedding, small)
        for name, (codes, _) in getattr(small, "codes_to_pack", dict)().items():
            small.get_parameter(name).copy_(codes)
    return model


@torch.no_grad()
def materialise(model: PreTrainedModel) -> PreTrainedModel:
    """Make a compressed model a stock one again, in place: its tables are written out.

    It computes the same. An output layer that was tied, and has been given numbers of its own since, stays apart:
    ``config.tie_word_embeddings`` becomes False, where the family has that choice (T5 has not).

    Returns:
        the model.

    Raises:
        SeeError: the model is not a compressed one.
    """
    embeddings = compressed_embeddings(model)
    scale, output = surgery.scale_put_on(embeddings["input"]), surgery.output_of(model)
    config = copy.deepcopy(model.config)
    del config.quantization_config
    with torch.device("meta"):
        stock = type(model)(config)
    tables = {embedding: nn.Parameter(embedding.table().clone()) for embedding in embeddings.values()}
    modules = dict(model.named_modules(remove_duplicate=False))
    heads = {name: module for name, module in modules.items() if isinstance(module, surgery.ProjectionHead)}
    for name, head in heads.items():
        model.set_submodule(name, _dense(stock.get_submodule(name), tables[head.embedding], head.bias, None))
    for name, module in modules.items():
        if module in tables and name.rpartition(".")[0] not in heads:
            model.set_submodule(name, _dense(stock.get_submodule(name), tables[module], None, scale))
    del model.config.quantization_config
    surgery.take_out(model, stock)
    if output != "tied":
        _untie_output(model)
    return model


def _resolved(model: PreTrainedModel, output: str) -> str:
    """What becomes of the output layer."""
    if output not in OUTPUTS:
        raise SeeError(f"output is one of {', '.join(OUTPUTS)}, not {output!r}")
    head = model.get_output_embeddings()
    tied = head is not None and surgery.name_of(model, head) in surgery.places_of(model)
    if output == "auto":
        return "tied" if tied else "dense"
    name = type(model).__name__
    if output != "dense" and head is None:
        raise SeeError(f"{name} has no output layer over the vocabulary; leave output as it is")
    if output == "tied" and not tied:
        raise SeeError(f"the output layer of this {name} is not tied to its input; choose output='untied' or 'dense'")
    if output == "untied" and not isinstance(head, nn.Linear):
        raise SeeError(
            f"the output layer of {name} is a {type(head).__name__} and no linear one; choose output='dense'"
        )
    return output


def _index(
    index: UnitIndex | str | Path | None,
    tokenizer: Any,
    senses: Senses | str | Path | None,
    rows: int,
    counts: Sequence[int] | None,
) -> UnitIndex:
    if index is None and tokenizer is None:
        raise SeeError("give the tokenizer, to build a unit index of its vocabulary, or an index that has been built")
    if index is None:
        return build_index(tokenizer, rows, senses, counts=counts)
    index = index if isinstance(index, UnitIndex) else UnitIndex.load(index)
    if tokenizer is not None and index.dictionary != read_vocabulary(tokenizer, rows)[0].hash:
        raise SeeError("the unit index was not built for this tokenizer and this many rows; build_index builds one")
    return index


def _check_senses(embedding: Embedding, index: UnitIndex | None) -> None:
    """Refuse a method of senses without any: it would be another method."""
    stored = [module for module in embedding.modules() if isinstance(module, IndexBuffers)]
    if index is not None and stored and getattr(embedding, "senses", False) and not stored[0].sizes.senses:
        raise SeeError(
            f"no token has a sense, which {embedding.method!r} is made of: give senses='TABLE', HowNet's or one that "
            "python -m experiments lexicon makes"
        )


def _initialise(
    side: str, embedding: Embedding, matrix: Tensor, config: FitConfig | None, weights: Tensor | None
) -> None:
    """Fit in float32, then take the precision and the place of the dense matrix."""
    embedding.to(matrix.device)
    if config is not None:
        fitted = fit_to(embedding, matrix.float(), config, weights, side)
        logger.info(f"{side}: loss {fitted.losses[0]:.4g} at initialisation, {fitted.losses[fitted.epoch]:.4g} kept")
    else:
        initialise(embedding, matrix.float(), weights)
    embedding.to(matrix.dtype)
    parameters, size = embedding.footprint()
    logger.info(
        f"{side} embedding: {embedding.method}, {parameters:,} parameters for {matrix.shape[0]:,} x {matrix.shape[1]} "
        f"({embedding.ratio:.2f}x), {size:,} bytes in half precision with the index"
    )


def _dense(module: Any, weight: nn.Parameter, bias: nn.Parameter | None, scale: float | None) -> nn.Module:
    """A stock module, built without numbers, with these."""
    module.weight = weight
    if isinstance(module, nn.Linear):
        module.register_parameter("bias", bias)
    elif scale is not None and "embed_scale" in module._buffers:
        module.embed_scale = torch.tensor(scale, device=weight.device)
    return module


def _untie_output(model: PreTrainedModel) -> None:
    """Undo the tie of the output layer that the class declares, if it does."""
    head = model.get_output_embeddings()
    weight = None if head is None else f"{surgery.name_of(model, head)}.weight"
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
