"""The tables of a report: pandas frames of texts, which every form of the report shows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas
from tabulate import tabulate

from experiments.report import scores
from experiments.report.comparison import KNOBS, PAPER, Entry, Section
from experiments.run_record import RunRecord
from fairseq_see.embeddings import find_class
from fairseq_see.embeddings.registry import ALIASES

# Translations by setting and seed.
Texts = Mapping[str, Mapping[str, scores.Texts]]


@dataclass
class Table:
    """A table with its title."""

    title: str
    frame: pandas.DataFrame  # of texts
    words: int = 1  # how many columns, from the left, are of words; the others are of numbers
    notes: list[str] = field(default_factory=list)  # sentences below it


def format_table(header: Sequence[str], lines: Iterable[Sequence[str]], words: int = 1, style: str = "pipe") -> str:
    """A table in a style of tabulate, with ``words`` columns of words on the left."""
    align = ["left"] * words + ["right"] * (len(header) - words)
    return tabulate([*lines], [*header], tablefmt=style, colalign=align, disable_numparse=True)


def compare_sizes(section: Section) -> Table:
    """Every setting by the bytes of its whole model, smallest first."""
    means, chrf, best, rows = section.show(section.metric), section.show("chrf"), float("-inf"), []
    for name, setting in section.settings.sort_values(["size", "setting"]).iterrows():
        record, dense, gain = setting.record, section.find_baseline(setting), section.sign * setting["mean"]
        row = {
            "model": name,
            "whole model, MB": _format("{:,.2f}", record.model_bytes and record.model_bytes / 1e6),
            label_metric(section.metric): means[name],
            "against dense": "" if dense is None else f"{round(setting['mean'] - dense['mean'], 1) + 0:+.1f}",
            "best of its size": "yes" if gain > best else "",
            "embeddings, MB": _format("{:,.2f}", record.embedding_bytes and record.embedding_bytes / 1e6),
            "shipped, MB": _format("{:,.2f}", record.shipped_bytes and record.shipped_bytes / 1e6),
            "ratio in bytes": _format("{:.1f}x", record.byte_ratio),
            "ratio": _format("{:.1f}x", record.parameter_ratio) + "*" * setting.off,
            "parameters": _format("{:,}", record.embedding_parameters),
            "chrF": chrf[name],
            "lowest to highest": f"{setting.low:.1f}–{setting.high:.1f}" if setting.deviation >= 0 else "",
            "seeds": setting.seeds,
            "made": describe_making(record),
        }
        best = max(best, gain)
        rows.append(row)
    frame = pandas.DataFrame(rows)
    notes = [
        "Whole model: half precision with the packed unit index. Embeddings, parameters and ratios: both sides, a tied "
        "output counted once; shipped: embeddings rounded to 8 bits, as fairseq-see export writes them; ratio: "
        "parameters of dense matrices by these; in bytes: against half precision. Against dense: difference of means. "
        "Best of its size: no model here that is as small has a better mean."
    ]
    if section.settings.off.any():
        notes.append("* More than 3% from the ratio that it is named after; not comparable with others of that ratio.")
    return Table("Models by size", frame.loc[:, (frame != "").any()], 1, notes)


def compare_with_paper(section: Section, missing: Sequence[Entry]) -> Table:
    """The paper's Tables 2 and 5: these scores and its own, with a reason in every empty cell."""
    main, means = section.main, section.show("tokenised_bleu")
    ratios = sorted({*map(float, PAPER["ratios"]), *(asked for r in main.record if (asked := r.config.get("ratio")))})
    known = list(PAPER["datasets"]["WMT17"])
    cells: dict[tuple[str, str], dict[float | None, str]] = {}
    for method in [*known, *sorted({*main.method} - {*known})]:
        mine = main[main.method == method]
        compresses = mine.ratio.notna().any() or (mine.empty and find_class(method).compresses)
        columns: list[float | None] = [*ratios] if compresses else [None]
        cells[method, "here"] = {ratio: _explain(method, ratio, missing) for ratio in columns}
        for name, setting in mine.iterrows():
            column = None if pandas.isna(setting.ratio) else setting.ratio
            cells.setdefault((setting.label, "here"), {})[column] = (means[name] or "–") + "*" * setting.off
        for dataset, figures in PAPER["datasets"].items():
            if published := figures.get(method):
                row = cells[method, f"paper, {dataset}"] = dict.fromkeys(
                    [] if "" in published else PAPER["ratios"], "–"
                )
                row |= {float(ratio) if ratio else None: f"{bleu:.2f}" for ratio, bleu in published.items()}
    rows = []
    for (label, source), row in cells.items():
        texts = {f"{ratio:g}x": row.get(ratio, "") for ratio in ratios}
        rows.append({"method": label, "tokenised BLEU": source, "no ratio": row.get(None, ""), **texts})
    note = (
        "Case-sensitive BLEU of words, the paper's measure. Here: mean ± sample standard deviation over seeds. "
        f"Paper: {PAPER['source']}; {PAPER['setting']}. Its scores are no measure of runs on other data or at another "
        "scale. –: out of the method's reach, according to the paper."
    )
    return Table("Beside the paper", pandas.DataFrame(rows), 2, [note])


