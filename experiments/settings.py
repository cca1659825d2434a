"""What ``--config NAME=VALUE ...`` of experiments/Snakefile may choose, checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from experiments.paper_tables import Choice, read_hyperparameters
from fairseq_see.errors import SeeError
from fairseq_see.units.languages import get_language

ROOT = Path(__file__).resolve().parents[1]


class Scale(NamedTuple):
    """A size of model and vocabulary; ``config`` is that of a corpus of its own name where it has one."""

    config: str
    dim: int
    size: int
    joined: bool
    distil_config: str
    sizes: tuple[int, ...]


SCALES = {
    "paper": Scale("iwslt17_zh_en", 512, 40_000, True, "small_distil_zh_en", (4000, 8000)),
    "small": Scale("small_zh_en", 216, 16_000, False, "small_distil_zh_en", (4000, 8000)),
    "tiny": Scale("demo_zh_en", 216, 4000, False, "distil_zh_en", (1000, 2000)),
}
# Folder of the text, configuration at scale=paper, name of the test set.
CORPORA = {
    "iwslt17": ("iwslt17", "iwslt17_zh_en", "tst2010-2015"),
    "wmt17": ("wmt17", "wmt17_zh_en", "newstest2017"),
    "wmt17-v13": ("wmt17-v13", "wmt17_zh_en", "newstest2017"),
    "wmt17-v15": ("wmt17-v15", "wmt17_zh_en", "newstest2017"),
}
LISTS: dict[str, type] = {
    **dict.fromkeys(("methods", "trainings"), str),
    **dict.fromkeys(("ratios", "rates"), float),
    **dict.fromkeys(("seeds", "ranks", "orders", "ms", "sizes", "warmups"), int),
}
LIMITS = ("max_words", "max_chars", "max_ratio")


@dataclass(frozen=True)
class Settings:
    """One corpus at one scale."""

    corpus: str
    scale: str
    source: str  # code of the language that is translated from
    target: str
    prefixes: dict[str, str]  # path of each set's text without .LANGUAGE: ``train``, ``dev`` and the test sets
    tests: list[str]  # names of the test sets
    config: str  # of configs/, for training
    dim: int
    subwords: str  # bpe or sentencepiece
    size: int  # how many merges of BPE, or subwords of sentencepiece
    joined: bool  # one set of subwords and one dictionary for both languages
    limits: list[str]  # options of ``python -m experiments clean``
    max_pairs: int | None  # of the training text; None for all
    like: str | None  # a prepared folder whose subwords and dictionaries are taken
    senses: list[str]  # options of ``fairseq-see index``
    index_options: list[str]  # further ones
    out: str  # folder of everything that is made
    prepared: str  # folder of the prepared text
    gpus: str  # that trainings share, one each; "" leaves them to fairseq
    choice: Choice  # of the tables
    chosen: list[str]  # names of what was chosen

    @property
    def sides(self) -> tuple[str, str]:
        """Both languages."""
        return self.source, self.target

    @property
    def direction(self) -> dict[str, str]:
        """Overrides of the training for languages other than Chinese to English."""
        pair = {"task.source_lang": self.source, "task.target_lang": self.target}
        return {} if self.sides == ("zh", "en") else pair


# What may be given.
NAMES = {
    *("corpus", "scale", "source", "target", "text", "train", "dev", "tests", "subwords", "size", "joined", "like"),
    *("max_pairs", "senses", "openhownet", "download", "index_options", "out", "prepared", "gpus", "updates", "start"),
    *("hyperparameters", "overrides", "table", "minutes", "teacher", *LIMITS, *LISTS),
    # Of experiments/language_models.smk.
    *("weights", "model", "task", "data", "options"),
}


def read_settings(given: Mapping[str, Any]) -> Settings:
    """The settings of ``--config``.

    Raises:
        SeeError: a name or a value is wrong.
    """
    if unknown := sorted(set(given) - NAMES):
        raise SeeError(f"--config {unknown[0]}: no such name; there are: {', '.join(sorted(NAMES))}")
    text = {name: str(value) for name, value in given.items()}
    corpus = text.get("corpus", str(ROOT / "data"))
    folder, config, test = CORPORA.get(corpus, (corpus, "iwslt17_zh_en", "test"))
    folder = text.get("text") or (f"runs/{folder}/text" if corpus in CORPORA else folder)
    name = corpus if corpus in CORPORA else Path(corpus).resolve().name
    scale = text.get("scale", "paper")
    sizes = SCALES.get(scale, SCALES["paper"])
    subwords, joined = text.get("subwords", "bpe"), text.get("joined", str(sizes.joined)).lower()
    switches = [("scale", scale, [*SCALES]), ("subwords", subwords, ["bpe", "sentencepiece"])]
    for key, value, known in [*switches, ("joined", joined, ["true", "false"])]:
        if value not in known:
            raise SeeError(f"--config {key}={value}: choose {', '.join(known)}")
    out = text.get("out", f"runs/{name}-{scale}")
    size = _parse_number("size", given.get("size", sizes.size), int)
    tests = dict(_parse_pair(item) for item in text["tests"].split()) if "tests" in text else {test: f"{folder}/test"}
    if wrong := [name for name in tests if not re.fullmatch(r"(?!(train|dev)$)[A-Za-z0-9_][A-Za-z0-9_.-]*", name)]:
        raise SeeError(f"--config tests={wrong[0]}=...: name it of letters, digits, . _ - and not train or dev")
    prefixes = {"train": text.get("train", f"{folder}/train"), "dev": text.get("dev", f"{folder}/dev"), **tests}
    if "like" in text:
        # The text of a test set alone will do.
        prefixes = {key: value for key, value in prefixes.items() if key in tests or key in text}
    return Settings(
        corpus=name,
        scale=scale,
        source=get_language(text.get("source", "zh")).code,
        target=get_language(text.get("target", "en")).code,
        prefixes=prefixes,
        tests=list(tests),
        config=config if scale == "paper" else sizes.config,
        dim=sizes.dim,
        subwords=subwords,
        size=size,
        joined=joined == "true",
        limits=[f"--{name.replace('_', '-')}={text[name]}" for name in LIMITS if name in text],
        max_pairs=_parse_number("max_pairs", given["max_pairs"], int) if "max_pairs" in given else None,
        like=text.get("like"),
        senses=_choose_senses(text, folder),
        index_options=text.get("index_options", "").split(),
        out=out,
        prepared=text.get("prepared", f"{out}/prepared"),
        gpus=text.get("gpus", ""),
        choice=_make_choice(given, sizes, size, joined == "true"),
        chosen=list(given),
    )


def _make_choice(given: Mapping[str, Any], sizes: Scale, size: int, joined: bool) -> Choice:
    values: dict[str, Any] = {"dim": sizes.dim, "size": size, "joined": joined, "sizes": sizes.sizes}
    values["distil_config"] = sizes.distil_config
    for name, kind in LISTS.items():
        if name in given:
            values[name] = tuple(_parse_number(name, word, kind) for word in _split(given[name]))
    for name in ("updates", "start"):
        if name in given:
            values[name] = _parse_number(name, given[name], int)
    if "teacher" in given:
        values["teacher"] = str(Path(str(given["teacher"])).absolute())
    if "hyperparameters" in given:
        values["hyperparameters"] = read_hyperparameters(Path(str(given["hyperparameters"])))
    if "overrides" in given:
        values["overrides"] = dict(_parse_pair(item) for item in _split(given["overrides"]))
    return Choice(**values)


def _choose_senses(text: Mapping[str, str], folder: str) -> list[str]:
    if "senses" in text:
        return ["--senses", text["senses"]]
    if "openhownet" in text:
        return ["--openhownet", text["openhownet"], *(["--download"] if "download" in text else [])]
    return ["--senses", f"{folder}/senses.tsv"] if Path(folder, "senses.tsv").is_file() else []


def _split(value: Any) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else str(value).split()


def _parse_number(name: str, value: Any, kind: type) -> Any:
    if kind is str:
        return value
    try:
        number = kind(value)
    except ValueError:
        number = -1
    if number < 0 or (number == 0 and name != "seeds"):
        raise SeeError(f"--config {name}={value}: not {'an integer' if kind is int else 'a number'} above 0")
    return number


def _parse_pair(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise SeeError(f"--config: {item} should be NAME=VALUE")
    return name, value
