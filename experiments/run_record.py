"""One JSON file a run, ``RUN/run.json``: what was trained, on what, how far, how large it is and how well it does.

The rules of the Snakefile write it once, when a run has ended; the report reads nothing else but the translations that
lie beside it:

    RUN/NAME.hyp, RUN/NAME.ref           a test set's translations and references, plain text, a sentence a line
    RUN/NAME.hyp.tok, RUN/NAME.ref.tok   the same, tokenised, words with spaces between
"""

import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import distributions
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from fairseq_see.errors import SeeError
from fairseq_see.export_config import DEFAULT_BITS
from fairseq_see.io import read_lines, write_json

FILE = "run.json"
VERSION = 1
KINDS = ("translation", "language_model", "masked_lm", "classification", "fit")
STATES = ("trained", "scored", "failed", "infeasible")
# What the configuration of a run has to distinguish it.
CHOSEN = ["corpus", "scale", "method", "variant", "ratio", "seed"]

# Types of what is known to be in the mappings.
_KNOWN: dict[str, Any] = {
    **{"ratio": float | None, "method": str, "variant": str | None, "see_args": dict[str, Any] | None},
    **{"training_pairs": int | None, "training_words": str | None},
    **dict.fromkeys(("bleu", "chrf", "tokenised_bleu", "perplexity", "accuracy"), float),
}


@dataclass(frozen=True)
class RunRecord:
    """What a run was and what came of it.

    Runs whose ``config`` and ``overrides`` differ in ``seed`` alone are seeds of one setting.
    """

    name: str  # a label for people; nothing is read from it
    kind: str = "translation"
    # What was chosen: corpus, scale, method, ratio (asked for; absent for a method without), seed, variant,
    # architecture, see_args (rank, order and vectors where they were given, wherever that was); of a fit also fitted_to
    # (a run's name) and how.
    config: dict[str, Any] = field(default_factory=dict)
    # Of the training configuration, by key, without what follows from the seed, and without paths.
    overrides: dict[str, Any] = field(default_factory=dict)
    # The training text: name, training_pairs, target_lang and training_words, the path of its tokenised target side.
    data: dict[str, Any] = field(default_factory=dict)
    state: str = "trained"
    reason: str = ""  # why it failed or is infeasible, in a line
    commit: str = ""  # of this code
    machine: str = ""  # processor and GPUs
    versions: dict[str, str] = field(default_factory=dict)  # of torch, fairseq, python and sacrebleu
    updates: int | None = None  # of the checkpoint that was scored
    epochs: float | None = None  # of the whole training
    seconds: float | None = None  # of the whole training, validation included
    matrices: list[list[int]] = field(default_factory=list)  # V and d of each embedding matrix
    embedding_parameters: int | None = None  # of both sides; a tied output counts once
    embedding_bytes: int | None = None  # half precision or codes, with the packed unit index
    shipped_bytes: int | None = None  # the same as fairseq-see export writes it: rounded to 8 bits
    dense_parameters: int | None = None  # of dense matrices in their place
    model_parameters: int | None = None  # of the whole model
    model_bytes: int | None = None  # of the whole model, the rest of it in half precision
    parameter_ratio: float | None = None  # dense_parameters by embedding_parameters
    byte_ratio: float | None = None  # bytes of dense matrices in half precision by embedding_bytes
    curve: list[list[float]] = field(default_factory=list)  # updates and dev perplexity, in the order of training
    dev_perplexity: float | None = None  # of the checkpoint that was scored
    # By test set; of a translation bleu, chrf, tokenised_bleu and a ..._signature of each, of a language model
    # perplexity, of a classification accuracy.
    metrics: dict[str, dict[str, float | str]] = field(default_factory=dict)
    # sha256 of data, of each dictionary (dict.en.txt), of index and checkpoint.
    checksums: dict[str, str] = field(default_factory=dict)
    version: int = VERSION  # of this layout

    def __post_init__(self) -> None:
        """Raise SeeError if a field holds what it may not."""
        wanted = [(item.name, getattr(self, item.name), item.type) for item in fields(self)]
        _check(wanted)
        for name, allowed in (("kind", KINDS), ("state", STATES), ("version", (VERSION,))):
            if getattr(self, name) not in allowed:
                raise SeeError(f"{name} is {getattr(self, name)!r}, not one of {', '.join(map(str, allowed))}")
        for values in (self.config, self.data, *self.metrics.values()):
            _check((name, values[name], _KNOWN[name]) for name in values.keys() & _KNOWN.keys())
        for test, metrics in self.metrics.items():
            if all(isinstance(value, str) for value in metrics.values()):
                raise SeeError(f"metrics of {test} hold no number")
        if any(len(pair) != 2 for pairs in (self.curve, self.matrices) for pair in pairs):
            raise SeeError("curve or matrices are no lists of pairs")


def read(folder: Path, file: str = FILE) -> RunRecord:
    """The record of a run.

    Args:
        folder: of the run.
        file: its name: run.json, or train.json of a run that is not scored yet.

    Raises:
        SeeError: there is none, or it is damaged.
    """
    path = folder / file
    text = "\n".join(read_lines(path))
    try:
        values = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise SeeError(f"{path} is no run record: {error}; run it again") from error
    if not isinstance(values, dict) or "name" not in values:
        raise SeeError(f"{path} is no run record; run it again")
    if unknown := values.keys() - {item.name for item in fields(RunRecord)}:
        raise SeeError(f"{path} has unknown fields: {', '.join(sorted(unknown))}; it is of another version")
    try:
        return RunRecord(**values)
    except SeeError as error:
        raise SeeError(f"{path} is damaged: {error}; run it again") from error


