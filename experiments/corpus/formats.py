"""The formats that WMT and IWSLT distribute parallel text in, read into pairs of one Chinese and one English line.

All functions take the text of files and return (zh, en) pairs, white space made single. Pairs with nothing on a side
are left in: ``unpack`` counts and drops those of training text, and test sets keep every line.
"""

import re
from html import unescape
from typing import NamedTuple

from fairseq_see.errors import SeeError
from fairseq_see.io import split_lines
from fairseq_see.units.languages import get_language

Pair = tuple[str, str]

# What stands around the lines of a talk in train.tags. A title and a description are no sentences of the talk.
_TAG = re.compile(
    r"\s*</?(url|keywords|speaker|talkid|title|description|transcript|reviewer|translator|doc)\b[^>]*>", re.IGNORECASE
)
# Attributes end at the next <, or tags that nobody closed would take quadratic time.
_ELEMENT = re.compile(r"<(?P<end>/?)(?P<name>doc|seg)\b(?P<attributes>[^<>]*)>", re.IGNORECASE)
_ID = re.compile(r"\bid\s*=\s*[\"']?([^\"'\s>]*)", re.IGNORECASE)


class Segment(NamedTuple):
    """A ``<seg>``: the number of its document in the file from 1 on, its own ``id``, its text."""

    document: int
    number: str
    text: str


def read_segments(text: str) -> list[Segment]:
    """The ``<seg>`` elements of an .sgm file of WMT or an .xml file of IWSLT, in their order, entities resolved.

    Neither is well-formed (bare & and <): what is between the tags of a segment is its text, whatever it looks like.
    """
    found: list[Segment] = []
    documents, number, start = 0, None, 0
    for tag in _ELEMENT.finditer(text):
        kind, end = tag["name"].lower(), bool(tag["end"])
        documents += kind == "doc" and not end
        if kind == "seg" and not end:
            attribute = _ID.search(tag["attributes"])
            number, start = attribute[1] if attribute else "", tag.end()
        elif kind == "seg" and number is not None:
            found.append(Segment(documents, number, _single_spaces(unescape(text[start : tag.start()]))))
            number = None
    return found


def pair_segments(zh: str, en: str, where: str) -> list[Pair]:
    """The pairs of a source and a reference file of ``<seg>`` elements.

    Raises:
        SeeError: there are none, or the two do not have the same numbers in the same documents.
    """
    source, reference = read_segments(zh), read_segments(en)
    if not source:
        raise SeeError(f"{where}: no <seg> in it; is it an .sgm or .xml file of a test set?")
    for one, other in zip(source, reference, strict=False):
        if one[:2] != other[:2]:
            raise SeeError(
                f"{where}: segment {one.number} of document {one.document} stands beside segment {other.number} of "
                f"document {other.document}: they are not of the same set"
            )
    if len(source) != len(reference):
        raise SeeError(f"{where}: {len(source):,} Chinese segments and {len(reference):,} English ones")
    return [(one.text, other.text) for one, other in zip(source, reference, strict=True)]


def pair_talks(zh: str, en: str, where: str) -> list[Pair]:
    """The pairs of IWSLT's ``train.tags``: plain lines, between lines of tags that describe the talk.

    Raises:
        SeeError: the numbers of lines differ, or a tag stands beside a sentence or another tag.
    """
    pairs = []
    for number, pair in enumerate(_align_lines(zh, en, where), 1):
        tags = [match and match.group(1).lower() for match in map(_TAG.match, pair)]
        if tags[0] != tags[1]:
            found = " and ".join(f"<{tag}>" if tag else "a sentence" for tag in tags)
            raise SeeError(f"{where}: line {number} is {found}: the two files are not aligned")
        if tags[0] is None:
            pairs.append((_single_spaces(unescape(pair[0])), _single_spaces(unescape(pair[1]))))
    return pairs


def pair_lines(zh: str, en: str, where: str) -> list[Pair]:
    """The pairs of two plain files, as News Commentary is distributed up to v13.

    Raises:
        SeeError: the numbers of lines differ.
    """
    return [(_single_spaces(one), _single_spaces(other)) for one, other in _align_lines(zh, en, where)]


def pair_columns(table: str, where: str) -> list[Pair]:
    """The pairs of a table with an English and a Chinese column, a tab between, as News Commentary is from v14 on.

    A line without exactly two columns becomes a pair of empty lines.

    Raises:
        SeeError: more English lines than Chinese ones hold a Chinese character.
    """
    rows = [line.split("\t") for line in split_lines(table)]
    pairs = [(_single_spaces(row[1]), _single_spaces(row[0])) if len(row) == 2 else ("", "") for row in rows]
    if sum(get_language("zh").writes(en) for _, en in pairs) > sum(get_language("zh").writes(zh) for zh, _ in pairs):
        raise SeeError(f"{where}: the first column is Chinese; it should be English, and the second Chinese")
    return pairs


def _align_lines(zh: str, en: str, where: str) -> list[Pair]:
    one, other = split_lines(zh), split_lines(en)
    if len(one) != len(other):
        raise SeeError(f"{where}: {len(one):,} Chinese lines and {len(other):,} English ones: they are not aligned")
    return list(zip(one, other, strict=True))


def _single_spaces(text: str) -> str:
    return " ".join(text.split())
