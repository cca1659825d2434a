"""The tables of a report: pandas frames of texts, which every form of the report shows."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import pandas

from experiments.report import scores
from experiments.report.comparison import KNOBS, PAPER, Entry, Section
from experiments.run_record import RunRecord
from fairseq_see.embeddings import complete_config, embedding_class
from fairseq_see.errors import InfeasibleRatio, SeeError

LABELS = {"bleu": "BLEU", "chrf": "chrF", "tokenised_bleu": "tokenised BLEU"}
Texts = Mapping[str, Mapping[str, scores.Texts]]


@dataclass
class Table:
    """A table with its title.

    Attributes:
        title: one line.
        frame: texts; the first ``words`` columns are of words, the others of numbers.
        words: how many.
        notes: sentences below it.
    """

    title: str
    frame: pandas.DataFrame
    words: int = 1
    notes: list[str] = field(default_factory=list)


def compare_sizes(section: Section) -> Table:
    """Every setting by the bytes of its whole model, smallest first."""
    rows, best = [], float("-inf")
    for setting in sorted(section.settings, key=lambda each: (each.record.model_bytes or 0, each.name)):
        record, score, dense = setting.record, section.score(setting), section.baseline(setting)
        chrf = setting.spread(section.test, "chrf")
        leads, best = section.sign * score.mean > best, max(best, section.sign * score.mean)
        rows.append(
            {
                "model": setting.name,
                "whole model, MB": _megabytes(record.model_bytes),
                label_metric(section.metric): str(score),
                "against dense": f"{round(score.mean - section.score(dense).mean, 1) + 0:+.1f}" if dense else "",
                "best of its size": "yes" if leads else "",
                "embeddings, MB": _megabytes(record.embedding_bytes),
                "ratio in bytes": _ratio(record.byte_ratio),
                "ratio": _ratio(record.parameter_ratio) + ("*" if setting.off else ""),
                "parameters": _count(record.embedding_parameters),
                **({"chrF": str(chrf or "")} if section.metric == "bleu" else {}),
                "lowest to highest": f"{score.low:.1f}–{score.high:.1f}" if score.count > 1 else "",
                "seeds": setting.seeds,
                "made": describe_making(record),
            }
        )
    notes = [
        "Whole model: half precision with the packed unit index. Embeddings, parameters and ratios: both sides, a tied "
        "output counted once; ratio: parameters of dense matrices by these; in bytes: against half precision. Against "
        "dense: difference of means. Best of its size: no model here that is as small has a better mean."
    ]
    if any(setting.off for setting in section.settings):
        notes.append("* More than 3% from the ratio that it is named after; not comparable with others of that ratio.")
    return Table("Models by size", pandas.DataFrame(rows), 1, notes)


def compare_with_paper(section: Section, missing: Sequence[Entry]) -> Table:
    """The paper's Tables 2 and 5: these scores and its own, with a reason in every empty cell."""
    asked = {float(ratio) for each in section.main if (ratio := each.record.config.get("ratio"))}
    ratios = sorted(asked | {float(ratio) for ratio in PAPER["ratios"]})
    known = list(PAPER["datasets"]["WMT17"])
    cells: dict[tuple[str, str], dict[float | None, str]] = {}
    for method in [*known, *sorted({setting.method for setting in section.main} - {*known})]:
        mine = [setting for setting in section.main if setting.method == method]
        compresses = any(setting.ratio for setting in mine) or (not mine and embedding_class(method).compresses)
        columns: list[float | None] = [*ratios] if compresses else [None]
        cells[method, "here"] = {ratio: _reason(method, ratio, missing, section) for ratio in columns}
        for setting in mine:
            score = setting.spread(section.test, "tokenised_bleu")
            cells.setdefault((setting.label, "here"), {})[setting.ratio] = str(score or "–") + "*" * setting.off
        for dataset, figures in PAPER["datasets"].items():
            if published := figures.get(method):
                row = cells[method, f"paper, {dataset}"] = {
                    ratio: "–" for ratio in PAPER["ratios"] if "" not in published
                }
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
    for setting, role, other in section.comparisons():
        ours, theirs = texts.get(setting.name, {}), texts.get(other.name, {})
        if not ours or not theirs:
            continue
        row = {"model": setting.name, "against": other.name, "which is": role}
        metric = scores.make_bleu(setting.record.metrics[section.test])
        seeds = [seed for seed in ours if seed in theirs]
        pairs = [
            scores.bootstrap(theirs[seed].hypotheses, ours[seed].hypotheses, ours[seed].references, metric)
            for seed in seeds
        ]
        if pairs:
            row |= {"is": _verdict(pairs), "difference of BLEU": f"{fmean(difference for difference, _ in pairs):+.1f}"}
            row |= {"seeds": ", ".join(seeds), "largest p": f"{max(p for _, p in pairs):.3f}"}
        else:
            row |= {"is": "no seed in common", "difference of BLEU": "", "seeds": "", "largest p": ""}
        rows.append(row)
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
    rows: list[dict[str, str]] = []
    headings: dict[str, str] = {}
    for setting in section.main:
        path = training_words or Path(setting.record.data.get("training_words") or "")
        if not texts.get(setting.name) or not path.is_file():
            continue
        counts = scores.count_words(path)
        by_seed = [
            scores.count_bands(text.hypothesis_words, text.reference_words, counts)
            for text in texts[setting.name].values()
        ]
        own = {name: f"{name} ({band.references:,})" for name, band in by_seed[0].items()}
        headings = headings or own
        if own != headings:
            section.problems.append(f"{setting.name} has no F1 by frequency: it was trained on another text")
            continue
        row = {"model": setting.name}
        for name, heading in headings.items():
            values = [f1 for bands in by_seed if (f1 := bands[name].f1) is not None]
            row[heading] = f"{fmean(values):.1f}" if values else "–"
        rows.append(row)
    note = (
        "F1 in percent of the words that the training text has so many times (in brackets: such words in the "
        "references), mean over seeds."
    )
    return Table("Words by their frequency in training", pandas.DataFrame(rows), 1, [note]) if rows else None


