"""Generates a parallel Chinese-English corpus from a bilingual grammar and a hand-written lexicon.

Each rule of the grammar makes a Chinese and an English sentence together. A seeded share of all
(verb, object) and (adjective, noun) pairs is held out: no training sentence contains one, every
dev and test sentence contains at least one, so a translator has to compose what it knows.
The same arguments always give the same bytes.
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import patterns_being  # noqa: F401 - importing registers the patterns
import patterns_connectives  # noqa: F401
import patterns_constructions  # noqa: F401
import patterns_descriptions  # noqa: F401
import patterns_events  # noqa: F401
import patterns_how  # noqa: F401
import patterns_journeys  # noqa: F401
import patterns_prepositions  # noqa: F401
import patterns_questions  # noqa: F401
import patterns_relative  # noqa: F401
import patterns_small_words  # noqa: F401
import patterns_space  # noqa: F401
import patterns_subordinate  # noqa: F401
import patterns_topics  # noqa: F401
from common import boosts
from coverage import chinese_counts, english_tokens, zh_pattern
from lexicon import load_lexicon
from registry import PATTERNS
from sampling import Impossible, Sampler, WordPair
from senses import sense_lines
from world import World

DATA = Path(__file__).resolve().parents[1]
FLOOR = 7
HELD_OUT_SHARE = 0.1
# How often training must have a word that dev and test use.
ENOUGH = 5
MIN_WORDS, MAX_WORDS = 4, 25
# Short sentences come easily to the grammar; most are dropped to keep the average near eleven words.
USUAL_WORDS, SHORT_SHARE = 9, 0.15
ATTEMPTS_PER_SENTENCE = 400
# After this share of the training sentences, each further one should have a word that is still rare.
USUAL_SHARE, EQUAL_SHARE, PATIENCE = 0.45, 0.1, 90


# "the goose that that orphan has heard" and the like.
DOUBLED = re.compile(r"\b(\w+) \1\b")


@dataclass(frozen=True)
class Example:
    zh: str
    en: str
    pairs: tuple[WordPair, ...]
    words: tuple[str, ...]


Test = Callable[[Example], bool]


def shown(key: str, zh: str, en: str) -> bool:
    """Whether the lexicon row of a usage key really surfaced in the sentence."""
    zh_word, _, en_word = key.partition("|")
    return not en_word or zh_word in zh or en_word in en


class Generator:
    def __init__(self, world: World) -> None:
        self.world = world
        self.sampler = world.s
        self.rules = [(rule, weight) for rule, weight in PATTERNS.values()]
        self.seen: set[str] = set()

    def training(self, count: int) -> list[Example]:
        def acceptable(example: Example) -> bool:
            return not self.sampler.held_out_pairs

        def wanted(example: Example) -> bool:
            return acceptable(example) and any(self.sampler.is_rare(word) for word in example.words)

        usual, last = round(count * USUAL_SHARE), round(count * EQUAL_SHARE)
        examples = [self._next(acceptable) for _ in range(usual)]
        examples += [self._next(wanted, acceptable) for _ in range(count - usual - last)]
        # At the end all patterns come equally often, so that none withholds the words only it has.
        usual_rules, self.rules = self.rules, [(rule, 1.0) for rule, _ in self.rules]
        examples += [self._next(wanted, acceptable) for _ in range(last)]
        self.rules = usual_rules
        self.sampler.rng.shuffle(examples)
        return examples

    def evaluation(self, count: int, train: list[Example]) -> list[Example]:
        """Sentences with a held-out pair, made only of words that training has often enough."""
        known = known_words(train)
        shown_zh = chinese_counts([example.zh for example in train], self.world.lexicon)
        rare_zh = [zh_pattern(word) for word, times in shown_zh.items() if times < ENOUGH]

        def acceptable(example: Example) -> bool:
            if not self.sampler.held_out_pairs:
                return False
            words = (*example.words, *english_tokens(example.en))
            return all(known[word] >= ENOUGH for word in words) and not any(p.search(example.zh) for p in rare_zh)

        return [self._next(acceptable) for _ in range(count)]

    def _next(self, wanted: Test, acceptable: Test | None = None) -> Example:
        """The first wanted sentence; after many attempts, a merely acceptable one will do."""
        for attempt in range(ATTEMPTS_PER_SENTENCE):
            test = wanted if acceptable is None or attempt < PATIENCE else acceptable
            example = self._attempt()
            if example is not None and test(example):
                self.seen.update((example.zh, example.en.lower()))
                self.sampler.commit()
                return example
        raise RuntimeError("the grammar found no acceptable sentence")

    def _attempt(self) -> Example | None:
        self.sampler.start()
        try:
            pair = self.sampler.weighted(self.rules)(self.world)
        except Impossible:
            return None
        length = len(pair.en.split())
        fits = MIN_WORDS <= length <= MAX_WORDS and (length >= USUAL_WORDS or self.sampler.chance(SHORT_SHARE))
        if DOUBLED.search(pair.en) or not fits or pair.zh in self.seen or pair.en.lower() in self.seen:
            return None
        self.sampler.words = [key for key in self.sampler.words if shown(key, pair.zh, pair.en)]
        return Example(pair.zh, pair.en, tuple(self.sampler.pairs), tuple(self.sampler.words))


def known_words(examples: Iterable[Example]) -> Counter[str]:
    """How often training has each lexicon entry and each English word form."""
    known: Counter[str] = Counter()
    for example in examples:
        known.update(example.words)
        known.update(english_tokens(example.en))
    return known


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes beside the target and renames, so that a reader never meets half a file."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    os.replace(partial, path)


def write_split(folder: Path, name: str, examples: list[Example], pairs: bool) -> None:
    write_lines(folder / f"{name}.zh", (example.zh for example in examples))
    write_lines(folder / f"{name}.en", (example.en for example in examples))
    if pairs:
        write_lines(folder / f"{name}.pairs", (" ".join(map("/".join, example.pairs)) for example in examples))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lexicon", type=Path, default=DATA / "lexicon", help="folder with the lexicon's TSV files")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to (default: the data folder itself)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", action="store_true", help="also write each sentence's word pairs, for check.py")
    parser.add_argument("--train", type=int, default=9000)
    parser.add_argument("--dev", type=int, default=400)
    parser.add_argument("--test", type=int, default=400)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    lexicon = load_lexicon(arguments.lexicon)
    generator = Generator(World(lexicon, Sampler(arguments.seed, FLOOR, HELD_OUT_SHARE, boosts(lexicon))))
    train = generator.training(arguments.train)
    write_split(arguments.out, "train", train, arguments.pairs)
    write_split(arguments.out, "dev", generator.evaluation(arguments.dev, train), arguments.pairs)
    write_split(arguments.out, "test", generator.evaluation(arguments.test, train), arguments.pairs)
    write_lines(arguments.out / "senses.tsv", sense_lines(lexicon))


if __name__ == "__main__":
    main()
