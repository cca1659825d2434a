"""``fairseq-see export``: a trained model as small as it is, as stock fairseq's, or as CTranslate2's."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fairseq_see.cli.main import ImportUserDir, print_table
from fairseq_see.errors import SeeError
from fairseq_see.export_config import BITS, DEFAULT_BITS, LAYER_BITS

if TYPE_CHECKING:
    from torch import Tensor

    from fairseq_see.models.export import TrainedModel

HELP = "write a trained model small, as safetensors of few bits, for stock fairseq, or for CTranslate2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", type=Path, help="checkpoint, or an exported model's folder")
    add("--output", "-o", metavar="FOLDER", type=Path, help="folder of the small model")
    kept = "or as the exported model has them"
    add("--bits", type=int, choices=BITS, help=f"of the embeddings there (default: {DEFAULT_BITS}, {kept})")
    add("--layer-bits", type=int, choices=BITS[:2], help=f"of all other weights (default: {LAYER_BITS}, {kept})")
    add("--to-dense", metavar="FILE.pt", type=Path, help="checkpoint for fairseq without this package, full matrices")
    add("--to-ctranslate2", metavar="FOLDER", type=Path, help="folder of a model for CTranslate2, full matrices")
    add("--quantization", help="with --to-ctranslate2: int8, float16 or another of its types (default: keep)")
    add("--user-dir", metavar="FOLDER", action=ImportUserDir, help="package with methods of your own")
    add("--data", metavar="FOLDER", type=Path, help="the dictionaries' (default: where the model was trained)")
    subwords = (
        "where codes.LANG or spm.LANG.model is, which raw text needs (default: the folder above the dictionaries)"
    )
    add("--subwords", metavar="FOLDER", type=Path, help=subwords)


def run(args: argparse.Namespace) -> None:
    """Write what is asked for, then print the bytes."""
    from fairseq_see.models.checkpoint import save_checkpoint
    from fairseq_see.models.ctranslate2 import QUANTIZATIONS, write_ctranslate2
    from fairseq_see.models.export import TrainedModel, check_replaceable
    from fairseq_see.models.to_dense import make_dense

    folders = [folder for folder in (args.output, args.to_ctranslate2) if folder]
    if not folders and not args.to_dense:
        raise SeeError("name what to write: --output FOLDER, --to-dense FILE.pt, --to-ctranslate2 FOLDER")
    if args.quantization and (not args.to_ctranslate2 or args.quantization not in QUANTIZATIONS):
        raise SeeError(f"--quantization is for --to-ctranslate2, and one of {', '.join(QUANTIZATIONS)}")
    if args.to_dense and args.to_dense.exists():
        raise SeeError(f"{args.to_dense} exists; remove it, or choose another name")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise SeeError("--output and --to-ctranslate2 are the same folder")
    # Whatever may be refused comes before anything is written.
    for folder in folders:
        check_replaceable(folder)
    model = TrainedModel.load(args.checkpoint, args.data, args.subwords)
    dense = make_dense(model.state, model.embeddings) if args.to_dense else None
    if args.to_ctranslate2:
        write_ctranslate2(args.to_ctranslate2, model, args.quantization)
    model.bits, model.layer_bits = args.bits or model.bits, args.layer_bits or model.layer_bits
    stored = model.write_folder(args.output) if args.output else None
    if dense:
        save_checkpoint(args.to_dense, dense)
    # Last: who reads what is printed may go before the end.
    if stored is not None:
        _print_sizes(args.output, model, stored)
    if args.to_ctranslate2:
        size = sum(path.stat().st_size for path in args.to_ctranslate2.iterdir())
        print(f"{args.to_ctranslate2}: {size:,} bytes; a model for CTranslate2")
    if dense:
        size = args.to_dense.stat().st_size
        print(f"{args.to_dense}: {size:,} bytes; fairseq's transformer, for fairseq without --user-dir")


def _print_sizes(folder: Path, model: "TrainedModel", stored: dict[str, "Tensor"]) -> None:
    """A line for each part: bytes, those of a dense model in half precision, and the ratio."""
    from fairseq_see.embeddings import exported
    from fairseq_see.embeddings.buffers import unpack_state

    lines: list[tuple[str, int, int]] = []
    rest = dict(stored)
    for side, embedding in model.embeddings.items():
        own = {f"{exported.find_embedding(side, stored)}.{name}" for name in exported.select_weights(side, stored)}
        size = sum(rest.pop(name).nbytes for name in own)
        lines.append((f"{side} embedding", size, 2 * embedding.num_embeddings * embedding.embedding_dim))
    half = sum(tensor.numel() * min(2, tensor.itemsize) for tensor in unpack_state(rest).values())
    lines.append(("other weights", sum(tensor.nbytes for tensor in rest.values()), half))
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    tokens = sum(size for name, size in files.items() if name.startswith(("dict.", "codes.", "spm.")))
    names = sum(files.values()) - tokens - sum(tensor.nbytes for tensor in stored.values())
    lines.append(("names, configuration", names, names))
    lines += [("dictionaries, subwords", tokens, tokens)] if tokens else []
    lines.append(("in all", sum(line[1] for line in lines), sum(line[2] for line in lines)))
    columns = {"part": "left", "bytes": "right", "dense, fp16": "right", "ratio": "right"}
    cells = [(name, f"{size:,}", f"{dense:,}", f"{dense / size:.2f}x") for name, size, dense in lines]
    print_table(f"{folder}: {model.bits} bits, layers {model.layer_bits}", columns, cells, 140)
