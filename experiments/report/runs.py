"""Trained and scored runs, read from the folders that scripts/train.sh and scripts/score.sh make."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fairseq_see.embeddings.config import parse_options
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines

SCORES = ("bleu", "chrf", "tokenised_bleu")

# Of a checkpoint's configuration, what two runs that differ in their seed alone have in common.
SETTING = ("common", "task", "model", "criterion", "optimizer", "lr_scheduler", "optimization", "dataset")

# The last is set where there is only so much time, anew at each start.
NOT_CHOSEN = ("see_resolved", "seed", "save_dir", "user_dir", "stop_time_hours")

# Tensors of a state dict that no training changes and no translation needs.
BOOKKEEPING = ("version", "_float_tensor")


@dataclass(frozen=True)
class Result:
    """What one trained model costs, and how well it translates one test set.

    Attributes:
        run: its folder.
        method: name of the embedding, and the control that its unit index is, if any (``see, random-senses``).
        compresses: whether the method has a ratio to choose.
        quantised: whether its tables are codes; its ratio is then of bytes.
        made: how: ``trained``, or of what trained model, and by which fit, its tables were made afterwards; and of how
            many checkpoints it is the mean.
        asked: the ratio it was asked for; None if it was given hyper-parameters.
        parameters: numbers of the embeddings of both sides, codes among them; a tied output counts once.
        bytes: size of the embeddings: half precision, the packed unit index counted in.
        dense_parameters: numbers of dense tables in their place.
        model_bytes: ``bytes`` and the rest of the model in half precision.
        tables: (V, d) of each table.
        knobs: ``rank``, ``order``, ``m`` and ``head`` where the method has them; two values where the sides differ.
        setting: the configuration of the training, without the seed; of the text what it was, not where it lay.
        text: where it lay, for fairseq's ``task.data``.
        test: name of the test set, None if none is scored; so are the scores.
        range: lowest and highest of each score, where several seeds were joined.
    """

    run: str
    method: str
    compresses: bool
    quantised: bool
    made: str
    asked: float | None
    parameters: int
    bytes: int
    dense_parameters: int
    model_bytes: int
    tables: tuple[tuple[int, int], ...]
    knobs: dict[str, Any]
    updates: int
    seed: Any
    setting: dict[str, dict[str, Any]]
    text: str
    test: str | None = None
    bleu: float | None = None
    chrf: float | None = None
    tokenised_bleu: float | None = None
    signature: str | None = None
    range: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Numbers of dense tables by those of these, or bytes by bytes of quantised ones."""
        return self.dense_bytes / self.bytes if self.quantised else self.dense_parameters / self.parameters

    @property
    def dense_bytes(self) -> int:
        """Size of dense tables in half precision."""
        return 2 * self.dense_parameters

    @property
    def model_parameters(self) -> int:
        """``parameters`` and the numbers of the rest of the model."""
        return self.parameters + (self.model_bytes - self.bytes) // 2

    @property
    def name(self) -> str:
        """The last part of its folder's name."""
        return Path(self.run).resolve().name

    @property
    def base_method(self) -> str:
        """The embedding, whatever control its unit index is."""
        return base_method(self.method)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = asdict(self) | {"dense_bytes": self.dense_bytes}
        if not self.range:
            del values["range"]
        return values


def base_method(method: str) -> str:
    """Of a result's method the name that is registered."""
    return method.partition(",")[0]


def read_results(path: Path) -> list[Result]:
    """A result for each test set that a run was scored on; one without scores if there is none.

    Raises:
        SeeError: not trained, a damaged file, or a model without an embedding of this package.
    """
    from fairseq_see.models.checkpoint import AVERAGED, load_checkpoint, load_embeddings, options_in, updates_of

    checkpoint = path / "checkpoints" / "checkpoint_best.pt"
    if not checkpoint.is_file():
        raise SeeError(f"no {checkpoint}; train the run first (scripts/train.sh)")
    state = load_checkpoint(checkpoint)
    embeddings = load_embeddings(checkpoint, state)
    tables = list(embeddings.values())
    footprints = [table.footprint() for table in tables]
    size = sum(footprint.bytes for footprint in footprints)
    resolved = json.loads(options_in(state["cfg"].get("model"))["see_resolved"])
    fitted = _fitted(path, resolved)
    averaged = (state.get("extra_state") or {}).get(AVERAGED)
    cost: dict[str, Any] = {
        "run": str(path),
        "method": _method(tables[0]),
        "compresses": tables[0].compresses,
        "quantised": tables[0].quantised,
        "made": (f"fitted to {_source(resolved)} {fitted}" if fitted else "trained")
        + (f", mean of {averaged} checkpoints" if averaged else ""),
        "asked": (resolved.get("request") or resolved).get("ratio"),
        "parameters": sum(footprint.parameters for footprint in footprints),
        "bytes": size,
        "dense_parameters": sum(table.num_embeddings * table.embedding_dim for table in tables),
        "model_bytes": size + 2 * _other_parameters(state["model"], embeddings),
        "tables": tuple((table.num_embeddings, table.embedding_dim) for table in tables),
        "knobs": _knobs(tables),
        "updates": updates_of(state),
        "seed": state["cfg"].get("common", {}).get("seed"),
        "setting": {
            name: {key: value for key, value in options_in(state["cfg"].get(name)).items() if key not in NOT_CHOSEN}
            for name in SETTING
        },
    }
    cost["text"] = str(cost["setting"]["task"].pop("data", "")).split(":")[0]
    cost["setting"]["text"] = {"data": _text(path, Path(cost["text"]))}
    # What they came to: asked for or a method's default, it is one setting.
    own = tables[0].config.to_json()
    asked = parse_options(cost["setting"]["model"].pop("see_args", None))
    cost["setting"]["model"] |= {"see_head": own.get("frequent_share", 0), "see_layernorm": own.get("layernorm", False)}
    cost["setting"]["model"] |= {"see_m": asked["vectors"]} if "vectors" in asked else {}
    if fitted:
        cost["setting"]["fit"] = {"fitted": fitted}
    if averaged:
        cost["setting"]["average"] = {"checkpoints": averaged}
    if made := _indexes_made_from(tables):
        # Not the place they lay in: a random control has an index of its own for each seed.
        cost["setting"]["model"]["see_index"] = made
    files = sorted(path.glob("*.scores.json"))
    for file in files:
        if file.stat().st_mtime < checkpoint.stat().st_mtime:
            print(f"warning: {file} is older than {checkpoint}; score it again (scripts/score.sh)", file=sys.stderr)
    return [Result(**cost, **_scores(file)) for file in files] or [Result(**cost)]


