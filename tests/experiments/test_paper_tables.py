"""Tables as lists of runs."""

import pytest
import yaml

from experiments.paper_tables import (
    METHODS,
    Base,
    Cell,
    Grid,
    cells,
    of_length,
    out_of_reach,
    setting_of,
    state,
    with_recipes,
    write_lists,
)
from experiments.run_list import read_yaml
from fairseq_see.errors import SeeError
from tests.helpers import ROOT


def test_table2_is_dense_once_and_every_method_at_every_ratio():
    found = cells("table2", seeds=[1, 2])
    assert len(found) == 2 * (1 + 4 * (len(METHODS) - 1))
    assert [cell.name for cell in found][:3] == ["dense-seed1", "matrix-10x-seed1", "matrix-20x-seed1"]
    assert all(cell.name.endswith("seed1") for cell in found[: len(found) // 2])
    see = next(cell for cell in found if cell.name == "see-80x-seed2")
    assert see.overrides == {"model.see_method": "see", "model.see_ratio": 80.0, "common.seed": 2}
    assert [cell.name for cell in cells("table2", ["see"], [2.5])] == ["see-2.5x-seed1"]


def test_table5_is_what_does_not_compress():
    assert [cell.name for cell in cells("table5")] == ["dense-seed1", "morph_lstm-seed1", "sememe_lstm-seed1"]


def test_figure5_varies_one_setting_at_a_time():
    found = cells("figure5")
    names = {cell.name for cell in found}
    assert len(names) == len(found) == 6 + 3 + 4  # the paper's own setting is in all three lines, and there once
    for cell in found:
        settings = dict(zip(("rank", "order", "m"), cell.name.removesuffix("-seed1").split("-")[1:], strict=True))
        changed = [name for name, usual in (("rank", 5), ("order", 3), ("m", 9)) if settings[name] != f"{name}{usual}"]
        assert len(changed) <= 1
        assert cell.overrides["+model.see_args.vectors"] == int(settings["m"][1:])
        assert (cell.index == "") == (changed in ([], ["m"]))
        if cell.index:
            assert cell.index_options == ("--rank", settings["rank"][4:], "--order", settings["order"][5:])
            assert cell.overrides["+model.see_index"] == cell.index


def test_the_grid_joins_every_setting_and_shares_cells_with_figure5():
    found = {cell.name: cell for cell in cells("grid", seeds=[1, 2])}
    assert len(found) == 2 * 3 * 3 * 3
    lines = {cell.name: cell for cell in cells("figure5")}
    shared = found.keys() & lines.keys()
    assert len(shared) == 3 + 2 + 2 and all(found[name] == lines[name] for name in shared)
    assert {setting_of(cell.name) for cell in cells("grid", grid=Grid((2,), (3, 4), (6,)))} == {(2, 3, 6), (2, 4, 6)}
    assert setting_of("see-20x-seed1") is None


def test_the_ablation_has_an_index_of_its_own_for_each_seed_and_shares_its_reference_with_table2():
    found = cells("ablation", seeds=[1, 2])
    assert len({cell.index for cell in found if cell.index}) == 8
    assert found[0] == next(cell for cell in cells("table2") if cell.name == "see-20x-seed1")
    random = next(cell for cell in found if cell.name == "see-random-senses-20x-seed2")
    assert random.index_options == ("--control", "random-senses", "--seed", "2")


def test_practitioners_make_dense_models_smaller():
    found = {cell.name: cell for cell in cells("practitioner", (), [10.0], [2], Base(216, 16000, False, (8000, 16000)))}
    assert list(found) == [
        *("dense-seed2", "dense-d108-seed2", "dense-d56-seed2", "dense-bpe8000-seed2", "dense-shared-seed2"),
        *("int8-seed2", "product_quantised-10x-seed2"),
    ]
    assert found["dense-seed2"] == cells("table2", ["dense"], (), [2])[0]
    narrow = found["dense-d56-seed2"].overrides
    assert narrow["model.encoder_embed_dim"] == narrow["model.decoder_embed_dim"] == 56 and narrow["common.seed"] == 2
    assert found["dense-bpe8000-seed2"].data_options == ("--size", "8000")
    assert found["dense-shared-seed2"].data_options == ("--size", "16000", "--joined")
    assert {name: cell.fit for name, cell in found.items() if cell.fit} == {
        "int8-seed2": "dense-seed2",
        "product_quantised-10x-seed2": "dense-seed2",
    }
    # The paper's vocabulary is joined already.
    paper = {cell.name: cell for cell in cells("practitioner")}
    assert paper["dense-shared-seed1"].data == "" and "--joined" in paper["dense-bpe4000-seed1"].data_options
    assert paper["dense-d256-seed1"].overrides.items() > paper["dense-seed1"].overrides.items()


def test_every_text_has_a_list_of_its_own(tmp_path):
    found = cells("practitioner", base=Base(216, 16000, False))
    write_lists(found, "small_zh_en", tmp_path / "practitioner.yaml")
    lists = {path.stem: read_yaml(path, ROOT / "configs") for path in tmp_path.iterdir()}
    names = {stem: [run.name.removesuffix("-seed1") for run in runs] for stem, runs in lists.items()}
    assert names == {
        "practitioner": ["dense", "dense-d108", "dense-d56"],
        "practitioner-bpe4000": ["dense-bpe4000"],
        "practitioner-bpe8000": ["dense-bpe8000"],
        "practitioner-joined": ["dense-shared"],
    }
    assert "+model.share_all_embeddings=true" in lists["practitioner-joined"][0].overrides
    # That of the usual text is not left over for a table that trains nothing on it.
    write_lists([cell for cell in found if cell.data], "small_zh_en", tmp_path / "practitioner.yaml")
    assert {path.stem for path in tmp_path.iterdir()} == names.keys() - {"practitioner"}


def test_recipes_are_for_a_method_and_all_that_is_made_of_it(tmp_path):
    recipes = {"dense": {"optimization.lr": [0.001]}, "see": {"optimization.lr": [0.004], "model.dropout": 0.2}}
    table2 = with_recipes(cells("table2", ["dense", "see"], [20.0]), recipes, tmp_path)
    assert [cell.overrides.get("model.dropout") for cell in table2] == [None, 0.2]
    for cell in with_recipes(cells("ablation"), recipes, tmp_path):
        assert cell.overrides["optimization.lr"] == [0.004] and cell.overrides["model.see_ratio"] == 20
    made_smaller = {cell.name: cell for cell in with_recipes(cells("practitioner"), recipes, tmp_path)}
    assert made_smaller["dense-bpe4000-seed1"].overrides["optimization.lr"] == [0.001]
    assert "optimization.lr" not in made_smaller["int8-seed1"].overrides
    with pytest.raises(SeeError, match=r"has no recipe for matrix, morphte; scripts/search.sh"):
        with_recipes(cells("table2", ["dense", "matrix", "morphte"]), recipes, tmp_path)
    with pytest.raises(SeeError, match=r"dense: common.seed is set already, to 1"):
        with_recipes(cells("table2", ["dense"]), {"dense": {"++common.seed": 5}}, tmp_path)


@pytest.mark.parametrize("key", ["lr_scheduler.warmup_updates", "++lr_scheduler.warmup_updates"])
@pytest.mark.parametrize("warmup", [150, "150"])
def test_a_length_that_ends_in_the_warm_up_is_refused(key, warmup):
    cell = Cell("dense-seed1", {"model.see_method": "dense", key: warmup})
    assert of_length(cell, 151).overrides["optimization.max_update"] == 151
    with pytest.raises(SeeError, match="dense-seed1: --updates 150 leaves nothing after its recipe's warm-up of 150"):
        of_length(cell, 150)


@pytest.mark.parametrize("warmup", ["many", 0.5, None, -1])
def test_a_warm_up_that_is_no_number_is_refused(warmup):
    with pytest.raises(SeeError, match=f"dense-seed1: the warm-up of its recipe is {warmup!r}, not a whole number"):
        of_length(Cell("dense-seed1", {"lr_scheduler.warmup_updates": warmup}), 100)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("figure5", ["dense"]), "figure5 has no methods to choose"),
        (("table2", ["int8"]), "int8 is made of a trained model, not trained"),
        (("table5", (), [10.0]), "no ratios to choose"),
        (("table5", ["see"]), "see compresses"),
        (("table2", ["nothing"]), "nothing"),
        (("grid", (), (), (1,), None, Grid(orders=(2, 40))), "order 40 is out of range; choose 2 to 16"),
        (("grid", (), (), (1,), None, Grid(ranks=(101,))), "rank 101 is out of range; choose 1 to 100"),
    ],
)
def test_what_a_table_does_not_have_is_refused(words, message):
    with pytest.raises(SeeError, match=message):
        cells(*words)


