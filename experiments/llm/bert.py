"""What compressing the token table does to a BERT-like model: masked perplexity, GLUE, SQuAD v1.1.

As Balazy et al. (2021, arXiv 2106.08181) measure it: the table of a pretrained model is compressed, its perplexity is
read at once, and the model is fine-tuned on each task with the factors in place of the table.
``scripts/compress_bert.sh`` runs this.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    set_seed,
)

from experiments.llm import bert_data, glue
from experiments.llm.cached_step import check_settings, once
from experiments.llm.finetune import Schedule, answer, classify
from experiments.llm.masked_lm import perplexity
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.fitting import PRESETS, FitConfig, measure
from fairseq_see.hf import compress_embeddings, compressed_embeddings, surgery
from fairseq_see.io import replacing_folder

TASKS = ("mlm", *glue.TASKS, "squad")
DENSE = "dense"

# Of transformers' example for SQuAD, as the default is of that for GLUE. Perplexity is not trained for.
SCHEDULES = {"squad": Schedule(2, 12, 3e-5, 384), "mlm": Schedule(length=512)}


METHODS = {
    "svd": PRESETS["svd"],
    # As Balazy et al. call it.
    "autoencoder": PRESETS["direction"],
    # More epochs of larger batches than the preset has.
    "see": PRESETS["see"]._replace(fit=FitConfig(epochs=75, batch_rows=1024)),
}


class Run(NamedTuple):
    """A model, stock or compressed.

    Attributes:
        folder: of all that comes of it.
        method: name in METHODS, or ``dense``.
        ratio: of compression; None if it is stock.
    """

    folder: Path
    method: str
    ratio: float | None = None

    @property
    def name(self) -> str:
        """For a person."""
        return self.method if self.ratio is None else f"{self.method} {self.ratio:g}x"


def compress(model: Any, tokenizer: Any, name: str, ratio: float, seed: int, **units: Any) -> dict[str, Any]:
    """Compress a model's table in place, and its output with it if that is tied.

    Args:
        model: of transformers.
        tokenizer: its own.
        name: in METHODS.
        ratio: of compression.
        seed: of start and fit.
        **units: ``senses`` or ``index`` of :func:`~fairseq_see.hf.compress_embeddings`, for ``see``.

    Returns:
        ``parameters`` and ``ratio`` of the table, the embedding's ``settings``, and how near its rows are, as
        :func:`~fairseq_see.fitting.measure` tells it of all.
    """
    table = model.get_input_embeddings().weight.detach().clone()
    method, fit, options = METHODS[name]
    fit = fit._replace(seed=seed)
    compress_embeddings(model, tokenizer, method, ratio, fit=fit, seed=seed, **units, **options)
    embedding = compressed_embeddings(model)["input"]
    parameters = embedding.footprint().parameters
    with torch.no_grad():
        near = measure(embedding.table(), table, torch.ones(len(table)))[0]
    size = {"parameters": parameters, "ratio": table.numel() / parameters}
    return {**size, "settings": embedding.config.to_json(), **near}


def main(words: list[str] | None = None) -> None:
    """Do what has not been done yet, and print all as a table in Markdown."""
    args = _parser().parse_args(words)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with ends_in_one_line():
        # Trainers tell their losses on stdout.
        with redirect_stdout(sys.stderr):
            tokenizer = _load(AutoTokenizer, args.model)
            pairs = [(method, ratio) for ratio in args.ratio for method in args.method]
            runs = [Run(args.out / f"{method}-{ratio:g}x", method, ratio) for method, ratio in pairs]
            rows = [_row(run, args, tokenizer) for run in (Run(args.out / DENSE, DENSE), *runs)]
        print(_markdown(rows))


def _row(run: Run, args: argparse.Namespace, tokenizer: Any) -> dict[str, str]:
    row = {"table": run.name, "parameters": "", "ratio": "1x"}
    origin = {"model": args.model, "seed": args.seed}
    if run.method != DENSE:
        lexicon = {"lexicon": args.lexicon and str(args.lexicon)} if run.method == "see" else {}
        table = _once(run, "table", origin | lexicon, partial(_compressed, run, args, tokenizer))
        row |= {"parameters": f"{table['parameters']:,}", "ratio": f"{table['ratio']:.2f}x"}
    for task in args.task:
        schedule = SCHEDULES.get(task, Schedule())
        given = {name: getattr(args, name) for name in Schedule._fields if getattr(args, name) is not None}
        schedule = schedule._replace(**given)
        work = partial(_masked if task == "mlm" else partial(_tuned, task), run, args, tokenizer, schedule)
        scores = _once(run, task, {**origin, "data": args.data and str(args.data), **schedule._asdict()}, work)
        row |= {f"{task} {name}": "" if score is None else f"{score:.2f}" for name, score in scores.items()}
    return row


def _once(run: Run, name: str, settings: dict[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returns, or what it returned before: it is kept in the run's folder with its settings."""

    def make() -> dict[str, Any]:
        print(f"{run.name}: {name}", file=sys.stderr, flush=True)
        return {"results": work(), "settings": settings}

    path = run.folder / f"{name}.json"
    known = once(path, make)
    check_settings(path, known["settings"], settings)
    return known["results"]