def list_sensitivity(section: Section) -> Table | None:
    """The settings on lines of rank, order or vectors; None where there are none."""
    rows = [
        {
            "model": setting.name,
            **{knob: str(setting.see_args.get(knob, "")) for knob in KNOBS},
            "ratio": _ratio(setting.record.parameter_ratio),
            "parameters": _count(setting.record.embedding_parameters),
            label_metric(section.metric): str(section.score(setting)),
        }
        for setting in section.frame.setting[section.frame.line]
    ]
    return Table("Rank, order and vectors of each unit", pandas.DataFrame(rows)) if rows else None


def list_missing(missing: Iterable[Entry]) -> Table | None:
    """Runs without scores, and why."""
    rows = [
        {"run": entry.record.name, "state": describe_state(entry.record), "why": entry.record.reason}
        for entry in missing
    ]
    return Table("Runs without scores", pandas.DataFrame(rows), 3) if rows else None


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


def describe_data(entries: Sequence[Entry]) -> str:
    """The training text, in a line."""
    texts = [(record.config.get("corpus", ""), record.data.get("training_pairs")) for _, record in entries]
    return count_values(f"{corpus}, {pairs:,} training pairs" if pairs else str(corpus) for corpus, pairs in texts)


def describe_scale(entries: Sequence[Entry]) -> str:
    """Scale and architecture, in a line."""
    known = ([record.config.get("scale"), record.config.get("architecture")] for _, record in entries)
    return count_values(", ".join(str(value) for value in values if value) for values in known)


def count_values(values: Iterable[str]) -> str:
    """Each value once, with the number of runs where they differ."""
    counts = Counter(value or "not recorded" for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{value} ({count} run{'s' * (count > 1)})" for value, count in counts.most_common())


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
    return LABELS.get(metric, metric.replace("_", " "))


def _reason(method: str, ratio: float | None, missing: Sequence[Entry], section: Section) -> str:
    """Of the record of a run without scores, or of the planner on the embedding matrices that most runs have."""
    for record in (entry.record for entry in missing):
        if [record.config.get(name) or None for name in ("method", "ratio", "variant")] == [method, ratio, None]:
            return describe_state(record)
    shapes = Counter(json.dumps(setting.record.matrices) for setting in section.settings).most_common(1)
    if ratio is None:
        return "not run"
    for rows, columns in json.loads(shapes[0][0]):
        try:
            complete_config(method, rows, columns, ratio)
        except InfeasibleRatio as error:
            return f"infeasible, nearest {error.nearest:.3g}x" if error.nearest else "infeasible"
        except SeeError:
            # A method that needs a unit index, which no record holds, or that is not of this package.
            break
    return "not run"


def _verdict(pairs: Sequence[tuple[float, float]]) -> str:
    """What all seeds agree on."""
    # sacrebleu compares |d*| - mean |d*| with |d|: where nothing differs, p is below 0.05 in a tenth of all cases.
    if all(p < 0.05 / 2 for _, p in pairs):
        if all(difference > 0 for difference, _ in pairs):
            return "better"
        if all(difference < 0 for difference, _ in pairs):
            return "worse"
    return "open"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:,.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}x"
