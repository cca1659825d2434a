"""Other embeddings in a model that is trained already: read its matrices, build what replaces them, save."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from fairseq import tasks
from omegaconf import OmegaConf
from torch import Tensor

from fairseq_see.embeddings import Embedding
from fairseq_see.errors import SeeError
from fairseq_see.io import check_finite
from fairseq_see.models.architectures import find_host
from fairseq_see.models.checkpoint import load_checkpoint, load_embeddings, read_section, save_checkpoint


class Side(NamedTuple):
    """What replaces a matrix, at its initialisation; the matrix as trained (V, d), float32; counts of symbols (V,)."""

    embedding: Embedding
    matrix: Tensor
    counts: Tensor


class Exchange:
    """A trained model, stock or of this package, on its way to being one of this package with other embeddings.

    Whoever made it changes the embeddings' parameters, and saves.

    Args:
        checkpoint: its file, which is only read.
        options: the ``see_...`` options of the new embeddings (:class:`~fairseq_see.models.options.EmbeddingOptions`).
        data: folder of its dictionaries and, for methods that need them, unit indexes (default: where it was trained).
        input_only: leave the output layer as it was trained; one that was tied becomes a dense matrix of its own.

    Attributes:
        sides: ``encoder``, ``decoder`` or both; the first alone if they share a matrix.

    Raises:
        SeeError: another checkpoint, one with NaN or infinite weights, other dictionaries, or impossible embeddings.
    """

    def __init__(
        self, checkpoint: Path, options: Mapping[str, Any], data: Path | None = None, input_only: bool = False
    ) -> None:
        self._checkpoint, self._state = checkpoint, load_checkpoint(checkpoint)
        check_finite(self._state["model"])
        self._host = host = find_host(self._state["model"], checkpoint)
        task_options, old = _read_options(self._state, checkpoint)
        shared, tied = bool(old.get("share_all_embeddings")), host.tied(old)
        if shared and input_only:
            raise SeeError(f"{checkpoint} shares one matrix between encoder, decoder and output; fit it whole")
        if data:
            task_options = {**task_options, "data": str(data)}
        model_options = {**host.convert(old), **(host.untied if input_only else {}), **options, "_name": host.name}
        self._cfg = OmegaConf.create({"task": task_options, "model": model_options}, flags={"allow_objects": True})
        task = self._set_up_task()
        matrices = self._read_matrices(resolved=bool(old.get("see_resolved")))
        dictionaries = {"encoder": task.source_dictionary, "decoder": task.target_dictionary}
        for side in host.matrices:
            if side in matrices and len(matrices[side]) != len(dictionaries[side]):
                raise SeeError(
                    f"the {side}'s matrix in {checkpoint} has {len(matrices[side]):,} embeddings, its dictionary in "
                    f"{self._cfg.task.data} {len(dictionaries[side]):,}; give the data folder of its training with "
                    "--data"
                )
        # The matrices, and the copy of one that a tied stock model saves as its output layer.
        replaced = (*(f"{module}." for module in host.matrices.values()), *([host.output] if tied else []))
        self._rest = {name: value for name, value in self._state["model"].items() if not name.startswith(replaced)}
        if tied and input_only:
            self._rest[host.output] = matrices[[*host.matrices][-1]]
        self._model = self._build(task, replaced)
        self.sides = {
            side: Side(
                self._model.get_submodule(host.matrices[side]),
                matrices[side].float(),
                torch.tensor(dictionaries[side].count),
            )
            for side in (["encoder"] if shared else host.matrices)
        }

    def save(self, path: Path, how: str) -> None:
        """Write the checkpoint: everything but embeddings and optimizer as it was.

        ``how`` the matrices were fitted is kept with the source's name, for whoever compares models.
        """
        embeddings = {name: value for name, value in self._model.state_dict().items() if ".embed_tokens." in name}
        options: Any = OmegaConf.to_container(self._cfg.model, resolve=True, enum_to_str=True)
        record = {**json.loads(options["see_resolved"]), "fitted": {"to": str(self._checkpoint), "how": how}}
        options["see_resolved"] = json.dumps(record, sort_keys=True)
        state = {**self._state, "cfg": {**self._state["cfg"], "model": options}, "model": {**self._rest, **embeddings}}
        # Its moments are those of other parameters, and its hours those of another training.
        state.pop("last_optimizer_state", None)
        state["extra_state"] = {**(state.get("extra_state") or {}), "previous_training_time": 0}
        save_checkpoint(path, state)

    def _set_up_task(self) -> Any:
        try:
            return tasks.setup_task(self._cfg.task)
        except Exception as error:
            # fairseq raises bare Exceptions here.
            raise SeeError(
                f"no dictionaries in {self._cfg.task.data} ({error}); give the model's data folder with --data"
            ) from error

    def _read_matrices(self, resolved: bool) -> dict[str, Tensor]:
        """The matrices by side; of shared ones it may be the first alone."""
        if resolved:
            embeddings = load_embeddings(self._checkpoint, self._state)
            return {side: embedding.table().detach() for side, embedding in embeddings.items()}
        names = {side: f"{module}.weight" for side, module in self._host.matrices.items()}
        for name in names.values():
            if name not in self._state["model"]:
                raise SeeError(f"{self._checkpoint} holds no {name}; it must be of a model with embedding matrices")
        return {side: self._state["model"][name] for side, name in names.items()}

    def _build(self, task: Any, replaced: tuple[str, ...]) -> Any:
        """The model, with the rest of its parameters, to be sure that they are all there is."""
        try:
            model = task.build_model(self._cfg.model)
        except SystemExit as end:
            # fairseq's commands know no SeeError, so models end the program.
            raise end.__cause__ or end from None
        problem = f"{self._checkpoint} is not of {self._host.title}"
        try:
            missing, unexpected = model.load_state_dict(dict(self._rest), strict=False)
        except RuntimeError as error:
            raise SeeError(f"{problem}: {str(error).splitlines()[-1].strip()}") from None
        strange = [*(name for name in missing if not name.startswith(replaced)), *unexpected]
        if strange:
            raise SeeError(f"{problem}: {strange[0]} is in one of them alone")
        return model


def check_fit(path: Path, checkpoint: Path, options: Mapping[str, Any]) -> None:
    """Raise SeeError if a file that :meth:`Exchange.save` wrote is not of this checkpoint, or not of these options."""
    state, source = load_checkpoint(path), load_checkpoint(checkpoint)["model"]
    advice = "choose another --output, or remove it"
    for name, value in options.items():
        if (before := read_section(state["cfg"]["model"])[name]) != value:
            raise SeeError(f"{path} was fitted with {name} {before}, not {value}; {advice}")
    rest = {name: value for name, value in state["model"].items() if ".embed_tokens." not in name}
    if not all(name in source and value.equal(source[name]) for name, value in rest.items()):
        raise SeeError(f"{path} was not fitted to {checkpoint}; {advice}")


def _read_options(state: dict[str, Any], checkpoint: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the task and the model, those of nested configurations flattened."""
    cfg = state.get("cfg") or {}
    task, model = read_section(cfg.get("task")), dict(read_section(cfg.get("model")))
    if not task or not model:
        raise SeeError(f"{checkpoint} does not name its task and model; only fairseq 0.12's can be read")
    for side in ("encoder", "decoder"):
        nested = model.get(side)
        model |= {f"{side}_{name}": value for name, value in (nested if isinstance(nested, dict) else {}).items()}
    return task, model
