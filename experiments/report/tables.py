"""The tables of a report: pandas frames of texts, which every form of the report shows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy
import pandas
from tabulate import tabulate

from experiments.report import scores
from experiments.report.comparison import KNOBS, METHODS, PAPER, Section, format_column
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
    settings = section.settings.sort_values(["size", "setting"])
    means, gain = settings["mean"], section.sign * settings["mean"]
    dense = [means.get(section.find_baseline(name)) for name in settings.index]
    spread = [f"{row.low:.1f}–{row.high:.1f}" if row.deviation >= 0 else "" for row in settings.itertuples()]
    columns = {
        "model": settings.setting,
        "whole model, MB": format_column(settings.model_bytes / 1e6, "{:,.2f}"),
        label_metric(section.metric): section.show(section.metric),
        "against dense": format_column((means - pandas.Series(dense, means.index)).round(1) + 0, "{:+.1f}"),
        "best of its size": numpy.where(gain > gain.cummax().shift(fill_value=-numpy.inf), "yes", ""),
        "embeddings, MB": format_column(settings.embedding_bytes / 1e6, "{:,.2f}"),
        "shipped, MB": format_column(settings.shipped_bytes / 1e6, "{:,.2f}"),
        "ratio in bytes": format_column(settings.byte_ratio, "{:.1f}x"),
        "ratio": format_column(settings.parameter_ratio, "{:.1f}x") + settings.off.map({True: "*", False: ""}),
        "parameters": format_column(settings.embedding_parameters, "{:,.0f}"),
        "chrF": section.show("chrf"),
        "lowest to highest": spread,
        "seeds": settings.seeds,
        "made": [describe_making(*run) for run in zip(settings.kind, settings.config, strict=True)],
    }
    frame = pandas.DataFrame(columns, settings.index)
    notes = [
        "Whole model: half precision with the packed unit index. Embeddings, parameters and ratios: both sides, a tied "
        "output counted once; shipped: embeddings rounded to 8 bits, as fairseq-see export writes them; ratio: "
        "parameters of dense matrices by these; in bytes: against half precision. Against dense: difference of means. "
        "Best of its size: no model here that is as small has a better mean."
    ]
    if settings.off.any():
        notes.append("* More than 3% from the ratio that it is named after; not comparable with others of that ratio.")
    return Table("Models by size", frame.loc[:, (frame != "").any()], 1, notes)


def compare_with_paper(section: Section, missing: pandas.DataFrame) -> Table:
    """The paper's Tables 2 and 5: these scores and its own, with a reason in every empty cell."""
    main = section.main.assign(shown=section.show("tokenised_bleu"), heading=_head_columns(section.main.column))
    ratios = [f"{ratio:g}x" for ratio in sorted({*map(float, PAPER["ratios"]), *main.ratio.dropna().astype(float)})]
    bare = missing[missing.variant.isin(["", None])].drop_duplicates(["method", "ratio"])
    methods = [ALIASES.get(method, method) for method in bare.method]
    states = dict(zip(zip(methods, _head_columns(bare.ratio), strict=True), bare.state, strict=True))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for method in [*METHODS, *sorted({*main.method} - {*METHODS})]:
        mine = main[main.method == method]
        compresses = mine.column.notna().any() or (mine.empty and find_class(method).compresses)
        columns = ratios if compresses else ["no ratio"]
        cells[method, "here"] = {column: states.get((method, column), "not run") for column in columns}
        for label, column, shown, off in zip(mine.label, mine.heading, mine.shown, mine.off, strict=True):
            cells.setdefault((label, "here"), {})[column] = (shown or "–") + "*" * off
        for dataset, figures in PAPER["datasets"].items():
            if published := figures.get(method):
                reached = {f"{ratio}x" if ratio else "no ratio": f"{bleu:.2f}" for ratio, bleu in published.items()}
                out_of_reach = {} if "" in published else dict.fromkeys((f"{x}x" for x in PAPER["ratios"]), "–")
                cells[method, f"paper, {dataset}"] = out_of_reach | reached
    index = pandas.MultiIndex.from_tuples(cells, names=["method", "tokenised BLEU"])
    frame = pandas.DataFrame([*cells.values()], index, ["no ratio", *ratios]).fillna("").reset_index()
    note = (
        "Case-sensitive BLEU of words, the paper's measure. Here: mean ± sample standard deviation over seeds. "
        f"Paper: {PAPER['source']}; {PAPER['setting']}. Its scores are no measure of runs on other data or at another "
        "scale. –: out of the method's reach, according to the paper."
    )
    return Table("Beside the paper", frame, 2, [note])


def bootstrap_pairs(section: Section, texts: Texts) -> Table | None:
    """Paired bootstrap between runs of the same seed; None without translations."""
    rows = []
    for name, role, other in section.list_comparisons():
        ours, theirs = texts.get(name), texts.get(other)
        if not ours or not theirs:
            continue
        metric = scores.make_bleu(section.settings.metrics[name][section.test])
        seeds = [seed for seed in ours if seed in theirs]
        pairs = [
            scores.bootstrap(theirs[seed].hypotheses, ours[seed].hypotheses, ours[seed].references, metric)
            for seed in seeds
        ]
        row = {"model": name, "against": other, "which is": role, "is": _judge(pairs)}
        row["difference of BLEU"] = f"{fmean(difference for difference, _ in pairs):+.1f}" if pairs else ""
        rows.append(row | {"seeds": ", ".join(seeds), "largest p": f"{max(p for _, p in pairs):.3f}" if pairs else ""})
    note = (
        f"sacrebleu's paired bootstrap, {scores.SAMPLES:,} samples, seed {scores.SEED}, between runs of equal seed: "
        "the mean of their differences, the largest of their p. It answers whether other sentences would give the same "
        "result, not whether other seeds would. This p is one-sided in effect, so that better and worse each need one "
        "below 0.025, 5% for both; open: neither. The best other method of the same size is chosen by this very score, "
        "which favours it."
    )
    return Table("Paired bootstrap", pandas.DataFrame(rows), 4, [note]) if rows else None


