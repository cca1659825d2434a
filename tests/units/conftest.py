"""A lexicon small enough to work out by hand."""

from pathlib import Path

import pytest

from fairseq_see.units import Senses

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
