"""Shared by all tests: a toy translation task, prepared by the real commands."""

import importlib.util
import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Before torch is loaded: sums are the same to the bit only with equally many threads, and the commands run with one.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

ROOT = Path(__file__).resolve().parents[1]

# They need an extra; scripts/test.sh --llm installs it and runs them.
collect_ignore = [] if importlib.util.find_spec("transformers") else ["llm"]


def run_command(*words: str | Path, input: str | None = None) -> subprocess.CompletedProcess:
    """Run a console script of this environment (``fairseq-train``, ``fairseq-see``) and return what it printed."""
    program = Path(sys.executable).parent / str(words[0])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(program), *map(str, words[1:])]
    done = subprocess.run(command, cwd=ROOT, env=env, input=input, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{words[0]} ended with status {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done


@contextmanager
def full_disk(room: int = 8192) -> Iterator[None]:
    """No file can be longer than so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def write_toy_corpus(folder: Path, pairs: int, seed: int) -> None:
    """Sentences of a toy language: the English side says the Chinese side's words in reverse order."""
    rng = random.Random(seed)
    zh = [f"{a}{b}" for a in "山水火木金土日月" for b in "人口手足目耳心门"]
    en = [f"{a}{b}" for a in ("ba", "de", "fi", "go", "ku", "la", "me", "no") for b in ("lan", "rit", "sol", "tem") * 2]
    en = [f"{word}{i % 8}" for i, word in enumerate(en)]
    lines = [[rng.randrange(len(zh)) for _ in range(rng.randint(3, 7))] for _ in range(pairs)]
    folder.mkdir(parents=True, exist_ok=True)
    for lang, words, order in (("zh", zh, 1), ("en", en, -1)):
        text = "".join(" ".join(words[i] for i in line[::order]) + "\n" for line in lines)
        (folder / f"toy.{lang}").write_text(text, encoding="utf-8")


def write_toy_senses(path: Path) -> None:
    """A sememe lexicon of the toy words: some have two senses, some none."""
    sememes = ["human|人", "water|水", "fire|火", "wood|木", "metal|金属", "earth|土", "sun|日", "moon|月"]
    lines = []
    for i, a in enumerate("山水火木金土日月"):
        for j, b in enumerate("人口手足目耳心门"):
            for number in range((i + j) % 3):
                lines.append(f"zh\t{a}{b}\t{number + 1}\t{sememes[i]} {sememes[(j + number) % 8]}\n")
    for i, a in enumerate(("ba", "de", "fi", "go", "ku", "la", "me", "no")):
        for j, b in enumerate(("lan", "rit", "sol", "tem") * 2):
            if (i + j) % 4:
                lines.append(f"en\t{a}{b}{(8 * i + j) % 8}\t1\t{sememes[i]} {sememes[j]}\n")
    path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data-bin`` (zh-en, unit indexes beside the dictionaries), ``joined`` and ``senses.tsv``."""
    folder = tmp_path_factory.mktemp("toy")
    for split, pairs in (("train", 400), ("dev", 40), ("test", 40)):
        write_toy_corpus(folder / split, pairs, seed=len(split))
    write_toy_senses(folder / "senses.tsv")
    for name, extra in (("data-bin", ()), ("joined", ("--joined-dictionary",))):
        run_command(
            *("fairseq-preprocess", "--source-lang", "zh", "--target-lang", "en", "--destdir", folder / name, *extra),
            *(
                "--trainpref",
                folder / "train/toy",
                "--validpref",
                folder / "dev/toy",
                "--testpref",
                folder / "test/toy",
            ),
        )
        for lang in ("zh", "en"):
            run_command(
                *("fairseq-see", "index", folder / name / f"dict.{lang}.txt", "--hownet", folder / "senses.tsv"),
                *("--lang", "joined" if extra else lang, "--morphology", "characters"),
            )
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``gpu`` are skipped without one; .ci/run knows this reason and fails at any other skip."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