def compare_bands(section: Section, texts: Texts, training_words: Path | None) -> Table | None:
    """F1 of words by their frequency in the training text; None without translations or that text."""
    rows: dict[str, pandas.Series] = {}
    for name, data in section.main.data.items():
        path = training_words or Path(data.get("training_words") or "")
        if not texts.get(name) or not path.is_file():
            continue
        counts = scores.count_words(path)
        found = [
            scores.count_bands(each.hypothesis_words, each.reference_words, counts) for each in texts[name].values()
        ]
        headings = [f"{band} ({count:,})" for band, count in found[0].references.items()]
        means = pandas.concat([bands.f1 for bands in found], axis=1).mean(axis=1).set_axis(headings)
        if rows and headings != [*next(iter(rows.values())).index]:
            section.problems.append(f"{name} has no F1 by frequency: it was trained on another text")
        else:
            rows[name] = format_column(means, "{:.1f}").replace("", "–")
    note = (
        "F1 in percent of the words that the training text has so many times (in brackets: such words in the "
        "references), mean over seeds."
    )
    frame = pandas.DataFrame(rows).T.rename_axis("model").reset_index()
    return Table("Words by their frequency in training", frame, 1, [note]) if rows else None


def list_sensitivity(section: Section) -> Table | None:
    """The settings on lines of rank, order or vectors; None where there are none."""
    settings = section.settings[section.settings.line]
    columns = {
        "model": settings.setting,
        **{knob: [str(args.get(knob, "")) for args in settings["args"]] for knob in KNOBS},
        "ratio": format_column(settings.parameter_ratio, "{:.1f}x"),
        "parameters": format_column(settings.embedding_parameters, "{:,.0f}"),
        label_metric(section.metric): section.show(section.metric),
    }
    frame = pandas.DataFrame(columns, settings.index)
    return None if frame.empty else Table("Rank, order and vectors of each unit", frame)


def list_missing(missing: pandas.DataFrame) -> Table | None:
    """Runs without scores, and why."""
    frame = pandas.DataFrame({"run": missing["name"], "state": missing.state, "why": missing.reason})
    return None if frame.empty else Table("Runs without scores", frame, 3)


def list_provenance(runs: pandas.DataFrame) -> Table:
    """What made the runs: commits, machines, versions, signatures."""
    metrics = [scores for metrics in runs.metrics for scores in metrics.values()]
    signatures = {str(value) for each in metrics for name, value in each.items() if name.endswith("signature")}
    rows = [
        ("data", count_values(checksums.get("data", "") for checksums in runs.checksums)),
        ("commit", count_values(runs.commit)),
        ("machine", count_values(runs.machine)),
        ("versions", count_values(", ".join(f"{k} {v}" for k, v in versions.items()) for versions in runs.versions)),
        ("scores", "; ".join(sorted(signatures))),
    ]
    return Table("What made these runs", pandas.DataFrame(rows, columns=["of the runs", "value"]), 2)


def describe_data(runs: pandas.DataFrame) -> list[tuple[str, str]]:
    """Training text, scale and architecture, a line each."""
    texts, scales = [], []
    for corpus, data, scale, config in zip(runs.corpus, runs.data, runs.scale, runs.config, strict=True):
        pairs = data.get("training_pairs")
        texts.append(str(corpus or data.get("name", "")) + (f", {pairs:,} training pairs" if pairs else ""))
        scales.append(", ".join(str(value) for value in (scale, config.get("architecture")) if value))
    return [("Data", count_values(texts, 3)), ("Scale", count_values(scales, 3))]


def count_values(values: Iterable[str], most: int | None = None) -> str:
    """The values, or so many of the ``most`` frequent ones, each once, with the number of runs where they differ."""
    counts = Counter(value or "not recorded" for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    shown = [f"{value} ({count} run{'s' * (count > 1)})" for value, count in counts.most_common(most)]
    return "; ".join(shown) + (f"; {len(counts) - len(shown)} others" if len(counts) > len(shown) else "")


def describe_making(kind: str, config: Mapping[str, Any]) -> str:
    """Trained, or fitted to which run and how."""
    if kind != "fit":
        return "trained"
    return ", ".join(filter(None, (f"fitted to {config.get('fitted_to', '?')}", config.get("how"))))


def label_metric(metric: str) -> str:
    """For people."""
    return {"bleu": "BLEU", "chrf": "chrF", "tokenised_bleu": "tokenised BLEU"}.get(metric, metric.replace("_", " "))


def _head_columns(ratios: pandas.Series) -> pandas.Series:
    """The headings of ratios beside the paper."""
    return format_column(ratios, "{:g}x").replace("", "no ratio")


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
