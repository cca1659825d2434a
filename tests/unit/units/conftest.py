"""A lexicon small enough to work out by hand, and one large enough to count."""

import random
from pathlib import Path

import pytest

from fairseq_see.units import Senses, Vocabulary

LEXICON = """\
zh\t打\t1\tbeat|打
zh\t打\t2\tattack|攻打 military|军
zh\t打\t3\tbuy|买
zh\t中国\t1\tplace|地方 country|国家 Asia|亚洲 China|中国
en\tChina\t1\tplace|地方 country|国家 Asia|亚洲 politics|政 China|中国
en\tgossip\t1\ttalk|谈话 unimportant|不重要
en\tgossip\t2\ttalk|谈话 unimportant|不重要
en\tpower\t1\tPower|势力 politics|政 group|群体 human|人
en\tpower\t2\tAbility|能力 human|人
en\tpower\t3\tPower|势力 politics|政 group|群体
en\tpower\t4\tStrength|力量
en\tpower\t5\tsymbol|符号
en\tability\t1\tAbility|能力 human|人
en\tIT\t1\tknowledge|知识
en\tAl\t1\tmetal|金属
en\ter\t1\thesitate|犹豫
"""


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "senses.tsv"
    path.write_text(LEXICON, encoding="utf-8")
    return path


@pytest.fixture
def senses(lexicon: Path) -> Senses:
    return Senses.load(lexicon)


def zipfian(words: int = 900, seed: int = 0) -> tuple[Vocabulary, Senses]:
    """Words of four letters, a sixth of them marked subwords, with counts as in text; three quarters have senses."""
    rng = random.Random(seed)
    spelled = random.Random(seed).sample(
        [a + b + c + d for a in "bdfg" for b in "aeiou" for c in "klmnprst" for d in "aeiouy"], words
    )
    symbols = [word + "@@" * (rng.random() < 1 / 6) for word in spelled]
    counts = [20_000 // (rank + 1) for rank in range(words)]
    # The first sememes are in most senses, as in HowNet.
    groups = [
        tuple(dict.fromkeys(f"s{int(40 * rng.random() ** 2)}" for _ in range(rng.randint(1, 4)))) for _ in range(250)
    ]
    entries = {word: rng.choices(groups, k=rng.choice((1, 1, 2, 5))) for word in spelled if rng.random() < 3 / 4}
    specials = ("<s>", "<pad>", "</s>", "<unk>")
    return Vocabulary((*specials, *symbols), (1,) * 4 + tuple(counts)), Senses({"en": entries})
