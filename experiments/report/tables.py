"""The tables of a report: frames of texts, which every form of the report shows; tables.yaml has what is in them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas
import yaml
from tabulate import tabulate

from experiments.report import scores
from experiments.report.comparison import METHODS, PAPER, RATIOS, Section, arrange_runs, average_runs, format_column
from experiments.results import SIZES, list_scores
from fairseq_see.embeddings import find_class
from fairseq_see.embeddings.registry import ALIASES
from fairseq_see.errors import SeeError

TABLES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("tables.yaml").read_text(encoding="utf-8"))


@dataclass
class Table:
    """A table with its title."""

    title: str
    frame: pandas.DataFrame  # of texts
    words: int  # how many columns, from the left, are of words; the others are of numbers
    note: str  # below it


def make_table(title: str, rows: pandas.DataFrame, metric: str = "", scores: Sequence[str] = ()) -> Table:
    """A table of tables.yaml, without columns that are empty everywhere.

    Args:
        title: its name there.
        rows: its values; where tables.yaml names no columns, its texts.
        metric: by which settings are compared.
        scores: metrics that are shown on the right.
    """
    layout = TABLES[title]
    columns = layout.get("columns", {name: [name, "{}"] for name in rows})
    columns = columns | {label_metric(name): [f"{name}_text", "{}"] for name in scores}
    values = rows.reindex(columns=[name for name, _ in columns.values()])
    frame = pandas.DataFrame({heading: format_column(values[name], form) for heading, (name, form) in columns.items()})
    frame = frame.rename(columns={"{metric}": label_metric(metric)})
    filled = (frame != "").any()
    return Table(title, frame.loc[:, filled], filled[: layout["words"]].sum(), layout.get("note", ""))


def format_table(header: Sequence[str], lines: Iterable[Sequence[str]], words: int = 1, style: str = "pipe") -> str:
    """A table in a style of tabulate, with ``words`` columns of words on the left."""
    align = ["left"] * words + ["right"] * (len(header) - words)
    return tabulate([*lines], [*header], tablefmt=style, colalign=align, disable_numparse=True)


def label_metric(metric: str) -> str:
    """For people."""
    return {"bleu": "BLEU", "chrf": "chrF", "tokenised_bleu": "tokenised BLEU"}.get(metric, metric.replace("_", " "))


def select_columns(runs: pandas.DataFrame) -> pandas.DataFrame:
    """What a list has of the columns of ``read_runs``, all scores included."""
    known = ["name", "test", "method", "variant", "ratio", "seed", "state", "updates", *SIZES, "dev_perplexity"]
    return runs[[*known, *runs.columns[runs.columns.get_loc("test") + 1 :], "folder"]]


def list_runs(runs: pandas.DataFrame, over_seeds: bool) -> tuple[pandas.DataFrame, Table]:
    """Runs, or with ``over_seeds`` the means of runs that differ in the seed alone: as values, and for people."""
    found, values, frame = list_scores(runs), select_columns(runs), average_runs(runs, "folder")
    if over_seeds:
        # By the names that the runs have themselves.
        frame = average_runs(arrange_runs(runs).assign(**runs[["method", "variant", "seed"]]), "setting")
        values = frame[[*values, *(f"{name}_{end}" for name in found for end in ("low", "high"))]]
    for name in ("dev_perplexity", *found):
        low, high = frame[f"{name}_low"], frame[f"{name}_high"]
        ends = format_column(low, " ({:.1f}-") + format_column(high, "{:.1f})")
        frame[f"{name}_text"] = format_column(frame[name], "{:.1f}") + ends.where(low < high, "")
    if (frame.state == "scored").all():
        frame["state"] = ""
    return values, make_table("Runs", frame, scores=[name for name in found if name != "tokenised_bleu"])


def compare_sizes(section: Section) -> Table:
    """Every setting by the bytes of its whole model, smallest first."""
    settings = section.settings.sort_values(["model_megabytes", "setting"], na_position="first")
    low, high = (format_column(settings[end], "{:.1f}") for end in ("low", "high"))
    fitted, how = (settings.config.str.get(name).fillna("") for name in ("fitted_to", "how"))
    making = "fitted to " + fitted.replace("", "?") + (", " + how).where(how != "", "")
    settings = settings.assign(
        difference=(settings.score - settings.baseline.map(settings.score)).round(1) + 0,
        best=numpy.where(settings.gain > settings.gain.cummax().shift(fill_value=-numpy.inf), "yes", ""),
        marked_ratio=format_column(settings.parameter_ratio, "{:.1f}x") + settings.mark,
        range=(low + "–" + high).where(settings.seed.str.contains(",")),
        made=making.where(settings.kind == "fit", "trained"),
    )
    return make_table("Models by size", settings, section.metric)


def compare_with_paper(section: Section, missing: pandas.DataFrame) -> Table | None:
    """The paper's Tables 2 and 5: these scores and its own, with a reason in every empty cell; None of other scores."""
    if section.metric != "bleu":
        return None
    main = section.main
    methods = [*dict.fromkeys([*METHODS, *main.method])]
    ratios = [f"{ratio:g}x" for ratio in sorted({*RATIOS, *main.ratio.dropna().astype(float)})]
    planned = []
    for method in methods:
        columns = main.column[main.method == method]
        compresses = columns.notna().any() or (columns.empty and find_class(method).compresses)
        planned += [(method, method, heading, "not run") for heading in (ratios if compresses else ["no ratio"])]
    texts = main.get("tokenised_bleu_text", pandas.Series("", main.index)).replace("", "–") + main.mark
    # Of several runs the first.
    bare = missing.assign(method=missing.method.replace(ALIASES))[::-1]
    bare = bare[bare.variant.isin(["", None]) & bare.method.isin(methods)]
    found = [bare.assign(label=bare.method, column=bare.ratio, text=bare.state), main.assign(text=texts)]
    known = pandas.concat(found)[["method", "label", "column", "text"]]
    known["column"] = format_column(known.column, "{:g}x").replace("", "no ratio")
    cells = pandas.concat([pandas.DataFrame(planned, columns=[*known]), known])
    here = cells.groupby(["method", "label", "column"], sort=False).text.last().unstack(sort=False).reset_index()
    frame = pandas.concat([here.assign(**{"tokenised BLEU": "here"}), PAPER.assign(label=PAPER.method)])
    frame = frame.sort_values("method", key=lambda names: names.map(methods.index), kind="stable")
    frame = frame.reindex(columns=["label", "tokenised BLEU", "no ratio", *ratios]).fillna("")
    return make_table("Beside the paper", frame.rename(columns={"label": "method"}))


