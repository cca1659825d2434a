"""Shared by the tests: the real commands, scripts, a toy corpus."""

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.forks import make_environment

ROOT = Path(__file__).resolve().parents[1]


def make_environ(**more: str) -> dict[str, str]:
    """The environment of a command: this checkout's code, one thread."""
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **more}


def run_command(*words: str | Path, input: str = "", **environ: str) -> subprocess.CompletedProcess:
    """Run a command of this environment (``fairseq-train``, ``python``) and return what it printed."""
    command = [str(make_environment() / "bin" / words[0]), *map(str, words[1:])]
    done = subprocess.run(
        command, cwd=ROOT, env=make_environ(**environ), input=input, capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        pytest.fail(f"{words[0]} ended with status {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done


@contextmanager
def full_disk(room: int = 8192) -> Iterator[None]:
    """No file can be longer than so many bytes."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def write_toy_corpus(folder: Path, pairs: int, seed: int) -> None:
    """Sentences of a toy language: the English side has the Chinese side's words in reverse order."""
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


def script(name: str, *words: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [ROOT / "scripts" / name, *map(str, words)],
        cwd=cwd,
        env=make_environ(**{"FAIRSEQ_SEE_VENV": str(make_environment()), **env}),
        capture_output=True,
        text=True,
    )


def write_beginning(folder: Path) -> None:
    """The beginning of data/ to a folder, which is made, with its senses."""
    folder.mkdir(exist_ok=True)
    for name in ("train", "dev", "test"):
        for side in ("zh", "en"):
            lines = (ROOT / f"data/{name}.{side}").read_text("utf-8").splitlines(keepends=True)
            (folder / f"{name}.{side}").write_text("".join(lines[: 200 if name == "train" else 3]), encoding="utf-8")
    shutil.copy(ROOT / "data/senses.tsv", folder)


def read_table(text: str) -> list[list[str]]:
    """The cells of the Markdown table in a text, its header first, without the line below it."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in (lines[0], *lines[2:])]


def refused(done: subprocess.CompletedProcess, *parts: str) -> bool:
    """Whether a script ended with one line that has these parts, and status 2."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return done.returncode == 2 and len(errors) == 1 and all(part in errors[0] for part in parts)


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
