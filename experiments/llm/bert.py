"""What compressing the token embeddings does to a BERT-like model: masked perplexity, GLUE, SQuAD v1.1.

As Balazy et al. (2021, arXiv 2106.08181) measure it: the embedding matrix of a pretrained model is compressed, its
perplexity is read at once, and the model is fine-tuned on each task with the factors in place of the matrix.
``scripts/compress_bert.sh`` runs this.
"""

import argparse
import math
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
import transformers
from datasets import Dataset
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from experiments.llm import glue, squad
from experiments.llm.cached_step import check_settings, load_or_make
from experiments.llm.hub import load_model, load_split
from fairseq_see.errors import InfeasibleRatio, SeeError, ends_in_one_line
from fairseq_see.fitting import PRESETS, FitConfig, FitPreset, measure
from fairseq_see.hf import compress_embeddings, get_compressed_embeddings, surgery
from fairseq_see.io import read_lines, replace_folder

WIKITEXT = ("Salesforce/wikitext", "wikitext-2-raw-v1", "test")

METHODS = {
    "svd": PRESETS["svd"],
    # As Balazy et al. call it.
    "autoencoder": PRESETS["direction"],
    # More epochs of larger batches than the preset has.
    "see": PRESETS["see"]._replace(fit=FitConfig(epochs=75, batch_rows=1024)),
    # K-means, compressed by bytes; fine-tuning moves the codebooks, and of dpq the codes.
    "product_quantised": FitPreset("product_quantised", FitConfig(epochs=0), {}),
    "dpq": FitPreset("dpq", FitConfig(epochs=0), {}),
}


class Schedule(NamedTuple):
    """How to fine-tune, with Adam at a rate that falls to 0. Defaults as in transformers' GLUE example."""

    epochs: float = 3
    batch_size: int = 32
    lr: float = 2e-5
    length: int = 128  # tokens of a sequence at most
    seed: int = 1


# As in transformers' example for SQuAD. Perplexity is not trained for.
SCHEDULES = {"squad": Schedule(2, 12, 3e-5, 384), "mlm": Schedule(length=512)}


def compress(model: Any, tokenizer: Any, name: str, ratio: float, seed: int, **units: Any) -> dict[str, Any]:
    """Compress a model's embedding matrix in place by one of METHODS, and its output with it if that is tied.

    A ratio that the method cannot reach gives way to the nearest. ``units`` are ``senses`` or ``index`` for ``see``.
    Returned are size and ratio, the embedding's config as ``settings``, and what ``fitting.measure`` has of all rows.
    """
    matrix = model.get_input_embeddings().weight.detach().clone()
    method, fit, options = METHODS[name]
    options = {**options, **units, "fit": fit._replace(seed=seed), "seed": seed}
    try:
        compress_embeddings(model, tokenizer, method, ratio, **options)
    except InfeasibleRatio as error:
        compress_embeddings(model, tokenizer, method, error.nearest, **options)
    embedding = get_compressed_embeddings(model)["input"]
    size = embedding.footprint()._asdict() | {"ratio": embedding.ratio, "settings": embedding.config.to_json()}
    with torch.no_grad():
        return size | measure(embedding.table(), matrix, torch.ones(len(matrix)))[0]


@torch.no_grad()
def measure_perplexity(model: Any, tokenizer: Any, lines: Sequence[str], length: int, seed: int) -> float:
    """exp of the mean cross-entropy, in nats, of 15% of all tokens, drawn and masked as for pretraining.

    Each line is a sequence of at most ``length`` tokens. The same lines and seed give the same draw for any model.
    """
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=seed)
    encoded = [tokenizer(x, truncation=True, max_length=length, return_special_tokens_mask=True) for x in lines]
    model.eval()
    losses = []
    for first in range(0, len(encoded), 16):
        batch = collate(encoded[first : first + 16]).to(model.device)
        labels = batch.pop("labels")
        drawn = labels != -100
        losses.append(F.cross_entropy(model(**batch).logits[drawn].float(), labels[drawn], reduction="none"))
    if not sum(map(len, losses)):
        raise SeeError("the text for perplexity is too short: none of its tokens was drawn to be predicted")
    return math.exp(min(float(torch.cat(losses).double().mean()), 700))