def settings_of(run: Path, kind: str = "train") -> dict[str, list[str]]:
    """What distinguishes a run, as scripts/train.sh or, with ``kind`` ``fit``, fit.sh wrote it; empty if it did not.

    The first word of a line (``configuration``, ``data``, ``override``, ``option``) maps to what follows, line by line.
    """
    file = run / f"{kind}.settings"
    found: dict[str, list[str]] = {}
    for name, _, value in (line.partition(" ") for line in (read_lines(file) if file.is_file() else [])):
        found.setdefault(name, []).append(value)
    return found


def dictionaries(folder: Path) -> dict[str, str]:
    """Checksums of the dictionaries in a folder, by their names: the beginning of their sha256."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in sorted(folder.glob("dict.*.txt"))}


def _text(run: Path, folder: Path) -> str:
    """What is equal for runs on one text, wherever it lay: of its dictionaries, which count its words.

    Without dictionaries it is the folder.
    """
    found = dictionaries(run) or dictionaries(folder)
    return " ".join(f"{name} {checksum}" for name, checksum in found.items()) or str(folder)


def _fitted(path: Path, resolved: dict[str, Any]) -> str:
    """How the tables of a run were fitted to those of another model; empty if they were not."""
    if "fitted" not in resolved:
        return ""
    return str(resolved["fitted"]["how"]) + (", then trained" if (path / "train.log").is_file() else "")


def _source(resolved: dict[str, Any]) -> str:
    """The run that tables were fitted to, or its checkpoint if that lies elsewhere."""
    checkpoint = Path(resolved["fitted"]["to"])
    return checkpoint.parent.parent.name if checkpoint.parent.name == "checkpoints" else checkpoint.name


def _method(embedding: Any) -> str:
    """Its name, and the control that its unit index is, if any."""
    index = getattr(embedding, "index", None)
    control = index.sizes.provenance.get("control") if index else None
    # As the paper calls it.
    method = "matrix" if embedding.method == "low_rank" else embedding.method
    return f"{method}, {control}" if control else method


def _indexes_made_from(tables: Iterable[Any]) -> str:
    """From what the unit indexes of the tables were made, without control (part of the method) and seed."""
    indexes = (getattr(table, "index", None) for table in tables)
    provenances = (index.sizes.provenance for index in indexes if index)
    said = (
        "; ".join(f"{key} {value}" for key, value in provenance.items() if key not in ("control", "seed"))
        for provenance in provenances
    )
    return " and ".join(dict.fromkeys(filter(None, said)))


def _knobs(tables: Iterable[Any]) -> dict[str, Any]:
    """Rank, order, m and head of the tables, where they have them."""
    found: dict[str, list[Any]] = {}
    for table in tables:
        description = table.describe()
        settings = description.get("index", {}) | description["config"]
        settings |= {"m": settings.get("vectors"), "head": settings.get("frequent_share")}
        if isinstance(settings["m"], list):
            settings["m"] = settings["m"][0] if len(set(settings["m"])) == 1 else tuple(settings["m"])
        for name in ("rank", "order", "m", "head"):
            if settings.get(name):
                found.setdefault(name, []).append(settings[name])
    return {name: values[0] if len(set(values)) == 1 else tuple(values) for name, values in found.items()}


def _other_parameters(model: dict[str, Any], embeddings: dict[str, Any]) -> int:
    """Numbers of a model outside its embedding tables; what is stored under two names counts once."""
    from fairseq_see.embeddings.exported import table_of

    inside = tuple(f"{table_of(side, model)}." for side in embeddings)
    # A tied output of a stock model is the same storage once more.
    seen = {tensor.data_ptr() for name, tensor in model.items() if name.startswith(inside)}
    count = 0
    for name, tensor in model.items():
        if name.startswith(inside) or name.endswith(BOOKKEEPING) or tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        count += tensor.numel() * tensor.is_floating_point()
    return count


def _scores(path: Path) -> dict[str, Any]:
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        return {name: scores.get(name) for name in ("test", *SCORES, "signature")}
    except (OSError, ValueError, AttributeError) as error:
        raise SeeError(f"cannot read {path}: {error}; score the run again (scripts/score.sh)") from error
