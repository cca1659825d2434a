"""Build the unit index of a dictionary: look its words up, change them as a control wants, number their units."""

from collections.abc import Callable, Mapping
from itertools import chain

import numpy as np

from fairseq_see.units.controls import RANDOM, change_senses, check_control, draw_codes, find_earlier_sharers
from fairseq_see.units.coverage import Coverage
from fairseq_see.units.index import UnitIndex, name_padding
from fairseq_see.units.languages import parse_languages
from fairseq_see.units.morpheme_inventory import (
    Morphemes,
    limit_inventory,
    make_unique,
    name_special,
    pad_or_join,
    rank_units,
)
from fairseq_see.units.morphology import Segmenter
from fairseq_see.units.senses import Sense, Senses, check_order_and_rank
from fairseq_see.units.vocabulary import SPECIALS, Vocabulary
from fairseq_see.units.words import Word, look_up


def build_index(
    vocabulary: Vocabulary,
    senses: Senses | None,
    segmenters: Mapping[str, Segmenter],
    *,
    order: int = 3,
    rank: int = 5,
    language: str = "zh,en",
    piece_senses: bool = False,
    max_morphemes: int | None = None,
    control: str | None = None,
    seed: int = 1,
    progress: Callable[[str], None] = lambda message: None,
) -> tuple[UnitIndex, Coverage]:
    """The units of every symbol of a dictionary.

    Senses: truncated to ``order`` sememes, repeats dropped, the first ``rank - 1`` kept. A marked subword (``power@@``)
    gets none unless ``piece_senses``, because it is mostly a fragment of another word than the one it spells. The
    subword without a mark, the *last* of a word in BPE ("pow@@ er") and the *first* in sentencepiece ("▁pow er"), looks
    like a word and gets the senses of the word it spells. Of Chinese that was not segmented into words most subwords
    have no mark: there ``piece_senses`` is the better choice.

    Morphemes: those of the text, then the subword's mark as one of its own. Of more than ``order``, the last are joined
    to one (MorphTE, Gan et al. 2022). Special symbols and language tags have a morpheme of their own and no senses. No
    two symbols get the same units.

    Args:
        vocabulary: V symbols.
        senses: such as HowNet's, or None for morphemes alone.
        segmenters: language -> what segments its words; ``train_segmenters`` makes them.
        order: o, units in a group.
        rank: r, groups in a word: at most r - 1 senses, and the morphemes.
        language: code of the language, or codes with commas between them for a joined dictionary. There a word is of
            the language whose script it is written in, and of several with one script it is looked up in each.
        piece_senses: whether marked subwords get senses.
        max_morphemes: keep that many morphemes at most, padding and specials counted. The most frequent stay; the
            others share a tenth of the inventory, hashed.
        control: one of :data:`~fairseq_see.units.controls.CONTROLS`, for an index to compare the real one with.
        seed: of the control, where it is random.
        progress: gets a line on what is going on.

    Raises:
        SeeError: an argument is out of range.
    """
    check_order_and_rank(order, rank)
    check_control(control, seed)
    languages = parse_languages(language)
    progress(f"looking up and segmenting {len(vocabulary):,} symbols")
    real = look_up(vocabulary, senses, segmenters, languages, order, rank, piece_senses)
    words = change_senses(real, control, seed)
    coverage = Coverage.count(words, order)
    if control == "random-senses":
        versions = (find_earlier_sharers([word.kept for word in version]) for version in (real, words))
        shared = [(len(one), len(one & other)) for one, other in zip(*versions, strict=True)]
        coverage.sharing_pairs, coverage.true_pairs = map(sum, zip(*shared, strict=True))
    else:
        coverage.sharing_pairs = sum(map(len, find_earlier_sharers([word.kept for word in words])))
    progress("numbering the units")
    morphemes = _assign_morphemes(words, order, max_morphemes, coverage, seed if control == "no-morphemes" else None)
    source = senses.source if senses and control != "no-senses" else "none"
    names = {spoken.code: type(segmenters[spoken.code]).__name__.lower() for spoken in languages}
    provenance: dict[str, str | int | None] = {
        "senses": source,
        "morphemes": ", ".join(f"{code}: {name}" for code, name in names.items()),
        "piece senses": "yes" if piece_senses and source != "none" else None,
        "max morphemes": max_morphemes,
        "control": control,
        "seed": seed if control in RANDOM else None,
    }
    recorded = {key: value for key, value in provenance.items() if value is not None}
    index = _number_units(vocabulary, [word.kept for word in words], morphemes, order, rank, recorded)
    coverage.sememes, coverage.morphemes = len(index.sememes) - order, len(index.morphemes) - order
    coverage.distinct_groups, coverage.sense_slots = len(index.groups), len(index.sense_groups)
    return index, coverage