def classify(
    model: Any, tokenizer: Any, task: glue.Task, sets: dict[str, Dataset], schedule: Schedule, folder: Path
) -> dict[str, float]:
    """Fine-tune a model with ``task.labels`` outputs on a GLUE task, and score the task's validation sets.

    Checkpoints are in ``folder``; training goes on from the last that is there.
    """

    def encode(rows: dict[str, list[Any]]) -> dict[str, Any]:
        encoded = tokenizer(*(rows[column] for column in task.columns), truncation=True, max_length=schedule.length)
        return {**encoded, "labels": [float(x) for x in rows["label"]] if task.labels == 1 else rows["label"]}

    encoded = {split: rows.map(encode, batched=True, remove_columns=rows.column_names) for split, rows in sets.items()}
    trainer = _train(model, tokenizer, encoded["train"], schedule, folder)
    results: dict[str, float] = {}
    for split in task.validation:
        done = trainer.predict(encoded[split])
        # Of a model that returns more than scores, they are the first.
        logits = done.predictions[0] if isinstance(done.predictions, tuple) else done.predictions
        name = split.removeprefix("validation").removeprefix("_")
        scores = glue.score(task, logits, done.label_ids)
        results |= {f"{name} {metric}".strip(): value for metric, value in scores.items()}
    return results


def answer(model: Any, tokenizer: Any, sets: dict[str, Dataset], schedule: Schedule, folder: Path) -> dict[str, float]:
    """Fine-tune on SQuAD and score the validation set: ``exact_match`` and ``f1``. Arguments as in :func:`classify`."""

    def encode(rows: dict[str, list[Any]], numbers: list[int]) -> dict[str, Any]:
        windows = squad.split_windows(rows, tokenizer, schedule.length)
        return {**windows, "row": [numbers[row] for row in windows["row"]]}

    options = {"with_indices": True, "batched": True, "remove_columns": sets["train"].column_names}
    train, valid = (sets[split].map(encode, **options) for split in ("train", "validation"))
    unread = ["row", "characters"]
    trainer = _train(model, tokenizer, train.remove_columns(unread), schedule, folder)
    unread += ["start_positions", "end_positions"]
    starts, ends = trainer.predict(valid.remove_columns(unread)).predictions
    rows = sets["validation"].to_list()
    return squad.score(squad.read_answers(rows, valid, starts, ends), rows)


def _train(model: Any, tokenizer: Any, rows: Dataset, schedule: Schedule, folder: Path) -> Trainer:
    set_seed(schedule.seed)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=schedule.epochs,
        per_device_train_batch_size=schedule.batch_size,
        per_device_eval_batch_size=schedule.batch_size,
        learning_rate=schedule.lr,
        seed=schedule.seed,
        save_strategy="epoch",
        save_total_limit=1,
        logging_strategy="epoch",
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
    )
    trainer = Trainer(model, arguments, DataCollatorWithPadding(tokenizer), rows, processing_class=tokenizer)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(folder) if folder.exists() else None)
    return trainer


