"""Shared by the tests: the real commands, scripts, a toy corpus."""

import multiprocessing
import os
import random
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parents[1]


# A process that has imported what takes seconds; each command runs in a fork of it.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch._dynamo", "torch.distributed.fsdp", "sklearn.cluster", "sacrebleu", __name__])


def _run_script(words: list[str], folder: Path, environment: dict[str, str]) -> None:
    for number, name in enumerate(("in", "out", "err")):
        os.dup2(os.open(folder / name, os.O_RDWR | os.O_CREAT), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment, CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    sys.argv = [str(Path(sys.executable).parent / words[0]), *words[1:]]
    runpy.run_path(sys.argv[0], run_name="__main__")


def run_command(*words: str | Path, input: str = "") -> subprocess.CompletedProcess:
    """Run a console script of this environment (``fairseq-train``, ``fairseq-see``) and return what it printed."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_text(input, encoding="utf-8")
        child = FORKS.Process(target=_run_script, args=([str(word) for word in words], folder, dict(os.environ)))
        child.start()
        child.join()
        out, err = ((folder / stream).read_text(encoding="utf-8") for stream in ("out", "err"))
    if child.exitcode:
        pytest.fail(f"{words[0]} ended with status {child.exitcode}:\n{out[-2000:]}\n{err[-4000:]}")
    return subprocess.CompletedProcess(words, 0, out, err)


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
        env={**os.environ, "FAIRSEQ_SEE_VENV": sys.prefix, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **env},
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
