"""Build the unit index of a dictionary."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np

from fairseq_see.errors import SeeError
from fairseq_see.units.controls import RANDOM, check_control, coded, earlier_sharers, exchanged
from fairseq_see.units.coverage import Coverage
from fairseq_see.units.index import MASK, UnitIndex, padding_names
from fairseq_see.units.languages import LANGUAGES, language_of
from fairseq_see.units.morpheme_inventory import Morphemes, by_frequency, fitted, limited, special_name, told_apart
from fairseq_see.units.morphology import Segmenter
from fairseq_see.units.selection import check_order_and_rank, select
from fairseq_see.units.senses import Match, Sense, Senses
from fairseq_see.units.vocabulary import SPECIALS, Vocabulary


def build_index(
    vocabulary: Vocabulary,
    senses: Senses | None,
    segmenters: Mapping[str, Segmenter],
    *,
    order: int = 3,
    rank: int = 5,
    language: str = "joined",
    piece_senses: bool = False,
    max_morphemes: int | None = None,
    control: str | None = None,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> tuple[UnitIndex, Coverage]:
    """The units of every symbol of a dictionary.

    Senses: cut to ``order`` sememes in HowNet's order, repeats dropped, the first ``rank - 1`` kept. A marked piece
    (``power@@``) gets none unless ``piece_senses``, because it is mostly a fragment of another word than the one it
    spells. The *last* piece of a word has no mark in BPE (the "er" of "pow@@ er"): it looks like a word and gets the
    senses of the word it spells. So does the *first* in sentencepiece ("▁pow er"), the others going on with a word. In
    Chinese the same holds, as it is split into words before it is cut into pieces; for pieces of Chinese without
    spaces, most of which have no mark, ``piece_senses`` is the better choice.

    Morphemes: those of the text, then the piece's mark as one of its own. Of more than ``order``, the last are joined
    to one (MorphTE, Gan et al. 2022). Specials and fillers have a morpheme of their own and no senses. No two symbols
    get the same units.

    Args:
        vocabulary: V symbols.
        senses: HowNet, or None for morphemes alone.
        segmenters: language -> what cuts its words.
        order: o, units in a group.
        rank: r, groups in a word: at most r - 1 senses, and the morphemes.
        language: ``zh``, ``en``, or ``joined``: Chinese if a symbol has a Chinese character, else English.
        piece_senses: whether marked pieces get senses.
        max_morphemes: keep that many morphemes at most, padding and specials counted. The most frequent stay; the
            others share a tenth of the inventory, hashed.
        control: one of :data:`~fairseq_see.units.controls.CONTROLS`, for an index to compare the real one with.
        seed: of the control, where it is random.
        progress: told what is going on.

    Raises:
        SeeError: an argument is out of range.
    """
    check_order_and_rank(order, rank)
    check_control(control, seed)
    spoken_languages = LANGUAGES if language == "joined" else (language,)
    for needed in spoken_languages:
        if needed not in LANGUAGES:
            raise SeeError(f"unknown language {needed!r}; choose {', '.join(LANGUAGES)} or joined")
        if needed not in segmenters:
            raise SeeError(f"no segmenter for {needed}")
    if control == "no-senses":
        senses = None
    report = progress or (lambda message: None)
    coverage = Coverage()

    report(f"looking up and segmenting {len(vocabulary):,} symbols")
    words_senses: list[list[Sense]] = []
    words_morphemes: list[Morphemes] = []
    specials: dict[str, None] = {}
    languages: list[str] = []
    for symbol, n in zip(vocabulary.symbols, vocabulary.counts, strict=True):
        coverage.symbols.add(n)
        kept: list[Sense] = []
        surface, mark = vocabulary.split(symbol)
        spoken = language_of(surface) if language == "joined" else language
        languages.append(spoken)
        if vocabulary.is_special(symbol):
            coverage.specials.add(n)
            morphemes = [special_name(symbol)]
            words_morphemes.append((*morphemes, *padding_names(order)[1:]))
            specials[morphemes[0]] = None
        else:
            if mark and not (piece_senses and surface):
                coverage.pieces.add(n)
            else:
                match = senses.lookup(surface, spoken) if senses else Match([], surface, "none")
                if control == "no-lemmas" and match.how == "lemma":
                    match = Match([], surface, "none")
                coverage.found[match.how].add(n)
                kept = _kept(match.senses, order, rank, coverage)
                coverage.senses_per_word[len(kept)] += 1
            morphemes = (segmenters[spoken].segment(surface) if surface else []) + ([mark] if mark else [])
            coverage.joined_morphemes += len(morphemes) > order
            words_morphemes.append(fitted(morphemes, order))
        if kept:
            coverage.with_senses.add(n)
        words_senses.append(kept)
    coverage.sharing_pairs = sum(map(len, earlier_sharers(words_senses)))
    if control == "random-senses":
        before, words_senses = words_senses, exchanged(words_senses, vocabulary.counts, languages, seed)
        both = zip(earlier_sharers(before), earlier_sharers(words_senses), strict=True)
        coverage.true_pairs = sum(len(real & random) for real, random in both)

    report("numbering the units")
    spares = None
    if max_morphemes is not None:
        words_morphemes, spares, coverage.bucketed_morphemes = limited(
            words_morphemes, vocabulary.counts, tuple(specials), order, max_morphemes
        )
    signatures = [frozenset(kept) for kept in words_senses]
    words_morphemes, coverage.collisions = told_apart(words_morphemes, signatures, spares)
    if control == "no-morphemes":
        words_morphemes, coverage.collisions = coded(words_morphemes, signatures, tuple(specials), order, seed)
        coverage.joined_morphemes = coverage.bucketed_morphemes = 0
    assert len(set(zip(signatures, words_morphemes, strict=True))) == len(vocabulary)

    padding = padding_names(order)
    sememes = padding + tuple(by_frequency(map(chain.from_iterable, words_senses), vocabulary.counts))
    # fairseq counts no use of its own symbols. Others, such as sentencepiece's bytes, are as rare as they are: the
    # first units are those that own most vectors.
    own = (special_name(symbol) for symbol in (*SPECIALS, MASK))
    first = dict.fromkeys((*padding, *(name for name in own if name in specials)))
    rest = by_frequency(words_morphemes, vocabulary.counts)
    names = (*first, *(name for name in rest if name not in first))
    provenance: dict[str, str | int] = {
        "senses": senses.source if senses else "none",
        "morphemes": ", ".join(f"{spoken}: {type(segmenters[spoken]).__name__.lower()}" for spoken in spoken_languages),
        **({"piece senses": "yes"} if piece_senses and senses else {}),
        **({"max morphemes": max_morphemes} if max_morphemes is not None else {}),
        **({"control": control} if control else {}),
        **({"seed": seed} if control in RANDOM else {}),
    }
    index = _numbered(order, rank, sememes, names, words_senses, words_morphemes, vocabulary.hash, provenance)
    coverage.sememes, coverage.morphemes = len(sememes) - order, len(names) - order
    coverage.distinct_groups, coverage.sense_slots = len(index.groups), len(index.sense_groups)
    return index, coverage


def _kept(senses: Sequence[Sense], order: int, rank: int, coverage: Coverage) -> list[Sense]:
    """The senses an index keeps; the others are counted."""
    kept = []
    for sense in select(senses, order, rank):
        if sense.kept:
            kept.append(sense.sememes)
            coverage.cut_sememes += len(sense.cut)
        coverage.duplicate_senses += sense.duplicate_of is not None
        coverage.senses_beyond_rank += sense.beyond_rank
    return kept


def _numbered(
    order: int,
    rank: int,
    sememes: tuple[str, ...],
    morphemes: tuple[str, ...],
    words_senses: list[list[Sense]],
    words_morphemes: list[Morphemes],
    dictionary: str,
    provenance: dict[str, str | int],
) -> UnitIndex:
    """Names -> ids. Groups are numbered by their first use."""
    sememe_ids = {name: i for i, name in enumerate(sememes)}
    morpheme_ids = {name: i for i, name in enumerate(morphemes)}
    group_ids: dict[Sense, int] = {}
    slots = [group_ids.setdefault(sense, len(group_ids)) for kept in words_senses for sense in kept]
    # A missing sememe's id is its position's: the padding units come first.
    groups = [[*map(sememe_ids.__getitem__, sense), *range(len(sense), order)] for sense in group_ids]
    units = [[morpheme_ids[name] for name in word] for word in words_morphemes]
    index = UnitIndex(
        order=order,
        rank=rank,
        sememes=sememes,
        morphemes=morphemes,
        groups=np.array(groups, np.int32).reshape(-1, order),
        sense_offsets=np.cumsum([0, *map(len, words_senses)]).astype(np.int32),
        sense_groups=np.array(slots, np.int32),
        word_morphemes=np.array(units, np.int32).reshape(-1, order),
        dictionary=dictionary,
        provenance=provenance,
    )
    index.validate()
    return index
