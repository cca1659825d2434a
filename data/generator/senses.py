"""The sememe lexicon: every lexicon word with its numbered senses."""

from __future__ import annotations

from lexicon import Lexicon, Sense


def sense_lines(lexicon: Lexicon) -> list[str]:
    """Rows of language, word, sense number and sememes, with senses of repeated words merged in order."""
    merged: dict[tuple[str, str], list[Sense]] = {}
    for entry in lexicon.entries:
        for key, senses in ((("en", entry.en), entry.en_senses), (("zh", entry.zh), entry.zh_senses)):
            if key[1] == "-":
                continue
            known = merged.setdefault(key, [])
            known.extend(new for new in senses if new not in known)
    lines = []
    for language, word in sorted(merged):
        for number, sense in enumerate(merged[language, word], start=1):
            sememes = " ".join(f"{label}|{lexicon.sememes[label]}" for label in sense)
            lines.append(f"{language}\t{word}\t{number}\t{sememes}")
    return lines