def test_a_cell_out_of_reach_of_one_side_is_told():
    plans = [
        {"method": "word2ket", "asked": 40.0, "side": "zh", "config": {}},
        {"method": "word2ket", "asked": 40.0, "side": "en", "refused": "nearest ratio: 21.30x"},
    ]
    at40, at20 = cells("table2", ["word2ket"], [40.0, 20.0])
    assert out_of_reach(at40, plans) == "nearest ratio: 21.30x" and out_of_reach(at20, plans) is None
    assert out_of_reach(cells("table5")[0], plans) is None


def test_the_state_of_a_cell(tmp_path):
    assert state(tmp_path / "absent") == "missing"
    for file, expected in (("train.log", "started"), ("done", "trained"), ("test.scores.json", "done")):
        (tmp_path / file).touch()
        assert state(tmp_path) == expected
    assert state(tmp_path, ["test"]) == "done" and state(tmp_path, ["test", "news"]) == "trained"


@pytest.mark.parametrize("config", ["iwslt17_zh_en", "wmt17_zh_en"])
@pytest.mark.parametrize("table", ["table2", "table5", "figure5", "grid", "ablation"])
def test_lists_are_lists_of_runs(table, config, tmp_path):
    found = cells(table)
    write_lists(found, config, tmp_path / "list.yaml")
    runs = read_yaml(tmp_path / "list.yaml", ROOT / "configs")
    assert [run.name for run in runs] == [cell.name for cell in found]
    for run, cell in zip(runs, found, strict=True):
        assert run.overrides == [f"{key}={value}" for key, value in cell.overrides.items()]


@pytest.mark.parametrize(("config", "arch"), [("iwslt17_zh_en", "iwslt_zh_en"), ("wmt17_zh_en", "wmt_zh_en")])
def test_the_papers_configurations_are_the_papers_architectures(config, arch):
    from fairseq_see.models.transformer import PRESETS

    given = yaml.safe_load((ROOT / "configs" / f"{config}.yaml").read_text("utf-8"))
    assert PRESETS[f"see_transformer_{arch}"].items() <= given["model"].items()
    assert given["dataset"]["max_tokens"] == 4096 and given["criterion"]["label_smoothing"] == 0.1
    assert given["optimizer"]["adam_betas"] == "(0.9, 0.98)" and given["lr_scheduler"]["_name"] == "inverse_sqrt"
    assert given["common"]["fp16"] is True and "bf16" not in given["common"]
