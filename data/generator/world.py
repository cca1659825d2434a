"""The lexicon indexed for the grammar, together with the sampler."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from adjective_nouns import suits
from lexicon import Adjective, Adverb, Lexicon, Name, Noun, Verb
from people import is_female_name, is_female_noun
from sampling import Sampler
from selection import OBJECTS_NEVER, OBJECTS_ONLY
from wordlists import ADJECTIVES_ONLY, NO_PROGRESSIVE, RESULTATIVE_ENDINGS, STATIVE


class World:
    def __init__(self, lexicon: Lexicon, sampler: Sampler) -> None:
        self.lexicon = lexicon
        self.s = sampler
        self._by_class: dict[str, list[Noun]] = defaultdict(list)
        for noun in lexicon.nouns:
            self._by_class[noun.cls].append(noun)
        self._adjectives: dict[str, list[Adjective]] = defaultdict(list)
        for adjective in lexicon.adjectives:
            for cls in adjective.nouns:
                self._adjectives[cls].append(adjective)
        self._objects = {verb: [n for n in self.nouns(*verb.objects) if _fits(verb, n)] for verb in lexicon.verbs}
        self._takers: dict[Noun, list[Verb]] = defaultdict(list)
        for verb, nouns in self._objects.items():
            for noun in nouns:
                self._takers[noun].append(verb)
        self._noun_by_en = {noun.en: noun for noun in lexicon.nouns}
        self._fitting = {noun: self._adjectives_of(noun) for noun in lexicon.nouns}
        self._verb_by_en = {verb.en: verb for verb in reversed(lexicon.verbs)}
        self.person_names = self.names("male", "female", "surname_title")
        self._name_kind = {name.zh: name.kind for name in lexicon.names}

    def nouns(self, *classes: str) -> list[Noun]:
        return [noun for cls in classes for noun in self._by_class[cls]]

    def noun(self, en: str) -> Noun:
        return self._noun_by_en[en]

    def verb(self, en: str) -> Verb:
        """The verb of that English; the first where two share it."""
        return self._verb_by_en[en]

    def names(self, *kinds: str) -> list[Name]:
        return [name for name in self.lexicon.names if name.kind in kinds]

    def adverbs(self, kind: str) -> list[Adverb]:
        return [adverb for adverb in self.lexicon.adverbs if adverb.kind == kind]

    def verbs(self, test: Callable[[Verb], bool]) -> list[Verb]:
        return [verb for verb in self.lexicon.verbs if test(verb)]

    def adjectives_for(self, noun: Noun) -> list[Adjective]:
        """Adjectives that fit; weather adjectives describe 天气 itself, never 雨 or 雪."""
        return self._fitting[noun]

    def _adjectives_of(self, noun: Noun) -> list[Adjective]:
        if noun.cls == "weather":
            return []
        return [
            a
            for a in self._adjectives[noun.cls]
            if a.en != "favourite"
            and noun.en in ADJECTIVES_ONLY.get(a.en, (noun.en,))
            and suits(a.en, noun.en, noun.cls)
        ]

    def objects_for(self, verb: Verb) -> list[Noun]:
        known = self._objects.get(verb)
        return known if known is not None else [n for n in self.nouns(*verb.objects) if _fits(verb, n)]

    def takers(self, noun: Noun) -> list[Verb]:
        """The verbs the noun may be the object of."""
        return self._takers[noun]

    def object_nouns(self) -> list[Noun]:
        return [noun for noun in self.lexicon.nouns if noun.cls != "person" and self._takers[noun]]

    def is_female(self, noun: Noun | None, zh: str) -> bool | None:
        """The fixed sex of a person noun or of a name; nothing for phrases such as 每个人."""
        if noun is not None:
            return is_female_noun(noun.en) if noun.cls == "person" else None
        kind = self._name_kind.get(zh)
        return None if kind is None else is_female_name(zh, kind)


def _fits(verb: Verb, noun: Noun) -> bool:
    key = (verb.en, noun.cls)
    allowed = OBJECTS_ONLY.get(key)
    return noun.en not in OBJECTS_NEVER.get(key, ()) and (allowed is None or noun.en in allowed)


def is_stative(verb: Verb) -> bool:
    return verb.en in STATIVE


def is_resultative(verb: Verb) -> bool:
    """Verbs whose Chinese form already names the result, such as 找到; they have no progressive."""
    return len(verb.zh) > 1 and verb.zh.endswith(RESULTATIVE_ENDINGS) and verb.zh not in NO_PROGRESSIVE[1]


def has_progressive(verb: Verb) -> bool:
    return not (is_stative(verb) or is_resultative(verb) or verb.zh in NO_PROGRESSIVE[0])


def by_person(verb: Verb) -> bool:
    return "person" in verb.subjects