def _assign_morphemes(
    words: list[Word], order: int, max_morphemes: int | None, coverage: Coverage, code_seed: int | None
) -> list[Morphemes]:
    """Exactly ``order`` morphemes for each word, no two words alike; with ``code_seed`` arbitrary codes."""
    padding = name_padding(order)
    specials = tuple(dict.fromkeys(word.morphemes[0] for word in words if word.special))
    morphemes: list[Morphemes] = [
        (*word.morphemes, *padding[1:]) if word.special else pad_or_join(word.morphemes, order) for word in words
    ]
    spares = None
    if max_morphemes is not None:
        counts = [word.count for word in words]
        morphemes, spares, shared = limit_inventory(morphemes, counts, specials, order, max_morphemes)
        coverage.bucketed_morphemes = shared
    signatures = [frozenset(word.kept) for word in words]
    morphemes, coverage.collisions = make_unique(morphemes, signatures, spares)
    if code_seed is not None:
        morphemes, coverage.collisions = draw_codes(morphemes, signatures, specials, order, code_seed)
        coverage.joined_morphemes = coverage.bucketed_morphemes = 0
    return morphemes


def _number_units(
    vocabulary: Vocabulary,
    words_senses: list[list[Sense]],
    words_morphemes: list[Morphemes],
    order: int,
    rank: int,
    provenance: dict[str, str | int],
) -> UnitIndex:
    """Names -> ids, the most frequent first, for the first units are those that may own most vectors.

    Groups are numbered by their first use. fairseq counts no use of its own symbols and of what tasks add, which are in
    every sentence: they follow the padding. Others, such as sentencepiece's bytes, are as rare as they are counted.
    """
    padding = name_padding(order)
    sememes = (*padding, *rank_units(map(chain.from_iterable, words_senses), vocabulary.counts))
    ranked = rank_units(words_morphemes, vocabulary.counts)
    own = map(name_special, (*SPECIALS, *filter(vocabulary.is_added, vocabulary.symbols)))
    morphemes = tuple(dict.fromkeys((*padding, *filter(set(ranked).__contains__, own), *ranked)))
    sememe_ids, morpheme_ids = ({name: i for i, name in enumerate(names)} for names in (sememes, morphemes))
    group_ids: dict[Sense, int] = {}
    slots = [group_ids.setdefault(sense, len(group_ids)) for kept in words_senses for sense in kept]
    # A missing sememe's id is its position's: the padding units come first.
    groups = [[*map(sememe_ids.__getitem__, sense), *range(len(sense), order)] for sense in group_ids]
    index = UnitIndex(
        order=order,
        rank=rank,
        sememes=sememes,
        morphemes=morphemes,
        groups=np.array(groups, np.int32).reshape(-1, order),
        sense_offsets=np.cumsum([0, *map(len, words_senses)]).astype(np.int32),
        sense_groups=np.array(slots, np.int32),
        word_morphemes=np.array([[morpheme_ids[name] for name in word] for word in words_morphemes], np.int32),
        dictionary=vocabulary.hash,
        provenance=provenance,
    )
    index.validate()
    return index