def read_translations(section: Section) -> pandas.DataFrame:
    """Setting, seed, data and texts of the main settings' runs; what cannot be read is a problem."""
    runs = section.runs[section.runs.setting.isin(section.main.index) & (section.metric == "bleu")]
    found, unread = [], []
    for run in runs.itertuples():
        try:
            texts = scores.read_texts(run.folder, run.test, run.metrics[run.test])
            found.append((run.setting, run.seed, run.data, texts))
        except SeeError as error:
            unread.append(str(error))
    if unread:
        count = f"{len(unread)} run{'s' * (len(unread) > 1)}"
        section.problems.append(f"Neither bootstrap nor F1 by frequency of {count}: {unread[0]}")
    return pandas.DataFrame(found, columns=["setting", "seed", "data", "texts"])


def bootstrap_pairs(section: Section, translations: pandas.DataFrame) -> Table:
    """Paired bootstrap between runs of the same seed."""
    roles = ["model", "role", "against"]
    pairs = pandas.DataFrame(section.list_comparisons(), columns=roles)
    pairs = pairs[pairs.model.isin(translations.setting) & pairs.against.isin(translations.setting)]
    both = pairs.merge(translations, left_on="model", right_on="setting")
    both = both.merge(translations, left_on=["against", "seed"], right_on=["setting", "seed"], suffixes=("", "_other"))
    tests = [
        scores.bootstrap(theirs["hyp"], ours["hyp"], ours["ref"], ours["metric"])
        for theirs, ours in zip(both.texts_other, both.texts, strict=True)
    ]
    both[["difference", "p"]] = pandas.DataFrame(tests, both.index, ["difference", "p"], float)
    found = both.groupby(roles).agg({"difference": ["mean", "min", "max"], "p": "max", "seed": ", ".join})
    found.columns = ["difference", "low", "high", "p", "seeds"]
    pairs = pairs.join(found, on=roles)
    # sacrebleu compares |d*| - mean |d*| with |d|: where nothing differs, p is below 0.05 in a tenth of all cases.
    sure = pairs.p < 0.05 / 2
    cases = [pairs.p.isna(), sure & (pairs.low > 0), sure & (pairs.high < 0)]
    pairs["verdict"] = numpy.select(cases, ["no seed in common", "better", "worse"], "open")
    return make_table("Paired bootstrap", pairs)