class Row:
    """A line of the printed table: a model, stock or compressed by one of METHODS, and the folder of its results."""

    def __init__(self, args: argparse.Namespace, tokenizer: Any, method: str | None = None, ratio: float = 1) -> None:
        self.args, self.tokenizer, self.method, self.ratio = args, tokenizer, method, ratio
        self.folder = args.out / (f"{method}-{ratio:g}x" if method else "dense")
        self.source = self.folder / "model" if method else args.model

    def make_cells(self) -> dict[str, str]:
        """Do what has not been done yet; a step's results are in a file with its settings."""
        args = self.args
        origin, sizes = {"model": args.model, "seed": args.seed}, {"parameters": "", "ratio": "1x"}
        if self.method:
            lexicon = {"lexicon": args.lexicon and str(args.lexicon)} if self.method == "see" else {}
            size = self._load_or_make("table", origin | lexicon, self._compress)
            sizes = {"parameters": f"{size['parameters']:,}", "ratio": f"{size['ratio']:.2f}x"}
        cells = {"table": self.folder.name.replace("-", " "), **sizes}
        given = {name: value for name in Schedule._fields if (value := getattr(args, name)) is not None}
        for task in args.task:
            schedule = SCHEDULES.get(task, Schedule())._replace(**given)
            settings = {**origin, "data": args.data and str(args.data), **schedule._asdict()}
            work = self._read_perplexity if task == "mlm" else self._fine_tune
            scores = self._load_or_make(task, settings, work, task, schedule)
            cells |= {f"{task} {name}": "" if score is None else f"{score:.2f}" for name, score in scores.items()}
        return cells

    def _load_or_make(self, name: str, settings: dict[str, Any], work: Any, *args: Any) -> dict[str, Any]:
        path = self.folder / f"{name}.json"
        known = load_or_make(path, lambda: {"results": work(*args), "settings": settings})
        check_settings(path, known["settings"], settings)
        return known["results"]

    def _compress(self) -> dict[str, Any]:
        model = load_model(AutoModelForMaskedLM, self.args.model)
        results = compress(
            model, self.tokenizer, str(self.method), self.ratio, self.args.seed, senses=self.args.lexicon
        )
        with replace_folder(self.folder / "model") as folder:
            model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        return results

    def _read_perplexity(self, _: str, schedule: Schedule) -> dict[str, Any]:
        """With the matrix compressed in the input alone, and in the output too, if that is tied."""
        data = self.args.data
        lines = read_lines(data / "mlm.txt") if data else load_split(*WIKITEXT)["text"]
        lines = [line for line in lines if line.strip()]

        def read(model: Any) -> float:
            model.to("cuda" if torch.cuda.is_available() else "cpu")
            return measure_perplexity(model, self.tokenizer, lines, schedule.length, schedule.seed)

        stock = load_model(AutoModelForMaskedLM, self.args.model)
        if not self.method:
            return dict.fromkeys(("input", "tied"), read(stock))
        model = load_model(AutoModelForMaskedLM, self.source)
        tied = read(model) if model.config.quantization_config.output == "tied" else None
        surgery.put(stock, get_compressed_embeddings(model)["input"], "dense")
        return {"input": read(stock), "tied": tied}

    def _fine_tune(self, task: str, schedule: Schedule) -> dict[str, Any]:
        """Scores; the checkpoints are deleted in the end."""
        folder = self.folder / f"{task}.training"
        set_seed(schedule.seed)  # the heads of tasks are new
        if task == "squad":
            model = load_model(AutoModelForQuestionAnswering, self.source)
            scores = answer(model, self.tokenizer, squad.read(self.args.data), schedule, folder)
        else:
            kind, sets = glue.TASKS[task], glue.read(task, self.args.data)
            model = load_model(AutoModelForSequenceClassification, self.source, num_labels=kind.labels)
            scores = classify(model, self.tokenizer, kind, sets, schedule, folder)
        shutil.rmtree(folder)
        return scores


def main(words: list[str] | None = None) -> None:
    """Do what has not been done yet, and print all as a table in Markdown."""
    parser = argparse.ArgumentParser(prog="compress_bert.sh", description=__doc__)
    parser.add_argument("--model", required=True, help="a masked language model: of the hub, or a folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS), help="default: all")
    parser.add_argument("--ratio", nargs="+", type=float, default=[5.0, 10.0], help="default: 5 10")
    tasks, default = ("mlm", *glue.TASKS, "squad"), ["mlm", "sst2", "mrpc", "squad"]
    parser.add_argument("--task", nargs="+", choices=tasks, default=default, help="default: mlm sst2 mrpc squad")
    parser.add_argument("--data", type=Path, metavar="DIR", help="local data (default: the hub's)")
    parser.add_argument("--lexicon", type=Path, metavar="TSV", help="senses, for see (data/README.md)")
    schedule = parser.add_argument_group("fine-tuning", "defaults: those of transformers' examples for GLUE and SQuAD")
    schedule.add_argument("--epochs", type=float)
    schedule.add_argument("--batch-size", type=int)
    schedule.add_argument("--lr", type=float)
    schedule.add_argument("--length", type=int, metavar="TOKENS", help="of a sequence at most")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    args = parser.parse_args(words)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with ends_in_one_line():
        with redirect_stdout(sys.stderr):  # trainers print their losses
            tokenizer = load_model(AutoTokenizer, args.model)
            rows = [Row(args, tokenizer), *(Row(args, tokenizer, m, r) for r in args.ratio for m in args.method)]
            cells = [row.make_cells() for row in rows]
        print(pd.DataFrame(cells).fillna("").to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
