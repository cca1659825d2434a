"""Senses of English words from WordNet (Fellbaum 1998): synsets and what they are a kind of, in place of sememes.

WordNet has 117,659 synsets where HowNet has some 2,000 sememes, and an embedding made of so many units is not small. So
only the synsets that most senses fall under are units, and a sense is the first ``order`` of them on its way up: with
2,000 of them, *bank* is ``slope.n.01 geological_formation.n.01 object.n.01`` and ``institution.n.01 organization.n.01
social_group.n.01``.

The files are read here, in the format of wndb(5WN): NLTK's reader (3.10) wants ``lexnames``, which Debian's package
does not have, and refuses any folder outside NLTK's own data path.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines
from fairseq_see.units.senses import Sense, Senses

DEBIAN_FOLDER = Path("/usr/share/wordnet")

# Parts of speech, in the order in which equally frequent senses of a word are taken.
_FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
# The numbers of kinds in sense keys; an s is an adjective that is a satellite of another.
_KINDS = {"n": 1, "v": 2, "a": 3, "r": 4, "s": 5}
# The pointers that lead up, of which the first is taken: to a hypernym; from a satellite to the adjective it is similar
# to; from an adjective to the noun it pertains to, or whose value it is; from an adverb to its adjective.
_UPWARD = {"n": ("@", "@i"), "v": ("@",), "s": ("&",), "a": ("\\", "="), "r": ("\\",)}

# A part of speech with the offset of a synset, or with a lemma.
Key = tuple[str, str]
T = TypeVar("T")


class _Synset(NamedTuple):
    kind: str
    file: str
    words: list[str]
    ids: list[int]
    parent: Key | None


def read_wordnet(folder: Path, order: int = 3, synsets: int = 2000) -> tuple[Senses, int]:
    """The senses of WordNet's single words, the most frequent first (by its counts of tagged text).

    Args:
        folder: WordNet's ``dict`` folder: ``data.*``, ``index.*`` and ``cntlist.rev``.
        order: units in a sense at most, the nearest synset first.
        synsets: how many synsets are units: those that most senses of single words fall under.

    Returns:
        the senses; how many more there would be if synsets without a unit on their way up had one.

    Raises:
        SeeError: not such a folder.
    """
    database: dict[Key, _Synset] = {}
    meanings: dict[Key, list[str]] = {}
    for part, name in _FILES.items():
        database |= {(part, offset): synset for offset, synset in _parse_lines(folder / f"data.{name}", _parse_synset)}
        # A lemma, and the offsets of its synsets in the order of its senses.
        lemmas = _parse_lines(folder / f"index.{name}", lambda fields: (fields[0], fields[-int(fields[2]) :]))
        meanings |= {(part, lemma): offsets for lemma, offsets in lemmas}
    # A sense's key, and how often it was tagged. The numbers of senses there are an older version's.
    tagged = dict(_parse_lines(folder / "cntlist.rev", lambda fields: (fields[0], int(fields[2]))))
    try:
        names = _name_synsets(database, meanings)
        words = _rank_senses(database, meanings, tagged)
        paths = {key: _find_path(key, database) for keys in words.values() for key in keys}
    except (KeyError, ValueError) as error:
        raise SeeError(f"the files of {folder} do not belong together: nothing is found at {error}") from error
    under = Counter(above for keys in words.values() for key in keys for above in paths[key])
    units = set(sorted(under, key=lambda key: (-under[key], names[key]))[:synsets])
    entries: dict[str, list[Sense]] = {}
    dropped = 0
    for word, keys in words.items():
        senses = [tuple(names[above] for above in paths[key] if above in units)[:order] for key in keys]
        kept = [sense for sense in senses if sense]
        dropped += len(senses) - len(kept)
        if kept:
            entries[word] = kept
    return Senses({"en": entries}, "WordNet"), dropped


def _parse_lines(path: Path, parse: Callable[[list[str]], T]) -> Iterator[T]:
    """What ``parse`` makes of the fields of each line; the licence at the top is indented, glosses follow a bar."""
    if not path.is_file():
        raise SeeError(f"no {path}; give WordNet's folder dict (Debian: apt-get install wordnet-base)")
    for number, line in enumerate(read_lines(path), 1):
        if line.startswith("  "):
            continue
        try:
            yield parse(line.split(" | ")[0].split())
        except (ValueError, IndexError, KeyError) as error:
            raise SeeError(f"{path}, line {number}: not a line of WordNet's database") from error


def _parse_synset(fields: list[str]) -> tuple[str, _Synset]:
    offset, file, kind, size = fields[:4]
    end = 4 + 2 * int(size, 16)
    # An adjective may have its position: "galore(ip)".
    words = [word.split("(")[0] for word in fields[4:end:2]]
    ids = [int(id_, 16) for id_ in fields[5:end:2]]
    pointers: dict[str, Key] = {}
    for start in range(end + 1, end + 1 + 4 * int(fields[end]), 4):
        symbol, target, part, _ = fields[start : start + 4]
        pointers.setdefault(symbol, ("a" if part == "s" else part, target))
    parents = (pointers[symbol] for symbol in _UPWARD[kind] if symbol in pointers)
    return offset, _Synset(kind, file, words, ids, next(parents, None))


def _make_sense_key(synset: _Synset, position: int, database: dict[Key, _Synset]) -> str:
    """The key of a synset's word, as senseidx(5WN) defines it; a satellite's has its head's word in it."""
    head = database[synset.parent] if synset.kind == "s" and synset.parent else None
    tail = f"{head.words[0].lower()}:{head.ids[0]:02d}" if head else ":"
    return f"{synset.words[position].lower()}%{_KINDS[synset.kind]}:{synset.file}:{synset.ids[position]:02d}:{tail}"


def _name_synsets(database: dict[Key, _Synset], meanings: dict[Key, list[str]]) -> dict[Key, str]:
    """``dog.n.01`` is the first sense of its first word, a noun; no other synset can have that name."""
    names = {}
    for (part, offset), synset in database.items():
        first = synset.words[0].lower()
        names[part, offset] = f"{first}.{synset.kind}.{meanings[part, first].index(offset) + 1:02d}"
    return names


def _rank_senses(
    database: dict[Key, _Synset], meanings: dict[Key, list[str]], tagged: dict[str, int]
) -> dict[str, list[Key]]:
    """Single words in WordNet's spelling -> their synsets, the most frequent first."""
    ranked: dict[str, list[tuple[int, Key]]] = defaultdict(list)
    for (part, lemma), offsets in meanings.items():
        if "_" in lemma:
            continue
        for offset in offsets:
            synset = database[part, offset]
            for position, word in enumerate(synset.words):
                if word.lower() == lemma:
                    count = tagged.get(_make_sense_key(synset, position, database), 0)
                    ranked[word].append((-count, (part, offset)))
    # A stable sort: equally frequent senses stay in WordNet's order.
    return {word: [key for _, key in sorted(ranked[word], key=lambda sense: sense[0])] for word in sorted(ranked)}


def _find_path(key: Key | None, database: dict[Key, _Synset]) -> list[Key]:
    """A synset and those above it, to the top (or once around: some verbs are each other's hypernyms)."""
    path: list[Key] = []
    while key and key not in path:
        path.append(key)
        key = database[key].parent
    return path
