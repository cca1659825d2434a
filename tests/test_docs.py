"""README, guides and examples: their commands exist, their links lead somewhere, and their words are the glossary's."""

import argparse
import re
import shlex
import tokenize
from importlib import import_module
from pathlib import Path

import pytest

from experiments.__main__ import COMMANDS
from experiments.settings import NAMES
from fairseq_see.cli.main import list_subcommands
from tests.helpers import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}

# What is not said here, and what is; CONTRIBUTING.md has the glossary.
AVOIDED = {
    "from nothing": "from scratch",
    r"tells|told": "prints, reports, names",
    r"comes to|came to": "is",
    r"rivals?": "baseline",
    r"recipes?": "hyper-parameters, fit config",
    r"beginners?": "trained briefly",
    r"pieces": "subwords",
    r"to be had": "available",
    r"whole m": "integer m",
    r"taught": "distilled",
    r"start from|starts from": "begins from, is initialised",
    r"a practitioner": "a user",
}
FOLDERS = ("benchmarks", "configs", "examples", "experiments", "fairseq_see", "scripts")
# Options and file formats have names of their own, and a published figure its title.
NAMES_OF_THEIR_OWN = r"--piece-senses|piece_senses|sentencepiece|\(not: [^)]*\)"


def find_avoided(text: str) -> list[str]:
    text = re.sub(NAMES_OF_THEIR_OWN, "", text)
    return [match[0] for words in AVOIDED for match in re.finditer(rf"\b(?:{words})\b", text, re.IGNORECASE)]


@pytest.mark.parametrize("page", TEXTS)
def test_pages_use_the_words_of_the_glossary(page):
    assert not find_avoided(TEXTS[page])


def read_prose(path: Path) -> str:
    """The strings and comments of a Python file; all of any other."""
    if path.suffix != ".py":
        return path.read_text(encoding="utf-8")
    kinds = (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
    with tokenize.open(path) as file:
        return "\n".join(token.string for token in tokenize.generate_tokens(file.readline) if token.type in kinds)


@pytest.mark.parametrize("folder", FOLDERS)
def test_code_uses_the_words_of_the_glossary(folder):
    paths = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sh", ".yaml", ".smk", ".ipynb")]
    found = {str(path.relative_to(ROOT)): find_avoided(read_prose(path)) for path in paths}
    assert not {path: words for path, words in found.items() if words}


def test_the_documentation_is_short():
    assert sum(len(text.split()) for text in TEXTS.values()) <= 15_000
    assert TEXTS["README.md"].count("\n") <= 170


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_to_files(page):
    folder = (ROOT / page).parent
    generated = {"reference/commands.md", "reference/scripts.md", "reference/methods.md", "contributing.md"}
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", TEXTS[page]):
        if not target.startswith("http"):
            path = (folder / target).resolve()
            assert path.exists() or str(path.relative_to(ROOT / "docs")) in generated, target


@pytest.mark.parametrize("folder", FOLDERS)
def test_code_names_pages_that_exist(folder):
    paths = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sh", ".yaml", ".smk")]
    named = {
        name for path in paths for name in re.findall(r"docs/[\w/-]+\.(?:md|png)", path.read_text(encoding="utf-8"))
    }
    assert not {name for name in named if not (ROOT / name).is_file()}


def list_commands() -> list[str]:
    """Every command line in a block of code, continued lines joined."""
    found = []
    for text in TEXTS.values():
        for block in re.findall(r"^```bash\n(.*?)^```|((?:^    .*\n)+)", text, re.M | re.S):
            lines = "".join(block).replace("\\\n", " ").splitlines()
            found += [line.strip() for line in lines]
    return found


PARSERS = {("fairseq-see", name): path for name, path in list_subcommands().items()}
PARSERS |= {("experiments", name): path for name, path in COMMANDS.items()}
TARGETS = {
    *re.findall(r"^rule (\w+):", "".join(path.read_text() for path in (ROOT / "experiments").glob("*.smk")), re.M),
    *re.findall(r"^rule (\w+):", (ROOT / "experiments/Snakefile").read_text(), re.M),
    *("table2", "table5", "figure5", "grid", "ablation", "practitioner", "distillation"),
}
SEEN = [
    line
    for line in list_commands()
    if re.match(r"(fairseq-see|python -m experiments|bash scripts|python benchm)", line)
]


@pytest.mark.parametrize("line", dict.fromkeys(SEEN))
def test_commands_are_todays(line):
    words = shlex.split(line.split(" | ")[0], comments=True)
    given = [word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)]
    if words[0] == "bash":
        assert (ROOT / words[1]).is_file()
        if words[1] == "scripts/reproduce.sh" and "$table" not in words and words[2] != "TARGET":
            assert words[2] in TARGETS and {word.partition("=")[0] for word in words[3:]} <= NAMES
        elif words[1] in ("scripts/fit.sh", "scripts/index.sh"):
            known = known_options(("fairseq-see", words[1][8:-3])) | {"--out"}
            assert known.issuperset(given)
        elif words[1] == "scripts/distil_llm.sh":
            assert known_options(("experiments", "distil_llm")).issuperset(given)
    elif words[0] == "python" and words[1] != "-m":
        assert (ROOT / words[1]).is_file()
    elif words[2].startswith("experiments."):
        assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file()
    else:
        name = (words[0], words[1]) if words[0] == "fairseq-see" else (words[2], words[3])
        assert known_options(name).issuperset(given)


def known_options(name: tuple[str, str]) -> set[str]:
    """Options of a command and of its subcommands."""
    parser = argparse.ArgumentParser()
    import_module(PARSERS[name]).add_arguments(parser)
    actions = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            actions += [each for command in action.choices.values() for each in command._actions]
    return {option for action in actions for option in action.option_strings}


def test_there_are_commands_to_check():
    assert len(SEEN) > 50
