"""Files that are either whole or absent."""

import ctypes
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairseq_see.errors import SeeError


def check_outputs(outputs: Mapping[str, str | Path | None], inputs: Iterable[str | Path | None]) -> None:
    """Raise SeeError if writing would destroy an input or another output, or cannot succeed where it is to be.

    ``outputs`` are paths by the names that the user knows them by; of these and of ``inputs`` those that are None do
    not count.
    """
    taken = {Path(path).resolve(): "one of the inputs" for path in inputs if path}
    for name, path in outputs.items():
        if not path:
            continue
        place = Path(path).resolve()
        if place.exists() and not place.is_file():
            raise SeeError(f"{name} {path} is {'a folder' if place.is_dir() else 'no ordinary file'}; write a file")
        if place in taken:
            raise SeeError(f"{name} {path} is {taken[place]}; write it to another file")
        folder = next(folder for folder in place.parents if folder.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise SeeError(f"cannot write {name} {path}: {folder} is no folder that you may write to; choose another")
        taken[place] = f"what {name} writes"


@contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if the block succeeds, remove it if not.

    SeeError if the folder is not writable or full, or ``path`` is no ordinary file (a folder, a device).
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise SeeError(f"cannot write {path}: what is there is no ordinary file; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as error:
        raise SeeError(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error
    temporary = Path(name)
    try:
        yield temporary
        _make_readable(temporary)
        temporary.replace(path)
    except OSError as error:
        raise SeeError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it takes the place of ``path`` if the block succeeds, or SeeError.

    Where the system can swap two folders in one step (Linux), a process that is killed leaves the old or the new one.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
            new, old = Path(scratch, "new"), Path(scratch, "old")
            new.mkdir()
            yield new
            for file in new.iterdir():
                _make_readable(file)
            if path.exists():
                if _swap(new, path):
                    return
                path.rename(old)
            try:
                new.rename(path)
            except OSError:
                if old.exists():
                    old.rename(path)
                raise
    except OSError as error:
        raise SeeError(f"cannot write {path}: {error.strerror or error}; choose a folder you may write to") from error


def _swap(first: Path, second: Path) -> bool:
    """Swap two folders in one step; False where the system or its file system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE
    return rename is not None and rename(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0


def _make_readable(path: Path) -> None:
    """Some libraries make files private; an output of ours is as readable as any other file the user makes."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as JSON to read, in place of what was there; SeeError if the folder is not writable or full."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def check_finite(tensors: Mapping[str, Any]) -> None:
    """Raise SeeError if a tensor of a state dict has a value that is NaN or infinite."""
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise SeeError(f"{name} has values that are NaN or infinite; take a checkpoint from before training failed")


def check_written(path: Path, tensors: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    """Raise OSError, within ``replace_file``, if tensors do not read back as they were written."""
    if tensors.keys() != written.keys() or not all(value.equal(written[name]) for name, value in tensors.items()):
        raise OSError(f"{path.name} does not read back as it was written; check the disk")


def write_tensors(path: Path, tensors: dict[str, Any], metadata: dict[str, str]) -> None:
    """Write a safetensors file; OSError, within ``replace_file``, if the folder is not writable or full."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def decode_name(path: str | Path) -> str:
    """The name of a file or folder as text; what is not UTF-8 in it becomes a replacement character."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def read_lines(path: str | Path) -> list[str]:
    r"""The lines of a file without their ends, ``\n`` or ``\r\n``; SeeError if it cannot be read or is not UTF-8."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeeError(f"{path} is not UTF-8 (byte {error.start}); convert it, for example with iconv") from error
    except OSError as error:
        raise SeeError(f"cannot read {path}: {error.strerror}") from error
    return split_lines(text)


def split_lines(text: str) -> list[str]:
    r"""The lines of a text without their ends, ``\n`` or ``\r\n``; ``splitlines()`` takes other marks for ends, too."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]
