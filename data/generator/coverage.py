"""Counts the words of finished sentences."""

from __future__ import annotations

import re
from collections import Counter

from lexicon import Lexicon


def english_tokens(text: str) -> list[str]:
    return re.findall(r"[\w'.-]+\w|\w", text.lower())


def zh_pattern(word: str) -> re.Pattern[str]:
    """Finds a Chinese lexicon word in a sentence; patterns like 在……里 by their parts."""
    # 在……里面 also serves as 里面 alone, as in 盒子里面有一本书.
    return re.compile(".+".join(map(re.escape, word.removeprefix("在……").split("……"))))


def chinese_counts(lines: list[str], lexicon: Lexicon) -> Counter[str]:
    """In how many sentences each Chinese lexicon word occurs."""
    counts: Counter[str] = Counter()
    # Sorted, since the order of a set of strings differs from run to run.
    for word in sorted({entry.zh for entry in lexicon.entries} - {"-"}):
        found = zh_pattern(word)
        counts[word] = sum(1 for line in lines if found.search(line))
    return counts
