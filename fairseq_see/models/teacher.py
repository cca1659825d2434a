"""A trained Transformer that another one is trained by, and what is to be seen in a forward pass of either."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from fairseq import models
from fairseq.models.transformer import TransformerDecoderBase, TransformerEncoderBase
from fairseq.modules import LayerDropModuleList
from omegaconf import OmegaConf
from torch import Tensor

from fairseq_see.distillation.stages import Layers
from fairseq_see.errors import SeeError
from fairseq_see.models.checkpoint import load_checkpoint, read_section


class Pass(NamedTuple):
    """A forward pass of an encoder-decoder, B sentences of S source and T target tokens.

    Attributes:
        output: what the model returned: logits (B, T, V), or features (B, T, d), and fairseq's extras.
        embeddings: as they were looked up: (B, S, d) and (B, T, d).
        encoder: hidden states (S, B, d): the embedding's output and that of each layer.
        decoder: hidden states (T, B, d).
    """

    output: tuple[Tensor, dict[str, Any]]
    embeddings: tuple[Tensor, Tensor]
    encoder: list[Tensor]
    decoder: list[Tensor]


def observe_forward(model: Any, inputs: Mapping[str, Tensor], features_only: bool = False) -> Pass:
    """Run fairseq's Transformer, wrapped for distributed training or not, and keep what it computes inside.

    The model is one that :func:`check_transformer` lets pass; ``features_only`` leaves out the output layer.
    """
    looked_up: list[Tensor] = []
    encoded: list[dict[str, Any]] = []
    # A shared embedding is one module, called for the source first and then for the target.
    modules = dict.fromkeys((model.encoder.embed_tokens, model.decoder.embed_tokens))
    hooks = [module.register_forward_hook(lambda module, args, out: looked_up.append(out)) for module in modules]
    hooks.append(model.encoder.register_forward_hook(lambda module, args, out: encoded.append(out)))
    try:
        output = model(**inputs, features_only=features_only)
    finally:
        for hook in hooks:
            hook.remove()
    return Pass(output, (looked_up[0], looked_up[1]), encoded[0]["encoder_states"], output[1]["inner_states"])


def check_transformer(model: Any, what: str) -> None:
    """Raise SeeError if a model is not fairseq's Transformer, whose embeddings and hidden states are known."""
    encoder, decoder = getattr(model, "encoder", None), getattr(model, "decoder", None)
    if not isinstance(encoder, TransformerEncoderBase) or not isinstance(decoder, TransformerDecoderBase):
        raise SeeError(f"{what} is not fairseq's Transformer, the one architecture that see_distillation knows")


def check_embeddings(student: Any, teacher: Any) -> None:
    """Raise SeeError if the embeddings of student and teacher have other dimensions."""
    for side in ("encoder", "decoder"):
        ours, theirs = (getattr(model, side).embed_tokens.embedding_dim for model in (student, teacher))
        _check_dimensions(ours, theirs, f"embeddings of the {side}", "--distil-beta and --start-beta")


def pair_layers(student: Any, teacher: Any, layers: Sequence[Layers]) -> dict[str, tuple[tuple[int, int], ...]]:
    """The layers whose states are compared, by side.

    SeeError if there are no such layers, states have other dimensions, or the student leaves layers out at random, so
    that its n-th state is not always that of its n-th layer.
    """
    pairs = {}
    for choice in layers:
        ours, theirs = (getattr(model, choice.side).layers for model in (student, teacher))
        if isinstance(ours, LayerDropModuleList):
            raise SeeError(f"LayerDrop leaves out layers whose states are compared; set --{choice.side}-layerdrop to 0")
        pairs[choice.side] = choice.pair(len(ours), len(theirs))
        what = f"hidden states of the {choice.side}"
        _check_dimensions(ours[0].embed_dim, theirs[0].embed_dim, what, "--distil-gamma and --start-gamma")
    return pairs


def _check_dimensions(student: int, teacher: int, what: str, options: str) -> None:
    if student != teacher:
        raise SeeError(
            f"{what} have {teacher} dimensions in the teacher and {student} in the student; take a teacher with as "
            f"many, or set {options} to 0"
        )


