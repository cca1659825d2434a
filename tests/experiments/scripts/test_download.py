"""The download scripts, on files of our own in the official formats and layouts; no network."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sacrebleu.dataset import DATASETS

from tests.helpers import ROOT, contents, refused, script

LINES = [("你好。", "Hello."), ("", "Alone."), ("利润与损失", "Profits & losses"), ("再见", "")]


def sgm(lines: list[str]) -> str:
    segments = "".join(f'<seg id="{i}">{line.replace("&", "&amp;")}</seg>\n' for i, line in enumerate(lines, 1))
    return f'<refset setid="x">\n<doc docid="d">\n<p>\n{segments}</p>\n</doc>\n</refset>\n'


def sides(form, prefix: str, ends: tuple[str, str]) -> dict[str, str]:
    return {prefix + end: form([line[i] for line in LINES]) for i, end in enumerate(ends)}


def tags(lines: list[str]) -> str:
    return "<url>u</url>\n<title>t</title>\n" + "".join(f"{line}\n" for line in lines) + "<reviewer>r</reviewer>\n"


def plain(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


WMT_SETS = sides(sgm, "dev/newsdev2017-zhen-", ("src.zh.sgm", "ref.en.sgm")) | sides(
    sgm, "test/newstest2017-zhen-", ("src.zh.sgm", "ref.en.sgm")
)
TALKS = sides(tags, "zh-en/train.tags.zh-en.", ("zh", "en"))
for name in ("dev2010", *(f"tst{year}" for year in range(2010, 2016))):
    TALKS |= sides(sgm, f"zh-en/IWSLT17.TED.{name}.zh-en.", ("zh.xml", "en.xml"))


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def pack(path: Path, files: dict[str, str]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.parametrize("version", ["v12", "v13", "v15"])
def test_wmt17_from_files_at_hand(version, tmp_path):
    put(tmp_path / "mine", WMT_SETS)
    if version == "v15":
        table = "".join(f"{en}\t{zh}\n" for zh, en in LINES)
        (tmp_path / "mine/news-commentary-v15.en-zh.tsv.gz").write_bytes(gzip.compress(table.encode()))
    else:
        sets = sides(plain, f"training/news-commentary-{version}.zh-en.", ("zh", "en"))
        pack(tmp_path / "mine/another-name.tgz", sets)
    words = ("--nc", version, "--from", tmp_path / "mine", "--out", tmp_path / "out")
    done = script("download_wmt17_zh_en.sh", *words)
    assert done.returncode == 0, done.stderr
    text = tmp_path / "out/text"
    assert (text / "train.zh").read_text("utf-8") == "你好。\n利润与损失\n"
    assert (text / "train.en").read_text("utf-8") == "Hello.\nProfits & losses\n"
    for split in ("dev", "test"):
        assert (text / f"{split}.en").read_text("utf-8") == plain([en for _, en in LINES])
        assert (text / f"{split}.zh").read_text("utf-8") == plain([zh for zh, _ in LINES])
    facts = json.loads((text / "corpus.json").read_text("utf-8"))
    assert facts["pairs"]["train"] == {"read": 4, "kept": 2} and facts["pairs"]["dev"] == {"read": 4, "kept": 4}
    reference = WMT_SETS["dev/newsdev2017-zhen-ref.en.sgm"].encode()
    assert facts["sha256"]["newsdev2017-zhen-ref.en.sgm"] == hashlib.sha256(reference).hexdigest()
    before = contents(tmp_path / "out")
    assert script("download_wmt17_zh_en.sh", *words).returncode == 0 and contents(tmp_path / "out") == before
    other = script("download_wmt17_zh_en.sh", "--nc", "v13" if version == "v12" else "v12", *words[2:])
    assert refused(other, "holds other files")


def test_iwslt17_from_an_unpacked_archive(tmp_path):
    put(tmp_path / "mine", TALKS)
    done = script("download_iwslt17_zh_en.sh", "--from", tmp_path / "mine", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    text = tmp_path / "out/text"
    assert (text / "train.en").read_text("utf-8") == "Hello.\nProfits & losses\n"
    assert (text / "test.en").read_text("utf-8") == 6 * (text / "tst2013.en").read_text("utf-8")
    assert "train: 2 pairs (2 with an empty side dropped)" in done.stdout


def test_what_is_not_right_leaves_no_text(tmp_path):
    put(tmp_path / "mine", {name: text for name, text in TALKS.items() if "tst2014" not in name})
    words = ("--from", tmp_path / "mine", "--out", tmp_path / "out")
    done = script("download_iwslt17_zh_en.sh", *words)
    assert refused(done, "lacks IWSLT17.TED.tst2014.zh-en.en.xml, IWSLT17.TED.tst2014.zh-en.zh.xml")
    (tmp_path / "mine/zh-en.tgz").write_bytes(b"other")
    assert refused(script("download_iwslt17_zh_en.sh", *words), "zh-en.tgz is not the file that was published")
    (tmp_path / "mine/zh-en.tgz").rename(tmp_path / "mine/mine.tgz")
    assert refused(script("download_iwslt17_zh_en.sh", *words), "mine.tgz is damaged")
    assert not (tmp_path / "out/text").exists()
    put(tmp_path / "out/text", {"notes": "mine"})
    assert refused(script("download_iwslt17_zh_en.sh", *words), "out/text holds other files; choose another folder")
    assert [path.name for path in (tmp_path / "out/text").iterdir()] == ["notes"]
    assert refused(script("download_wmt17_zh_en.sh", "--nc", "v14"), "--nc v14: choose v12, v13 or v15")
    assert refused(script("download_wmt17_zh_en.sh", "--from", tmp_path / "absent"), "no folder")


def test_addresses_and_checksums_are_those_that_sacrebleu_has():
    for name, file, archive in (
        ("wmt17", "download_wmt17_zh_en.sh", "test.tgz"),
        ("wmt17/dev", "download_wmt17_zh_en.sh", "dev.tgz"),
        ("iwslt17/dev2010", "download_iwslt17_zh_en.sh", "zh-en.tgz"),
    ):
        (number,) = (i for i, url in enumerate(DATASETS[name].data) if url.endswith(f"/{archive}"))
        text = (ROOT / "scripts" / file).read_text("utf-8")
        assert f"md5:{DATASETS[name].md5[number]}" in text
        assert DATASETS[name].data[number].split("/", 4 if "statmt" in DATASETS[name].data[number] else 6)[-1] in text


CONTENT = bytes(range(256)) * 400
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Ranges(SimpleHTTPRequestHandler):
    """Serves CONTENT; from where it is asked to, if ``resumes``."""

    def __init__(self, *args, resumes: bool, asked: list[str], **kwargs):
        self.resumes, self.asked = resumes, asked
        super().__init__(*args, **kwargs)

    def do_GET(self):
        start = self.headers.get("Range", "bytes=0-")
        self.asked.append(start)
        at = int(start[6:-1]) if self.resumes else 0
        if at >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if at else 200)
        if at:
            self.send_header("Content-Range", f"bytes {at}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - at))
        self.end_headers()
        self.wfile.write(CONTENT[at:])

    def log_message(self, *args):
        pass


def fetch(url: str, file: Path, digest: str) -> subprocess.CompletedProcess:
    command = 'source "$1/scripts/common.sh"; source "$1/scripts/fetch.sh"; fetch "$2" "$3" "$4"'
    words = ["bash", "-euo", "pipefail", "-c", command, "bash", ROOT, url, file, digest]
    return subprocess.run(words, env={**os.environ, "no_proxy": "127.0.0.1"}, capture_output=True, text=True)


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize("there", [0, 1000, len(CONTENT)])
def test_an_interrupted_download_goes_on(resumes, there, tmp_path):
    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, resumes=resumes, asked=asked)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if there:
            (tmp_path / "a.part").write_bytes(CONTENT[:there])
        done = fetch(f"http://127.0.0.1:{server.server_port}/a", tmp_path / "a", DIGEST)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a").read_bytes() == CONTENT and not (tmp_path / "a.part").exists()
    assert (tmp_path / "a.sha256").read_text() == f"{DIGEST[7:]}  a\n"
    assert asked[0] == f"bytes={there}-"
    if resumes and there == 1000:
        assert len(asked) == 1


def test_another_file_than_the_published_one_is_removed(tmp_path):
    (tmp_path / "there").write_bytes(CONTENT)
    done = fetch(f"file://{tmp_path}/there", tmp_path / "a", "md5:0")
    assert refused(done, "not the file that was published") and not list(tmp_path.glob("a*"))
    assert refused(fetch(f"file://{tmp_path}/absent", tmp_path / "a", DIGEST), "cannot fetch")
    done = fetch(f"file://{tmp_path}/there", tmp_path / "a", "")
    assert "no checksum of a is published" in done.stderr and (tmp_path / "a.sha256").exists()
