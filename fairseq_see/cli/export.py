"""``fairseq-see export``: a trained model as small as it is, or as stock fairseq's."""

import argparse
import copy
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from fairseq_see.cli.main import ImportUserDir
from fairseq_see.errors import SeeError
from fairseq_see.io import replacing_folder, save_checkpoint
from fairseq_see.units.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

    from fairseq_see.embeddings import Embedding

HELP = "write a trained model small, as safetensors in half precision, or as a checkpoint of stock fairseq"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="checkpoint, or an exported model's folder")
    parser.add_argument("--output", "-o", metavar="FOLDER", type=Path, help="folder of the small model")
    parser.add_argument(
        "--to-dense", metavar="FILE.pt", type=Path, help="checkpoint for fairseq without this package, full tables"
    )
    parser.add_argument("--user-dir", metavar="FOLDER", action=ImportUserDir, help="package with methods of your own")
    parser.add_argument(
        "--data", metavar="FOLDER", type=Path, help="where the dictionaries are (default: where the model was trained)"
    )


def run(args: argparse.Namespace) -> None:
    """Write one or both, and tell the bytes."""
    from fairseq_see.models.checkpoint import load_checkpoint, load_embeddings, options_in
    from fairseq_see.models.to_dense import dense_twin

    if not args.output and not args.to_dense:
        raise SeeError("say what to write: --output FOLDER, --to-dense FILE.pt, or both")
    if args.to_dense and args.to_dense.exists():
        raise SeeError(f"{args.to_dense} exists; remove it, or choose another name")
    state = load_checkpoint(args.checkpoint)
    embeddings = load_embeddings(args.checkpoint, state)
    # Whatever may be refused comes before anything is written.
    twin = dense_twin(state, embeddings) if args.to_dense else None
    if args.output:
        _check_replaceable(args.output)
        cfg = copy.deepcopy(state["cfg"])
        dictionaries = _find_dictionaries(args, options_in(cfg["task"]), embeddings)
        _write_small(args.output, {**state, "cfg": cfg}, embeddings, dictionaries)
    if args.to_dense:
        save_checkpoint(args.to_dense, twin)
        size = args.to_dense.stat().st_size
        print(f"{args.to_dense}: {size:,} bytes; fairseq's transformer, for fairseq without --user-dir")


def _write_small(
    folder: Path, state: dict[str, Any], embeddings: dict[str, "Embedding"], dictionaries: dict[str, Path]
) -> None:
    from fairseq_see.embeddings import exported
    from fairseq_see.embeddings.buffers import packed_state
    from fairseq_see.models.checkpoint import options_in, updates_of

    resolved = json.loads(options_in(state["cfg"]["model"]).pop("see_resolved"))
    model = dict(state["model"])
    # Of a table that encoder and decoder share, both names are in a state dict.
    for side in ("encoder", "decoder"):
        prefix = f"{exported.table_of(side, model)}."
        others = {name: value for name, value in model.items() if not name.startswith(prefix)}
        if len(others) < len(model):
            embedding = embeddings.get(side) or embeddings["encoder"]
            model = others | {prefix + name: value for name, value in packed_state(embedding).items()}
    with replacing_folder(folder) as temporary:
        stored = exported.write(
            temporary, model, {"embeddings": resolved, "cfg": state["cfg"], "num_updates": updates_of(state)}
        )
        for name, path in dictionaries.items():
            shutil.copyfile(path, temporary / name)
    _print_sizes(folder, stored, embeddings)


def _check_replaceable(folder: Path) -> None:
    """Refuse to write over what is not the output of an earlier export."""
    from fairseq_see.embeddings.exported import CONFIG, WEIGHTS, read_config

    if not folder.exists():
        return
    if not folder.is_dir():
        raise SeeError(f"{folder} exists and is no folder; choose another name")
    for path in folder.iterdir():
        if path.name not in (CONFIG, WEIGHTS, "dict.txt") and not path.match("dict.*.txt"):
            raise SeeError(f"{folder} holds other files than an exported model, {path.name}; choose another folder")
    if any(folder.iterdir()):
        read_config(folder)