def compare_bands(section: Section, translations: pandas.DataFrame, training_words: Path | None) -> Table | None:
    """F1 of words by their frequency in the training text; None without that text."""
    bands = {}
    for run in translations.itertuples():
        path = training_words or Path(run.data.get("training_words") or "")
        if path.is_file():
            words = run.texts["hyp.tok"], run.texts["ref.tok"]
            bands[run.setting, run.seed] = scores.count_bands(*words, scores.count_words(path))
    if not bands:
        return None
    groups = pandas.concat(bands, names=["model", "seed", "band"]).groupby(["model", "band"], sort=False)
    means, counts = groups.f1.mean().unstack(sort=False), groups.references.first().unstack(sort=False)
    same = (counts == counts.iloc[0]).all(axis=1)
    section.problems += [f"{name} has no F1 by frequency: it was trained on another text" for name in same.index[~same]]
    frame = means[same].apply(format_column, form="{:.1f}").replace("", "–")
    frame.columns = [f"{band} ({count:,})" for band, count in counts.iloc[0].items()]
    return make_table("Words by their frequency in training", frame.reset_index())


def describe_runs(runs: pandas.DataFrame) -> tuple[list[tuple[str, str]], Table]:
    """Training text and scale, a line each; and a table of what made the runs."""
    signatures = runs.filter(regex="_signature$").melt().value.dropna().unique()
    runs = runs.drop_duplicates("folder")
    names = runs.corpus.fillna(runs.data.str.get("name")).fillna("").astype(str)
    pairs = format_column(runs.data.str.get("training_pairs"), ", {:,.0f} training pairs")
    scales = zip(runs.scale, runs.config.str.get("architecture"), strict=True)
    head = {"Data": names + pairs, "Scale": [", ".join(map(str, filter(None, scale))) for scale in scales]}
    versions = [", ".join(f"{name} {version}" for name, version in each.items()) for each in runs.versions]
    facts = {
        "data": runs.checksums.str.get("data"),
        "commit": runs.commit,
        "machine": runs.machine,
        "versions": versions,
    }
    rows = [(name, count_values(values)) for name, values in facts.items()]
    frame = pandas.DataFrame([*rows, ("scores", "; ".join(sorted(signatures)))], columns=["of the runs", "value"])
    return [(name, count_values(values, 3)) for name, values in head.items()], make_table("What made these runs", frame)


def count_values(values: Iterable[str], most: int | None = None) -> str:
    """The values, or so many of the ``most`` frequent ones, each once, with the number of runs where they differ."""
    counts = Counter(value or "not recorded" for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    shown = [f"{value} ({count} run{'s' * (count > 1)})" for value, count in counts.most_common(most)]
    return "; ".join(shown) + (f"; {len(counts) - len(shown)} others" if len(counts) > len(shown) else "")
