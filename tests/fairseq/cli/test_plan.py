import json
import shutil

import pytest

from fairseq_see.cli.main import main
from tests.helpers import run_command


def plan(capsys, *words):
    status = main(["plan", *map(str, words)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_plans_both_sides_within_the_tolerance(toy, capsys):
    status, out, _ = plan(capsys, toy / "data-bin", "--dim", 64, "--ratios", 2, 4, "--methods", "see", "--json")
    plans = json.loads(out)
    assert status == 0 and [entry["side"] for entry in plans] == ["en", "en", "zh", "zh"]
    for entry in plans:
        assert entry["asked"] <= entry["ratio"] <= 1.03 * entry["asked"]
        assert entry["ratio"] == pytest.approx(entry["rows"] * 64 / entry["parameters"])
        assert entry["bytes"] > 2 * entry["parameters"]
        # 64 words, four special symbols (with a count of 1 as fairseq counts), and fillers up to a multiple of 8.
        assert entry["rows"] == 72 and entry["used_rows"] == 68


@pytest.mark.parametrize("bits", [16, 8, 4])
def test_ratios_of_bytes(toy, tmp_path, capsys, bits):
    """Of an export, with its index, against half precision."""
    (tmp_path / "dict.en.txt").write_text("".join(f"word{i} 9\n" for i in range(3996)))
    words = ("--bytes-ratio", "--bits", bits, "--json", "--methods")
    small, big = ((toy / "data-bin", "--dim", 256, "--ratios", 4, 3000), (tmp_path, "--dim", 256, "--ratios", 10, 40))
    plans = json.loads(plan(capsys, *small, *words, "see")[1])
    plans += json.loads(plan(capsys, *big, *words, "low_rank", "product_quantised")[1])
    reached = [entry for entry in plans if "refused" not in entry]
    assert [(entry["method"], entry["asked"]) for entry in reached] == [
        *[("see", 4)] * 2, ("low_rank", 10), ("low_rank", 40), ("product_quantised", 10), ("product_quantised", 40)
    ]  # fmt: skip
    for entry in reached:
        assert entry["asked"] <= entry["bytes_ratio"] <= 1.03 * entry["asked"]
        assert entry["bytes_ratio"] == pytest.approx(2 * entry["rows"] * 256 / entry["shipped_bytes"])
    rank = reached[2]["config"]["rank"]
    columns = 2 * rank if bits == 16 else rank * bits / 8 + 2
    # 4,000 words and k rows of B, of which each has a scale if it is rounded; what a fraction of k adds is 16 bits.
    assert reached[2]["shipped_bytes"] == pytest.approx(4000 * columns + 256 * rank * bits / 8, rel=0.06)
    refused = [entry for entry in plans if "refused" in entry]
    assert all("of bytes" in entry["refused"] and entry["nearest"] < 3000 for entry in refused) and len(refused) == 2


def test_a_joined_dictionary_is_counted_over_the_rows_a_side_uses(toy):
    words = ("--dim", "64", "--ratios", "2", "--methods", "see", "--json")
    done = run_command("fairseq-see", "plan", toy / "joined", *words)
    assert done.stderr == "", "fairseq, which reads the training text here, has things to say at its import"
    for entry in json.loads(done.stdout):
        # Each side's 64 words and the end of a sentence.
        assert entry["rows"] == 136 and entry["used_rows"] == 65
        assert entry["ratio_over_used_rows"] == pytest.approx(entry["ratio"] * 65 / 136)


def test_indexes_of_another_folder(toy, tmp_path, capsys):
    words = (toy / "data-bin", "--dim", 64, "--ratios", 2, "--methods", "see", "--json")
    assert main(["index", str(toy / "data-bin/dict.en.txt"), "--senses", str(toy / "senses.tsv"), "--morphology",
                 "characters", "--control", "no-senses", "--output", str(tmp_path / "dict.en.see")]) == 0  # fmt: skip
    shutil.copy(toy / "data-bin/dict.zh.see", tmp_path)
    capsys.readouterr()
    (en, zh), (other_en, other_zh) = (
        json.loads(plan(capsys, *words, *more)[1]) for more in ((), ("--index", tmp_path))
    )
    assert other_zh == zh and other_en["config"]["vectors"] > en["config"]["vectors"]


def test_table_shows_refusals_and_hyper_parameters(toy, capsys):
    status, out, _ = plan(
        capsys, toy / "data-bin", "--dim", 64, "--ratios", 3, 3000, "--see-args", "integer_vectors=true"
    )
    assert status == 0
    assert "cannot compress 3000x" in out and "nearest ratio" in out and "vectors=" in out
    assert "dense" not in out and "lstm" not in out


def test_a_method_that_does_not_compress_is_planned_when_named(toy, capsys):
    _, out, _ = plan(capsys, toy / "data-bin", "--dim", 64, "--ratios", 2, "--methods", "morph_lstm", "--json")
    for entry in json.loads(out):
        assert 0 < entry["nearest"] < 1 and "leave the ratio out" in entry["refused"]


def test_every_hyper_parameter_is_listed(capsys):
    with pytest.raises(SystemExit) as end:
        plan(capsys, "--list-options")
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0 and "see: vectors (float | tuple[float, float] | None; default: from the ratio)" in lines
    assert "see_paper: layernorm (bool; default: False)" in lines


def test_dense_is_one_to_one(toy, capsys):
    _, out, _ = plan(capsys, toy / "data-bin", "--dim", 64, "--ratios", 1, 2, "--methods", "dense", "--json")
    for entry in json.loads(out):
        assert ("refused" in entry) == (entry["asked"] == 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["EMPTY"], "holds no dict.LANG.txt"),
        (["NOINDEX", "--methods", "see"], "no unit index at"),
        (["DATA", "--dim", "0"], "must be numbers above 0"),
        (["SWAPPED", "--methods", "see"], "built for another dictionary"),
        (["DATA", "--see-args", "colour=1"], "--see-args colour: none of these methods has such a hyper-parameter"),
        (["DATA", "--see-args", "layernorm=no"], "layernorm is 'no', but must be true or false"),
        (["DATA", "--see-args", "layernorm"], "'layernorm' is not written NAME=VALUE"),
    ],
)
def test_bad_input(toy, tmp_path, capsys, words, message):
    for name in ("NOINDEX", "SWAPPED"):
        shutil.copytree(toy / "data-bin", tmp_path / name)
    (tmp_path / "EMPTY").mkdir()
    for index in (tmp_path / "NOINDEX").glob("*.see"):
        index.unlink()
    shutil.copy(toy / "data-bin/dict.zh.see", tmp_path / "SWAPPED/dict.en.see")
    where = toy / "data-bin" if words[0] == "DATA" else tmp_path / words[0]
    status, out, err = plan(capsys, where, *words[1:])
    assert status == 2 and not out
    assert err.startswith("error: ") and message in err and err.count("\n") == 1