class Teacher:
    """A trained model in eval mode, without gradients. No module: whoever holds it neither trains nor saves it.

    Args:
        path: its checkpoint, of stock fairseq or of this package, or an exported model.
        task: the student's, whose languages and dictionaries must be the teacher's.
        data: folder of the teacher's dictionaries (default: that of the checkpoint, the one above, or the data that
            it was trained on).
        half: compute in half precision.

    Raises:
        SeeError: not a readable checkpoint, another architecture, other languages or dictionaries.
    """

    def __init__(self, path: str | Path, task: Any, data: str | None = None, half: bool = False) -> None:
        state = load_checkpoint(path)
        cfg = state.get("cfg") or {}
        if not cfg.get("model"):
            raise SeeError(f"the teacher {path} does not name its model; only fairseq 0.12's can be read")
        _check_dictionaries(Path(path), read_section(cfg.get("task")), task, data)
        self.model = _build(path, state, task).eval().requires_grad_(False)
        if half:
            self.model.half()

    def forward(self, inputs: Mapping[str, Tensor], features_only: bool = False) -> Pass:
        """One pass, on the device that the inputs are on."""
        with torch.no_grad():
            return observe_forward(self._move_to(inputs), inputs, features_only)

    def look_up(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The embeddings, (B, S, d) and (B, T, d), without a pass."""
        model = self._move_to(inputs)
        with torch.no_grad():
            source = model.encoder.embed_tokens(inputs["src_tokens"])
            return source, model.decoder.embed_tokens(inputs["prev_output_tokens"])

    def _move_to(self, inputs: Mapping[str, Tensor]) -> Any:
        return self.model.to(inputs["src_tokens"].device)


def _build(path: str | Path, state: dict[str, Any], task: Any) -> Any:
    section = state["cfg"]["model"]
    name = read_section(section).get("_name") or read_section(section).get("arch")
    if name not in models.ARCH_MODEL_REGISTRY:
        raise SeeError(f"the teacher {path} is of the architecture {name!r}, which neither fairseq nor a plugin has")
    cfg = section if isinstance(section, Namespace) else OmegaConf.create({"model": section}).model
    try:
        # Weights that are about to be overwritten must not cost random numbers that others count on. And not
        # task.build_model: with --eval-bleu the task would translate with the model that it built last.
        with torch.random.fork_rng(devices=[]):
            model = models.build_model(cfg, task, from_checkpoint=True)
        check_transformer(model, f"the teacher {path}")
        model.load_state_dict(state["model"], strict=True, model_cfg=cfg)
    except SeeError:
        raise
    except Exception as error:
        # fairseq raises errors of all kinds here, assertions among them.
        line = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
        raise SeeError(f"the teacher {path} does not fit its own configuration: {line}") from error
    return model


def list_folders(path: Path, options: Mapping[str, Any]) -> list[Path]:
    """Where a teacher's dictionaries may be: beside its checkpoint, one folder above, in the data it was trained on."""
    beside = path if path.is_dir() else path.absolute().parent
    trained_on = str(options.get("data") or "").split(os.pathsep)[:1]
    return [beside, beside.parent, *map(Path, filter(None, trained_on))]


def find_dictionaries(folders: Sequence[Path], task: Any) -> Path | None:
    """The first folder with dictionaries of both languages of a task."""
    names = [f"dict.{language}.txt" for language in (task.cfg.source_lang, task.cfg.target_lang)]
    return next((folder for folder in folders if all((folder / name).is_file() for name in names)), None)


def _check_dictionaries(path: Path, options: Mapping[str, Any], task: Any, data: str | None) -> None:
    """A checkpoint does not hold its dictionaries: find them, and compare."""
    dictionaries = {}
    for side in ("source", "target"):
        language, trained = getattr(task.cfg, f"{side}_lang", None), options.get(f"{side}_lang")
        if language is None:
            raise SeeError("see_distillation needs a task with a source and a target language, as translation")
        if trained not in (None, language):
            raise SeeError(f"the teacher {path} has the {side} language {trained}, not {language}")
        dictionaries[f"dict.{language}.txt"] = getattr(task, f"{side}_dictionary")
    folders = [Path(data)] if data else list_folders(path, options)
    folder = find_dictionaries(folders, task)
    if folder is None:
        raise SeeError(
            f"no {' and '.join(dictionaries)} of the teacher in {', '.join(map(str, folders))}; "
            "give the folder with the dictionaries that it was trained with as --teacher-data"
        )
    for name, ours in dictionaries.items():
        theirs = task.load_dictionary(str(folder / name))
        if theirs != ours:
            raise SeeError(
                f"the teacher's {folder / name} ({len(theirs):,} symbols) is another dictionary than the student's "
                f"({len(ours):,}); distil on the data that the teacher was trained on"
            )