def bootstrap_pairs(section: Section, texts: Texts) -> Table | None:
    """Paired bootstrap between runs of the same seed; None without translations."""
    rows = []
    for name, role, other in section.list_comparisons():
        ours, theirs = texts.get(name, {}), texts.get(other, {})
        if not ours or not theirs:
            continue
        metric = scores.make_bleu(section.settings.record[name].metrics[section.test])
        seeds = [seed for seed in ours if seed in theirs]
        pairs = [
            scores.bootstrap(theirs[seed].hypotheses, ours[seed].hypotheses, ours[seed].references, metric)
            for seed in seeds
        ]
        row = {"model": name, "against": other, "which is": role}
        row |= {"is": _judge(pairs), "difference of BLEU": "", "seeds": ", ".join(seeds), "largest p": ""}
        if pairs:
            row |= {"difference of BLEU": f"{fmean(difference for difference, _ in pairs):+.1f}"}
            row |= {"largest p": f"{max(p for _, p in pairs):.3f}"}
        rows.append(row)
    note = (
        f"sacrebleu's paired bootstrap, {scores.SAMPLES:,} samples, seed {scores.SEED}, between runs of equal seed: "
        "the mean of their differences, the largest of their p. It answers whether other sentences would give the same "
        "result, not whether other seeds would. This p is one-sided in effect, so that better and worse each need one "
        "below 0.025, 5% for both; open: neither. The best other method of the same size is chosen by this very score, "
        "which favours it."
    )
    return _make_table("Paired bootstrap", rows, 4, note)


def compare_bands(section: Section, texts: Texts, training_words: Path | None) -> Table | None:
    """F1 of words by their frequency in the training text; None without translations or that text."""
    rows: list[dict[str, str]] = []
    headings: dict[str, str] = {}
    for name, setting in section.main.iterrows():
        path = training_words or Path(setting.record.data.get("training_words") or "")
        if not texts.get(name) or not path.is_file():
            continue
        counts = scores.count_words(path)
        found = [
            scores.count_bands(text.hypothesis_words, text.reference_words, counts) for text in texts[name].values()
        ]
        own = {band: f"{band} ({count.references:,})" for band, count in found[0].items()}
        headings = headings or own
        if own != headings:
            section.problems.append(f"{name} has no F1 by frequency: it was trained on another text")
            continue
        row = {"model": name}
        for band, heading in headings.items():
            values = [f1 for bands in found if (f1 := bands[band].f1) is not None]
            row[heading] = f"{fmean(values):.1f}" if values else "–"
        rows.append(row)
    note = (
        "F1 in percent of the words that the training text has so many times (in brackets: such words in the "
        "references), mean over seeds."
    )
    return _make_table("Words by their frequency in training", rows, 1, note)


def list_sensitivity(section: Section) -> Table | None:
    """The settings on lines of rank, order or vectors; None where there are none."""
    means = section.show(section.metric)
    rows = [
        {
            "model": name,
            **{knob: str(setting["args"].get(knob, "")) for knob in KNOBS},
            "ratio": _format("{:.1f}x", setting.record.parameter_ratio),
            "parameters": _format("{:,}", setting.record.embedding_parameters),
            label_metric(section.metric): means[name],
        }
        for name, setting in section.settings[section.settings.line].iterrows()
    ]
    return _make_table("Rank, order and vectors of each unit", rows, 1)


