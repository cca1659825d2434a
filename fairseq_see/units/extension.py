"""Further words for an index that a model has been trained with, made of the units that it has."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from zlib import crc32

import numpy as np

from fairseq_see.errors import SeeError
from fairseq_see.units.index import ARRAYS, UnitIndex, name_padding
from fairseq_see.units.languages import Language, find_languages
from fairseq_see.units.morphology import ALL_CAPITALS, CAPITALISED, SEGMENTERS, Characters, Morfessor, Segmenter
from fairseq_see.units.vocabulary import Vocabulary

# Units for a word that would be another, for each unit there is, before it is given up.
TRIES = 100


def extend_index(index: UnitIndex, longer: UnitIndex, words: Iterable[int] = ()) -> UnitIndex:
    """An index with the words that another has after its own; units and their ids stay.

    A sense is kept if all of its sememes exist. A morpheme that does not exist shares the unit of one that does, chosen
    by a hash of its name. A word that would have the units of another has one more unit chosen so.

    Args:
        index: the model's, with the names of its units, as its file has them.
        longer: of the same order, for the longer vocabulary.
        words: ids of ``index`` that are other words now.
    """
    sememes, morphemes = ({name: i for i, name in enumerate(names)} for names in (index.sememes, index.morphemes))
    # Not those that are a special symbol's own.
    shared = [i for name, i in morphemes.items() if not name.startswith(("<", "\\", "madeupword"))] or [index.order]
    groups = {tuple(group): i for i, group in enumerate(index.groups.tolist())}
    senses = [[groups[tuple(sense)] for sense in index.read_senses(word)] for word in range(index.num_words)]
    units = [tuple(word) for word in index.word_morphemes.tolist()]
    changed = {*words, *range(index.num_words, longer.num_words)}
    taken = {(frozenset(each), units[word]) for word, each in enumerate(senses) if word not in changed}
    for word in sorted(changed):
        named = [[sememes.get(longer.sememes[i]) for i in sense] for sense in longer.read_senses(word)]
        found = [groups.setdefault(tuple(sense), len(groups)) for sense in named if None not in sense]
        names = [longer.morphemes[i] for i in longer.word_morphemes[word]]
        own = [morphemes.get(name, shared[crc32(name.encode()) % len(shared)]) for name in names]
        for attempt in count():
            if (frozenset(found), tuple(own)) not in taken:
                break
            if attempt == TRIES * len(shared):
                raise SeeError("too few morphemes to distinguish all words; add fewer of them")
            # The last one; where all of those are taken, the one before.
            place = -1 - attempt // len(shared) % index.order
            own[place] = shared[crc32(f"{names} {attempt}".encode()) % len(shared)]
        taken.add((frozenset(found), tuple(own)))
        senses[word : word + 1], units[word : word + 1] = [found], [tuple(own)]
    longest = replace(
        index,
        groups=np.array(list(groups), np.int32).reshape(-1, index.order),
        sense_offsets=np.cumsum([0, *map(len, senses)]).astype(np.int32),
        sense_groups=np.array([slot for each in senses for slot in each], np.int32),
        word_morphemes=np.array(units, np.int32),
        dictionary=longer.dictionary,
    )
    longest.validate()
    return longest


def name_units(index: UnitIndex, file: UnitIndex) -> UnitIndex:
    """An index whose units have no names, with those of the ``file`` that the model was trained with, or SeeError.

    The model's index may have words more than the file, and no senses where the method has none.
    """
    named = file if len(index.sememes) == len(file.sememes) else file.drop_senses()
    sizes = [(each.order, len(each.sememes), len(each.morphemes)) for each in (index, named)]
    parts = ((getattr(index, name)[: len(getattr(named, name))], getattr(named, name)) for name in ARRAYS)
    if sizes[0] != sizes[1] or not all(np.array_equal(ours, theirs) for ours, theirs in parts):
        raise SeeError("the unit index is not the one that the model was trained with")
    return replace(
        index, sememes=named.sememes, morphemes=named.morphemes, provenance=file.provenance, dictionary=file.dictionary
    )


def name_unspoken(order: int) -> set[str]:
    """The morphemes that spell no part of a word: padding and letter case."""
    return {*name_padding(order), CAPITALISED, ALL_CAPITALS}


def restore_segmenters(index: UnitIndex, vocabulary: Vocabulary, languages: Sequence[Language]) -> dict[str, Segmenter]:
    """What segments further words of an index: as its own, Morfessor into the morphemes that these have."""
    names = dict(part.split(": ") for part in str(index.provenance["morphemes"]).split(", "))
    segmenters: dict[str, Segmenter] = {}
    for language in languages:
        name = names[language.code]
        if name == "morfessor":
            segmentations = _read_segmentations(index, vocabulary, language, languages)
            segmenters[language.code] = Morfessor(segmentations) if segmentations else Characters()
        else:
            segmenters[language.code] = SEGMENTERS[name]([], language.code)
    return segmenters


def _read_segmentations(
    index: UnitIndex, vocabulary: Vocabulary, language: Language, languages: Sequence[Language]
) -> dict[str, tuple[str, ...]]:
    """The morphemes of the words of a language, in lower case, where the units of an index spell them."""
    unspoken = name_unspoken(index.order)
    segmentations = {}
    for symbol, units in zip(vocabulary.symbols, index.word_morphemes, strict=True):
        word = vocabulary.split(symbol)[0].lower()
        morphemes = tuple(name for name in (index.morphemes[i] for i in units) if name not in unspoken)
        spelled = "".join(morphemes) == word and not vocabulary.is_special(symbol)
        if spelled and language in find_languages(word, languages):
            segmentations[word] = morphemes
    return segmentations