def _compressed(run: Run, args: argparse.Namespace, tokenizer: Any) -> dict[str, Any]:
    """Compress the model, which is then ``model`` in the run's folder, to be loaded by ``from_pretrained``."""
    model = _load(AutoModelForMaskedLM, args.model)
    assert run.ratio is not None
    results = compress(model, tokenizer, run.method, run.ratio, args.seed, senses=args.lexicon)
    with replacing_folder(run.folder / "model") as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return results


def _masked(run: Run, args: argparse.Namespace, tokenizer: Any, schedule: Schedule) -> dict[str, Any]:
    """Perplexities: with the table compressed in the input alone, and with it in the output too, if that is tied."""
    lines = bert_data.text(args.data)

    def of(model: Any) -> float:
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        return perplexity(model, tokenizer, lines, schedule.length, schedule.seed)

    stock = _load(AutoModelForMaskedLM, args.model)
    if run.method == DENSE:
        return dict.fromkeys(("input", "tied"), of(stock))
    model = _load(AutoModelForMaskedLM, run.folder / "model")
    tied = of(model) if model.config.quantization_config.output == "tied" else None
    surgery.put(stock, compressed_embeddings(model)["input"], "dense")
    return {"input": of(stock), "tied": tied}


def _tuned(task: str, run: Run, args: argparse.Namespace, tokenizer: Any, schedule: Schedule) -> dict[str, Any]:
    """Scores after fine-tuning; the checkpoints are deleted in the end."""
    source = args.model if run.method == DENSE else run.folder / "model"
    folder = run.folder / f"{task}.training"
    # The heads of tasks are new.
    set_seed(schedule.seed)
    if task == "squad":
        sets = bert_data.squad(args.data)
        scores = answer(_load(AutoModelForQuestionAnswering, source), tokenizer, sets, schedule, folder)
    else:
        kind = glue.TASKS[task]
        sets = bert_data.glue(task, kind, args.data)
        model = _load(AutoModelForSequenceClassification, source, num_labels=kind.labels)
        scores = classify(model, tokenizer, kind, sets, schedule, folder)
    shutil.rmtree(folder)
    return scores


def _load(kind: Any, name: str | Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(name, **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SeeError(f"cannot load {name} ({reason}); give the folder of a BERT-like model") from error


def _markdown(rows: list[dict[str, str]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[row.get(column, "") for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="compress_bert.sh", description=__doc__)
    parser.add_argument("--model", required=True, help="a masked language model: of the hub, or a folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS), help="default: all")
    parser.add_argument("--ratio", nargs="+", type=float, default=[5.0, 10.0], help="default: 5 10")
    parser.add_argument(
        "--task",
        nargs="+",
        choices=TASKS,
        default=["mlm", "sst2", "mrpc", "squad"],
        help="default: mlm sst2 mrpc squad",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="local data (default: the hub's); docs/llm.md")
    parser.add_argument(
        "--lexicon", type=Path, metavar="TSV", help="senses, for see: HowNet's, or python -m experiments lexicon's"
    )
    schedule = parser.add_argument_group("fine-tuning", "defaults: those of transformers' examples for GLUE and SQuAD")
    schedule.add_argument("--epochs", type=float)
    schedule.add_argument("--batch-size", type=int)
    schedule.add_argument("--lr", type=float)
    schedule.add_argument("--length", type=int, metavar="TOKENS", help="of a sequence at most")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    return parser


if __name__ == "__main__":
    main()