def _find_dictionaries(
    args: argparse.Namespace, task: dict[str, Any], embeddings: dict[str, "Embedding"]
) -> dict[str, Path]:
    """The dictionaries by the names they have; without ``--data`` they may be missing, which is then told.

    Writes the languages into the configuration of the task, where fairseq leaves them out if it took them from the
    names of files.
    """
    from fairseq.data.data_utils import infer_language_pair

    from fairseq_see.embeddings.exported import is_export

    trained = Path(str(task["data"]).split(os.pathsep)[0])
    if is_export(args.checkpoint):
        trained = args.checkpoint if args.checkpoint.is_dir() else args.checkpoint.parent
    folder = args.data or trained
    if "source_lang" not in task:
        return _single_dictionary(folder, args.data is not None, embeddings)
    languages = [task.get("source_lang"), task.get("target_lang")]
    for place in (folder, trained):
        if None in languages and place.is_dir():
            languages = list(infer_language_pair(place))
    found = {f"dict.{language}.txt": folder / f"dict.{language}.txt" for language in languages if language}
    if not found or not all(path.is_file() for path in found.values()):
        if args.data:
            raise SeeError(f"{folder} has not the dictionaries of both languages; --data is the folder that has")
        print(f"no dictionaries in {folder}, exporting without them (--data tells where they are)")
        return {}
    task["source_lang"], task["target_lang"] = languages
    for path, side in zip(found.values(), ("encoder", "decoder"), strict=True):
        rows = embeddings.get(side, embeddings["encoder"]).num_embeddings
        if len(Vocabulary.load(path)) != rows:
            raise SeeError(f"{path} is not the dictionary of this model, whose {side} has {rows} symbols")
    return found


def _single_dictionary(folder: Path, required: bool, embeddings: dict[str, "Embedding"]) -> dict[str, Path]:
    """The dictionary of a model of one language."""
    from fairseq_see.units.vocabulary import MASK

    path = folder / "dict.txt"
    if not path.is_file():
        if required:
            raise SeeError(f"{folder} has no dict.txt; --data is the folder that has the model's dictionary")
        print(f"no dictionary in {folder}, exporting without it (--data tells where it is)")
        return {}
    symbols = Vocabulary.load(path).symbols
    ((side, embedding),) = embeddings.items()
    rows = embedding.num_embeddings
    # Tasks add the mask to the dictionary that they read.
    if rows not in (len(symbols), len({*symbols, MASK})):
        raise SeeError(f"{path} is not the dictionary of this model, whose {side} has {rows} symbols")
    return {path.name: path}


def _print_sizes(folder: Path, stored: dict[str, "Tensor"], embeddings: dict[str, "Embedding"]) -> None:
    """A row for each part: bytes, those of dense tables in half precision, and the ratio."""
    from fairseq_see.embeddings import exported

    rest = sum(tensor.nbytes for tensor in stored.values())
    lines: list[tuple[str, int, int]] = []
    for side, embedding in embeddings.items():
        size = sum(tensor.nbytes for tensor in exported.weights_of(side, stored).values())
        rest -= size
        lines.append((f"{side} embedding", size, 2 * embedding.num_embeddings * embedding.embedding_dim))
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    dictionaries = sum(size for name, size in files.items() if name.startswith("dict."))
    names = sum(files.values()) - dictionaries - sum(tensor.nbytes for tensor in stored.values())
    lines += [(name, size, size) for name, size in (("other weights", rest), ("names, configuration", names))]
    lines += [("dictionaries", dictionaries, dictionaries)] if dictionaries else []
    lines.append(("in all", sum(line[1] for line in lines), sum(line[2] for line in lines)))
    table = Table(title=str(folder))
    for column in ("part", "bytes", "with dense tables, fp16", "ratio"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for name, size, dense in lines:
        table.add_row(name, f"{size:,}", f"{dense:,}", f"{dense / size:.2f}x")
    Console(width=None if sys.stdout.isatty() else 140).print(table)
