"""HowNet's files in the layout of OpenHowNet 2, with a lexicon of our own in them."""

import pickle
import re
from pathlib import Path
from typing import Any

from fairseq_see.units import Senses


def concept(definition: str, zh: str = "", en: str = "") -> dict[str, str]:
    return {"en_word": en, "en_grammar": "", "ch_word": zh, "ch_grammar": "", "Def": definition}


def concepts_of(senses: Senses) -> list[dict[str, str]]:
    """One concept a sense; the main sememe is the root of its definition, the others hang on it."""
    concepts = []
    for language in ("zh", "en"):
        for word in senses.list_words(language):
            for main, *others in senses.find(word, language):
                definition = f"{{{main}{':' if others else ''}{','.join(f'{{{name}}}' for name in others)}}}"
                concepts.append(concept(definition, **{language: word}))
    return concepts


def write_resources(folder: Path, concepts: list[dict[str, str]], **other: Any) -> Path:
    """Write ``folder/resources``; ``other`` replaces what the file of that name holds."""
    resources = folder / "resources"
    resources.mkdir(parents=True, exist_ok=True)
    named = (re.findall(r'[{"]([^{}":]+\|[^{}":]+)', concept["Def"]) for concept in concepts)
    sememes = dict.fromkeys((name.replace(" ", "_") for names in named for name in names), 1)
    numbered = {f"{number:06}": {"No": f"{number:06}", **concept} for number, concept in enumerate(concepts)}
    files = {"sememe_all": sememes, "HowNet_dict_complete": numbered, **other}
    for name, content in files.items():
        (resources / name).write_bytes(pickle.dumps(content))
    first = next(iter(sememes), None)
    related = [f"{name} hypernym {first}\n" for name in sememes if name != first]
    (resources / "sememe_triples_taxonomy.txt").write_text("".join(related), encoding="utf-8")
    return folder
