"""Files in the formats of WMT and IWSLT, with what is odd in the real ones."""

import pytest

from experiments.corpus.formats import Segment, pair_columns, pair_lines, pair_segments, pair_talks, read_segments
from fairseq_see.errors import SeeError

SGM = """<srcset setid="newstest2017" srclang="any">
<doc sysid="ref" docid="a.1" genre="news" origlang="zh">
<hl>
<seg id="1">Profits &amp; losses of AT&T</seg>
</hl>
<p>
<seg id="2"> 1 < 2, 3 &gt; 2 and <unk> is </b> no tag </seg>
</p>
</doc>
<doc docid="a.2">
<p>
<SEG ID="1">over
two\u2028lines</SEG>
</p>
</doc>
</srcset>
"""


def test_segments_of_what_is_no_xml():
    assert read_segments(SGM) == [
        Segment(1, "1", "Profits & losses of AT&T"),
        Segment(1, "2", "1 < 2, 3 > 2 and <unk> is </b> no tag"),
        Segment(2, "1", "over two lines"),
    ]


@pytest.mark.parametrize("text", ["if i<j then", "a </ b", "<script> he said", "a <!-- b --> c", "<![CDATA[x]]> <?y>"])
def test_what_looks_like_a_tag_is_text(text):
    sgm = f'<docset><doc docid="a.id" ><seg id="1">{text}</seg>\n<seg\nid=2>next</seg></doc></docset>'
    assert read_segments(sgm) == [Segment(1, "1", text), Segment(1, "2", "next")]


def test_segments_agree_with_sacrebleu(tmp_path):
    """On a file of one element a line, entities aside, which sacrebleu leaves to its tokeniser."""
    from sacrebleu.dataset.fake_sgml import FakeSGMLDataset

    text = "<doc>\n" + "".join(f'<seg id="{i}">  句子 {i}  of "{i}"  </seg>\n' for i in range(5)) + "</doc>\n"
    (tmp_path / "in.sgm").write_text(text, encoding="utf-8")
    FakeSGMLDataset("x")._convert_format(str(tmp_path / "in.sgm"), str(tmp_path / "out"))
    assert [segment.text for segment in read_segments(text)] == (tmp_path / "out").read_text("utf-8").splitlines()


def test_segments_must_be_of_the_same_set():
    other = SGM.replace('<seg id="2">', '<seg id="3">')
    with pytest.raises(SeeError, match="segment 2 of document 1 stands beside segment 3"):
        pair_segments(SGM, other, "a and b")
    with pytest.raises(SeeError, match="3 Chinese segments and 1 English"):
        pair_segments(SGM, SGM[: SGM.index("</hl>")], "a and b")
    with pytest.raises(SeeError, match="no <seg>"):
        pair_segments("<html>404</html>", SGM, "a and b")


def test_talks_without_their_tags():
    zh = (
        "<url>http://x</url>\n<keywords>科学</keywords>\n<speaker>A</speaker>\n<talkid>1</talkid>\n"
        "<title>题目</title>\n<description>TED 演讲: 说明</description>\n 第一句。\n<3 我爱你\n\n"
        "<reviewer></reviewer>\n<translator href='u'>B</translator>\n"
    )
    en = (
        "<url>http://x</url>\n<keywords>science</keywords>\n<speaker>A</speaker>\n<talkid>1</talkid>\n"
        "<title>A title</title>\n<description>TED Talk Subtitles: it</description>\nFirst\u2028one &amp; more. \n"
        "<3 I love you\nalone\n<reviewer></reviewer>\n<translator href='u'>B</translator>\n"
    )
    assert pair_talks(zh, en, "x") == [("第一句。", "First one & more."), ("<3 我爱你", "<3 I love you"), ("", "alone")]
    with pytest.raises(SeeError, match="line 2 is <keywords> and <speaker>"):
        pair_talks(zh, en.replace("<keywords>science</keywords>\n", "") + "x\n", "x")
    with pytest.raises(SeeError, match="line 7 is a sentence and <url>"):
        pair_talks(zh, en.replace("First", "<url>First"), "x")


def test_plain_lines():
    assert pair_lines("一\r\n\n二\x85三\n", "one\n\ntwo three", "x") == [
        ("一", "one"),
        ("", ""),
        ("二 三", "two three"),
    ]
    with pytest.raises(SeeError, match="2 Chinese lines and 1 English"):
        pair_lines("一\n二\n", "one\n", "x")


def test_columns():
    table = "1929 or 1989?\t1929年还是1989年?\n\t\nalone\t\nno tab\nthree\t三\t3\n"
    empty = ("", "")
    assert pair_columns(table, "x") == [("1929年还是1989年?", "1929 or 1989?"), empty, ("", "alone"), empty, empty]
    for one in ("一", "〇", "\uf900", "\U00020000"):
        with pytest.raises(SeeError, match="first column is Chinese"):
            pair_columns(f"{one}\tone\n", "x")