def write(folder: Path, record: RunRecord, file: str = FILE) -> None:
    """Write the record of a run, whole or not at all.

    Raises:
        SeeError: the folder cannot be written to.
    """
    write_json(folder / file, asdict(record))


def read_log(log: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects that fairseq logged, one a line at most; empty without a log.

    Date and level may stand before them. A last line that a kill truncated is left out.
    """
    if log.is_file():
        with log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                _, brace, rest = line.partition("{")
                try:
                    yield json.loads(brace + rest)
                except ValueError:
                    continue


def read_curve(log: Path) -> list[list[float]]:
    """Updates and finite dev perplexities from a log of fairseq.

    Of an update that was validated twice, by a training that was killed and resumed, the later perplexity counts.

    Raises:
        SeeError: what it has there are no numbers.
    """
    found: dict[int, float] = {}
    for values in read_log(log):
        if "valid_ppl" in values and "valid_num_updates" in values:
            try:
                found[int(values["valid_num_updates"])] = float(values["valid_ppl"])
            except (TypeError, ValueError) as error:
                raise SeeError(f"{log} is no log of fairseq: {error}") from error
    return [[update, found[update]] for update in sorted(found) if math.isfinite(found[update])]


def measure_sizes(checkpoint: Path) -> dict[str, Any]:
    """The fields of a record from ``matrices`` to ``byte_ratio``, of a translation model's checkpoint.

    Raises:
        SeeError: it is no checkpoint, or has no embeddings of this package.
    """
    from fairseq_see.embeddings.exported import find_embedding
    from fairseq_see.models.checkpoint import load_checkpoint, load_embeddings

    state = load_checkpoint(checkpoint)
    embeddings = load_embeddings(checkpoint, state)
    footprints = [embedding.footprint() for embedding in embeddings.values()]
    size = sum(footprint.bytes for footprint in footprints)
    shipped = sum(embedding.footprint(DEFAULT_BITS).bytes for embedding in embeddings.values())
    parameters = sum(footprint.parameters for footprint in footprints)
    matrices = [[embedding.num_embeddings, embedding.embedding_dim] for embedding in embeddings.values()]
    dense = sum(rows * columns for rows, columns in matrices)
    rest = _count_others(state["model"], tuple(f"{find_embedding(side, state['model'])}." for side in embeddings))
    return {
        "matrices": matrices,
        "embedding_parameters": parameters,
        "embedding_bytes": size,
        "shipped_bytes": shipped,
        "dense_parameters": dense,
        "model_parameters": parameters + rest,
        "model_bytes": size + 2 * rest,
        "parameter_ratio": dense / parameters,
        "byte_ratio": 2 * dense / size,
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A mapping of mappings as one, its keys joined by points."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def find_commit() -> str:
    """Of the checkout that this file is in, ``-dirty`` where it has changes; ``unknown`` where there is none.

    In an archive for a machine without network, the file COMMIT holds it.
    """
    repository = Path(__file__).resolve().parents[1]
    if (packed := repository / "COMMIT").is_file():
        return packed.read_text(encoding="utf-8").strip()
    if not (repository / ".git").exists():
        return "unknown"
    return _capture("git", "-C", str(repository), "describe", "--always", "--dirty") or "unknown"


def collect_machine() -> str:
    """Cores, processor and GPUs, as a line."""
    gpus = _capture("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return ", ".join([f"{os.cpu_count()} cores of {processor}", *map(str.strip, gpus)])


def collect_versions() -> dict[str, str]:
    """Versions of ``torch``, ``fairseq``, ``python`` and ``sacrebleu``."""
    installed = {package.name.lower().replace("_", "-"): package.version for package in distributions() if package.name}
    return {
        "torch": installed.get("torch", "unknown"),
        "fairseq": installed.get("fairseq-fixed") or installed.get("fairseq", "unknown"),
        "python": platform.python_version(),
        "sacrebleu": installed.get("sacrebleu", "unknown"),
    }


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _check(wanted: Iterable[tuple[str, Any, Any]]) -> None:
    """Raise SeeError if one of some values, with names and types, is of another type."""
    for name, value, kind in wanted:
        if not _fits(value, kind):
            raise SeeError(f"{name} is {value!r}")


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a JSON value is of a type; an integer is a float, too."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if isinstance(wanted, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, parts[1]) for item in value.values())
    if origin is list:
        return isinstance(value, list) and all(_fits(item, parts[0]) for item in value)
    return wanted is Any or isinstance(value, int | float if wanted is float else wanted)


def _count_others(model: Mapping[str, Any], inside: tuple[str, ...]) -> int:
    """Parameters outside the names that begin with ``inside``; what is stored under two names counts once."""
    # A tied output of a stock model is the same storage once more.
    seen = {tensor.data_ptr() for name, tensor in model.items() if name.startswith(inside)}
    count = 0
    for name, tensor in model.items():
        # The last two are bookkeeping that no training changes and no translation needs.
        if name.startswith(inside) or tensor.data_ptr() in seen or name.endswith(("version", "_float_tensor")):
            continue
        seen.add(tensor.data_ptr())
        count += tensor.numel() * tensor.is_floating_point()
    return count


def _capture(*command: str) -> str:
    """What a command prints; nothing if there is no such command or it fails."""
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # nvidia-smi prints its errors on stdout, too.
    return "" if done.returncode else done.stdout.strip()