def list_missing(missing: Iterable[Entry]) -> Table | None:
    """Runs without scores, and why."""
    rows = [{"run": record.name, "state": describe_state(record), "why": record.reason} for _, record in missing]
    return _make_table("Runs without scores", rows, 3)


def list_provenance(entries: Sequence[Entry]) -> Table:
    """What made the runs: commits, machines, versions, signatures."""
    records = [entry.record for entry in entries]
    signatures = {str(s) for r in records for m in r.metrics.values() for k, s in m.items() if k.endswith("signature")}
    rows = [
        ("data", count_values(record.checksums.get("data", "") for record in records)),
        ("commit", count_values(record.commit for record in records)),
        ("machine", count_values(record.machine for record in records)),
        ("versions", count_values(", ".join(f"{k} {v}" for k, v in record.versions.items()) for record in records)),
        ("scores", "; ".join(sorted(signatures))),
    ]
    return Table("What made these runs", pandas.DataFrame(rows, columns=["of the runs", "value"]), 2)


def describe_data(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Training text, scale and architecture, a line each."""
    names = [str(record.config.get("corpus") or record.data.get("name", "")) for _, record in entries]
    pairs = [record.data.get("training_pairs") for _, record in entries]
    data = (f"{name}, {n:,} training pairs" if n else name for name, n in zip(names, pairs, strict=True))
    scales = ([record.config.get("scale"), record.config.get("architecture")] for _, record in entries)
    scale = (", ".join(str(value) for value in values if value) for values in scales)
    return [("Data", count_values(data, 3)), ("Scale", count_values(scale, 3))]


def count_values(values: Iterable[str], most: int | None = None) -> str:
    """The values, or so many of the ``most`` frequent ones, each once, with the number of runs where they differ."""
    counts = Counter(value or "not recorded" for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    shown = [f"{value} ({count} run{'s' * (count > 1)})" for value, count in counts.most_common(most)]
    return "; ".join(shown) + (f"; {len(counts) - len(shown)} others" if len(counts) > len(shown) else "")


def describe_making(record: RunRecord) -> str:
    """Trained, or fitted to which run and how."""
    if record.kind != "fit":
        return "trained"
    return ", ".join(filter(None, (f"fitted to {record.config.get('fitted_to', '?')}", record.config.get("how"))))


def describe_state(record: RunRecord) -> str:
    """A word or two for an empty cell."""
    return "not scored" if record.state == "trained" else record.state


def label_metric(metric: str) -> str:
    """For people."""
    return {"bleu": "BLEU", "chrf": "chrF", "tokenised_bleu": "tokenised BLEU"}.get(metric, metric.replace("_", " "))


def _explain(method: str, ratio: float | None, missing: Sequence[Entry]) -> str:
    """Why a cell is empty: the state of a run without scores, or that there is no run."""
    for _, record in missing:
        name = str(record.config.get("method"))
        asked = [record.config.get(key) or None for key in ("ratio", "variant")]
        if ALIASES.get(name, name) == method and asked == [ratio, None]:
            return describe_state(record)
    return "not run"


def _judge(pairs: Sequence[tuple[float, float]]) -> str:
    """What all seeds agree on."""
    if not pairs:
        return "no seed in common"
    # sacrebleu compares |d*| - mean |d*| with |d|: where nothing differs, p is below 0.05 in a tenth of all cases.
    if all(p < 0.05 / 2 for _, p in pairs):
        if all(difference > 0 for difference, _ in pairs):
            return "better"
        if all(difference < 0 for difference, _ in pairs):
            return "worse"
    return "open"


def _make_table(title: str, rows: list[dict[str, str]], words: int, *notes: str) -> Table | None:
    return Table(title, pandas.DataFrame(rows), words, [*notes]) if rows else None


def _format(form: str, value: Any) -> str:
    return "" if value is None else form.format(value)
