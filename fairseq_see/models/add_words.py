"""Further words for a model that is trained: their embeddings are made of the vectors that it has."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fairseq_see.embeddings.indexed import IndexedEmbedding
from fairseq_see.errors import SeeError, needs_extra
from fairseq_see.models.builder import find_index
from fairseq_see.models.checkpoint import read_section
from fairseq_see.models.export import TrainedModel
from fairseq_see.text import mark_word, normalise, segment, truncate_words
from fairseq_see.units import Senses, UnitIndex, Vocabulary, build_index
from fairseq_see.units.extension import extend_index, name_units, name_unspoken, restore_segmenters
from fairseq_see.units.inspection import read_symbol
from fairseq_see.units.languages import get_language, parse_languages


@dataclass
class AddedWords:
    """What became of a list of words.

    Attributes:
        added: the words that the model has now.
        senseless: those of them without a sense.
        partial: those of them of which a sense or a morpheme is new to the model, and left out or replaced.
        refused: the other words, and why.
    """

    added: list[str]
    senseless: list[str]
    partial: list[str]
    refused: dict[str, str]


def add_words(
    folder: Path,
    output: Path,
    words: Iterable[str],
    senses: Senses | None,
    side: str = "source",
    index_file: Path | None = None,
) -> AddedWords:
    """Write an exported model that has further words.

    Args:
        folder: what ``fairseq-see export`` wrote.
        output: the new folder, which may be the same.
        words: in any order.
        senses: of the words; None for morphemes alone.
        side: ``source`` or ``target``; both, where one dictionary serves both.
        index_file: the unit index of the side (default: where it was when the model was trained).

    Raises:
        SeeError: the method has no units, the index is another one, no word can be added, or a file cannot be written.
    """
    model = TrainedModel.load(folder)
    if len(model.files) < 2:
        raise SeeError(f"{folder} has no dictionaries of two languages; export the model again, with --data")
    code = model.languages[0 if side == "source" else 1]
    name = "encoder" if side == "source" or "decoder" not in model.embeddings else "decoder"
    embedding, shared = model.embeddings[name], len(model.embeddings) == 1
    if not isinstance(embedding, IndexedEmbedding):
        raise SeeError(f"{embedding.method} has parameters of each word's own; add words to see, see_paper or morphte")
    if (shared or name == "decoder") and any("output_projection" in tensor for tensor in model.state["model"]):
        raise SeeError("the output layer has parameters of each word's own; add words to the source, or tie the output")
    vocabulary = Vocabulary.load(model.files[f"dict.{code}.txt"])
    options, task = (read_section(model.state["cfg"][section]) for section in ("model", "task"))
    path = index_file or find_index(options.get("see_index"), task["data"], name, code)
    try:
        index = name_units(embedding.index.to_unit_index(), UnitIndex.load(path))
    except SeeError as error:
        raise SeeError(f"{error}; give the index of the model's training with --index, not {path}") from error
    before = model.text["source"].get("words", []) if model.text else []
    with needs_extra("translate"):
        candidates, refused = _check_words(words, vocabulary, code, before)
    built = index_longer(index, vocabulary, extend_vocabulary(vocabulary, candidates), senses)
    found = _choose_words(index, built, candidates, refused)
    if not found.added:
        reasons = "".join(f"; {word}: {problem}" for word, problem in list(found.refused.items())[:3])
        raise SeeError(f"no word can be added{reasons}")
    longer = extend_vocabulary(vocabulary, found.added)
    if found.added != candidates:
        built = index_longer(index, vocabulary, longer, senses)
    embedding.extend(extend_index(index, built))
    described = {each: model.embeddings[each].describe() for each in model.embeddings}
    options["see_resolved"] = json.dumps(json.loads(options["see_resolved"]) | described)
    if model.text and side == "source":
        model.text["source"]["words"] = [*before, *found.added]
    with TemporaryDirectory() as scratch:
        for each in model.languages if shared else [code]:
            dictionary = Path(scratch, f"dict.{each}.txt")
            lines = "".join(f"{symbol} 1\n" for symbol in longer.symbols[len(vocabulary) :])
            text = model.files[dictionary.name].read_text(encoding="utf-8")
            dictionary.write_text(text + "\n" * (not text.endswith("\n")) + lines, encoding="utf-8", newline="\n")
            model.files[dictionary.name] = dictionary
        model.write_folder(output)
    return found


def extend_vocabulary(vocabulary: Vocabulary, words: list[str]) -> Vocabulary:
    """A dictionary with words behind its own, seen once each."""
    symbols = tuple(mark_word(word, vocabulary.scheme) for word in words)
    return Vocabulary(vocabulary.symbols + symbols, vocabulary.counts + (1,) * len(words))


def index_longer(index: UnitIndex, vocabulary: Vocabulary, longer: Vocabulary, senses: Senses | None) -> UnitIndex:
    """A unit index of a longer dictionary, in units of its own, with the options of ``index``."""
    codes = ",".join(part.partition(":")[0] for part in str(index.provenance["morphemes"]).split(", "))
    segmenters = restore_segmenters(index, vocabulary, parse_languages(codes))
    return build_index(longer, senses, segmenters, order=index.order, rank=index.rank, language=codes)[0]


def _check_words(
    words: Iterable[str], vocabulary: Vocabulary, code: str, before: list[str]
) -> tuple[list[str], dict[str, str]]:
    """Words that a dictionary can take, and why not the others; ``before`` were added earlier."""
    words = [word for word in dict.fromkeys(normalise(word, code) for word in words) if word]
    known, whole, refused = set(vocabulary.symbols), (*before, *words), {}
    for word in words:
        parts, symbol = segment(truncate_words(word), code, whole).split(), mark_word(word, vocabulary.scheme)
        if symbol in known:
            refused[word] = "the dictionary has it"
        elif parts != [word]:
            refused[word] = f"{get_language(code).segmenter} segments it into {' '.join(parts)}"
        elif vocabulary.is_special(word) or vocabulary.split(symbol)[1]:
            refused[word] = "it reads like a special symbol or a subword"
    return [word for word in words if word not in refused], refused


def _choose_words(index: UnitIndex, built: UnitIndex, words: list[str], refused: dict[str, str]) -> AddedWords:
    """Those of ``words``, the last of ``built``, of which ``index`` has a unit, padding and letter case aside."""
    found = AddedWords([], [], [], dict(refused))
    unspoken = name_unspoken(index.order)
    sememes, morphemes = set(index.sememes), set(index.morphemes)
    for row, word in enumerate(words, built.num_words - len(words)):
        symbol = read_symbol(row, word, built)
        own = [name for name in symbol.morphemes if name not in unspoken and not name.startswith("<same:")]
        known_senses, known = sum(map(sememes.issuperset, symbol.senses)), sum(map(morphemes.__contains__, own))
        if not known_senses and not known:
            found.refused[word] = f"the model has none of its units ({' '.join(own)})"
            continue
        found.added.append(word)
        if not known_senses:
            found.senseless.append(word)
        if (known_senses, known) != (len(symbol.senses), len(own)):
            found.partial.append(word)
    return found
