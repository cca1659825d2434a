"""Public corpora as they are downloaded -> line-aligned text for ``scripts/prepare.sh``.

python -m experiments.corpus.unpack wmt17-v12|wmt17-v13|wmt17-v15|iwslt17 FOLDER OUT

FOLDER holds the archives, or the files that are in them. Used by scripts/download_wmt17_zh_en.sh and
download_iwslt17_zh_en.sh, which name where the archives are from.
"""

import gzip
import hashlib
import json
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.corpus.formats import Pair, pair_columns, pair_lines, pair_segments, pair_talks
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replace_folder

# A reader, and the names of the files it takes, Chinese before English. Archives keep them in folders of varying names.
Split = tuple[Callable[..., list[Pair]], list[str]]

LARGEST = 1 << 30
"""Bytes of the largest file, of which a small archive may hold any number."""

WMT17: dict[str, Split] = {
    "dev": (pair_segments, ["newsdev2017-zhen-src.zh.sgm", "newsdev2017-zhen-ref.en.sgm"]),
    "test": (pair_segments, ["newstest2017-zhen-src.zh.sgm", "newstest2017-zhen-ref.en.sgm"]),
}
IWSLT17_TESTS = [f"tst{year}" for year in range(2010, 2016)]
NEWS, TALKS = "news-commentary-{0}.zh-en.{1}", "IWSLT17.TED.{0}.zh-en.{1}.xml"
CORPORA: dict[str, dict[str, Split]] = {
    **{
        f"wmt17-{v}": {"train": (pair_lines, [NEWS.format(v, s) for s in ("zh", "en")]), **WMT17}
        for v in ("v12", "v13")
    },
    "wmt17-v15": {"train": (pair_columns, ["news-commentary-v15.en-zh.tsv"]), **WMT17},
    "iwslt17": {
        "train": (pair_talks, ["train.tags.zh-en.zh", "train.tags.zh-en.en"]),
        "dev": (pair_segments, [TALKS.format("dev2010", side) for side in ("zh", "en")]),
        **{name: (pair_segments, [TALKS.format(name, side) for side in ("zh", "en")]) for name in IWSLT17_TESTS},
    },
}


def unpack(corpus: str, folder: Path, output: Path) -> dict[str, dict[str, int]]:
    """Write ``output``/SPLIT.zh and .en for every split of a corpus, and ``corpus.json``, which describes them.

    Training pairs with nothing on a side are dropped; dev and test sets keep every line. The six test sets of iwslt17
    are written one by one and, in their order, as ``test``.

    Args:
        corpus: a name of ``CORPORA``.
        folder: archives (.tgz, .tar.gz, .gz) or files, at any depth.
        output: a folder, new or empty, which appears whole or not at all.

    Returns:
        The numbers of pairs read and kept, for every split.

    Raises:
        SeeError: a file is missing, damaged or not what it should be, or the folder holds something.
    """
    if output.is_dir() and any(output.iterdir()):
        raise SeeError(f"{output} holds other files; choose another folder")
    names = {name for _, files in CORPORA[corpus].values() for name in files}
    contents = read_files(folder, names)
    splits: dict[str, list[Pair]] = {
        split: read(*(_decode(contents[name], name) for name in files), " and ".join(files))
        for split, (read, files) in CORPORA[corpus].items()
    }
    counts = {split: {"read": len(pairs), "kept": len(pairs)} for split, pairs in splits.items()}
    splits["train"] = [pair for pair in splits["train"] if all(pair)]
    counts["train"]["kept"] = len(splits["train"])
    if not splits["train"]:
        raise SeeError(f"no training pairs in {' and '.join(CORPORA[corpus]['train'][1])}; is it complete?")
    if corpus == "iwslt17":
        splits["test"] = [pair for name in IWSLT17_TESTS for pair in splits[name]]
        counts["test"] = {"read": len(splits["test"]), "kept": len(splits["test"])}
    hashes = {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(names)}
    with replace_folder(output) as new:
        for split, pairs in splits.items():
            for side, lines in zip(("zh", "en"), zip(*pairs, strict=True), strict=True):
                (new / f"{split}.{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        facts = {"corpus": corpus, "pairs": counts, "sha256": hashes}
        (new / "corpus.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return counts


def read_files(folder: Path, names: set[str]) -> dict[str, bytes]:
    """The contents of the named files, which lie in a folder at any depth: as they are, gzipped, or in tar archives.

    Raises:
        SeeError: one is not there, or an archive is damaged.
    """
    found: dict[str, bytes] = {}
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    try:
        for path in paths:
            if path.name in names:
                found.setdefault(path.name, path.read_bytes())
            elif path.suffix == ".gz" and path.stem in names - found.keys():
                with gzip.open(path) as file:
                    found[path.stem] = _read_limited(file, path.stem)
        for path in paths:
            missing = names - found.keys()
            if missing and path.name.endswith((".tgz", ".tar.gz")):
                found |= _read_members(path, missing)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise SeeError(f"{path} is damaged ({error}); remove it and fetch it again") from error
    if absent := sorted(names - found.keys()):
        raise SeeError(f"{folder} lacks {', '.join(absent)}, as a file or in an archive")
    return found


def _read_members(path: Path, names: set[str]) -> dict[str, bytes]:
    # Read where they are: nothing of an archive is written to disk under a name that it chooses.
    with tarfile.open(path, "r|gz") as archive:
        files = ((Path(member.name).name, member) for member in archive if member.isfile())
        return {name: _read_limited(archive.extractfile(file), name) for name, file in files if name in names}


def _read_limited(file: Any, name: str) -> bytes:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise SeeError(f"{name} is larger than {LARGEST >> 20:,} MB unpacked, which no file of these corpora is")
    return content


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeeError(f"{name} is not UTF-8 (byte {error.start})") from error


@ends_in_one_line()
def main(corpus: str, folder: str, output: str) -> None:
    """Unpack, and print the numbers of pairs."""
    for split, count in unpack(corpus, Path(folder), Path(output)).items():
        empty = count["read"] - count["kept"]
        print(f"{split}: {count['kept']:,} pairs" + (f" ({empty:,} with an empty side dropped)" if empty else ""))


if __name__ == "__main__":
    main(*sys.argv[1:])
