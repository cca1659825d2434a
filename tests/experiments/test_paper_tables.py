"""Tables as cells, and what --config may choose of them."""

import pytest

from experiments.paper_tables import METHODS, Choice, check_choices, describe_cell, make_cells, read_hyperparameters
from experiments.settings import read_settings
from experiments.training import compose
from fairseq_see.errors import SeeError
from tests.helpers import ROOT


def test_tables_2_and_5_are_dense_once_and_every_method_at_every_ratio():
    found = make_cells("table2", Choice(seeds=(1, 2)))
    assert len(found) == 2 * (1 + 4 * (len(METHODS) - 1))
    assert [cell.name for cell in found][:2] == ["dense-seed1", "low_rank-10x-seed1"]
    assert all(cell.seed == 1 for cell in found[: len(found) // 2])
    see = next(cell for cell in found if (cell.method, cell.ratio, cell.seed) == ("see", 80, 2))
    assert see.words == ["model.see_method=see", "model.see_ratio=80", "common.seed=2"]
    # What does not compress.
    assert [cell.method for cell in make_cells("table5", Choice())] == ["dense", "morph_lstm", "sememe_lstm"]


def test_figure5_varies_one_setting_at_a_time():
    found = make_cells("figure5", Choice())
    assert len({cell.name for cell in found}) == len(found) == 6 + 3 + 4  # the paper's own is in all three lines
    for cell in found:
        changed = {name for name, usual in (("rank", 5), ("order", 3), ("vectors", 9)) if cell.see_args[name] != usual}
        assert len(changed) <= 1 and (cell.index == "") == (not changed & {"rank", "order"})
        assert cell.overrides["+model.see_args.vectors"] == str(cell.see_args["vectors"])


def test_the_grid_shares_cells_with_figure5():
    found = {cell.name: cell for cell in make_cells("grid", Choice(seeds=(1, 2)))}
    lines = {cell.name: cell for cell in make_cells("figure5", Choice())}
    assert len(found) == 2 * 3 * 3 * 3
    shared = found.keys() & lines.keys()
    assert len(shared) == 3 + 2 + 2 and all(found[name] == lines[name] for name in shared)


def test_the_ablation_draws_each_control_anew_for_each_seed():
    found = make_cells("ablation", Choice(seeds=(1, 2)))
    assert len({cell.index for cell in found if cell.index}) == 8
    random = next(cell for cell in found if cell.variant == "random-senses" and cell.seed == 2)
    assert random.index_options == ("--control", "random-senses", "--seed", "2")
    assert random.overrides["+model.see_index"] == random.index


def test_practitioners_make_dense_models_smaller():
    choice = Choice(ratios=(10,), seeds=(2,), dim=216, size=16000, joined=False, sizes=(8000, 16000))
    found = {cell.variant or cell.method: cell for cell in make_cells("practitioner", choice)}
    assert list(found) == ["dense", "d108", "d56", "bpe8000", "shared", "int8", "product_quantised"]
    assert (
        found["d56"].overrides["model.encoder_embed_dim"] == found["d56"].overrides["model.decoder_embed_dim"] == "56"
    )
    assert (found["bpe8000"].data, found["shared"].data) == ("bpe8000", "joined")
    assert found["int8"].fit == found["product_quantised"].fit == "dense-seed2"
    # The paper's vocabulary is joined already.
    assert next(cell for cell in make_cells("practitioner", Choice()) if cell.variant == "shared").data == ""


def test_a_distillation_needs_its_teacher_and_the_fit():
    found = {cell.name: cell for cell in make_cells("distillation", Choice(methods=("see",), updates=100, start=40))}
    assert list(found) == [
        *("dense-seed1", "see-10x-fit-seed1", "see-10x-distilled-seed1", "see-10x-unstaged-seed1"),
        "see-10x-scratch-seed1",
    ]
    student = found["see-10x-distilled-seed1"]
    assert student.needs == ("dense-seed1", "see-10x-fit-seed1")
    assert student.overrides["criterion.start_updates"] == "40"
    assert student.overrides["criterion.teacher"] == "'{cells}/dense-seed1/checkpoints/checkpoint_best.pt'"
    assert found["see-10x-unstaged-seed1"].overrides["criterion.start_updates"] == "0"
    assert not any(key.startswith("criterion") for key in found["see-10x-scratch-seed1"].overrides)


def test_every_method_is_tuned_with_the_same_budget():
    choice = Choice(methods=("dense", "see"), rates=(0.001, 0.002), warmups=(10, 20), updates=80)
    found = make_cells("tune", choice)
    points: dict[str, list] = {"dense": [], "see": []}
    for cell in found:
        points[cell.method].append([cell.overrides[key] for key in ("optimization.lr", "lr_scheduler.warmup_updates")])
    assert len(found) == 8 and points["dense"] == points["see"]
    assert {cell.overrides["optimization.max_update"] for cell in found} == {"80"}


def test_hyperparameters_are_for_a_method_and_its_controls(tmp_path):
    (tmp_path / "best.yaml").write_text("dense: {optimization.lr: [0.001]}\nsee: {optimization.lr: [0.004]}\n")
    choice = Choice(hyperparameters=read_hyperparameters(tmp_path / "best.yaml"), updates=100)
    assert {cell.overrides["optimization.lr"] for cell in make_cells("ablation", choice)} == {"[0.004]"}
    assert all("optimization.lr" not in cell.overrides for cell in make_cells("practitioner", choice) if cell.fit)
    with pytest.raises(SeeError, match="have none for low_rank"):
        make_cells("table2", choice)
    with pytest.raises(SeeError, match="add updates=N"):
        make_cells("ablation", Choice(hyperparameters=choice.hyperparameters))
    shipped = read_hyperparameters(ROOT / "configs/hyperparameters/short_small.yaml")
    assert all(
        "optimization.lr" in cell.overrides
        for cell in make_cells("table2", Choice(hyperparameters=shipped, updates=1200))
    )
    taken = Choice(methods=("dense",), updates=9, hyperparameters={"dense": {"++common.seed": "5"}})
    with pytest.raises(SeeError, match=r"common\.seed, which is the table's"):
        make_cells("table2", taken)


@pytest.mark.parametrize(
    ("table", "choice", "message"),
    [
        ("table2", {"methods": ("int8",)}, "int8 is made of a trained model, not trained"),
        ("table5", {"methods": ("see",)}, "see compresses"),
        ("grid", {"orders": (40,)}, "order 40 is out of range"),
        ("tune", {}, "needs updates=N"),
        ("distillation", {"updates": 50, "start": 50}, "leaves none of the 50"),
        ("table9", {}, "no table table9"),
    ],
)
def test_what_a_table_does_not_have_is_refused(table, choice, message):
    with pytest.raises(SeeError, match=message):
        make_cells(table, Choice(**choice))


def test_choices_of_another_table_are_refused():
    with pytest.raises(SeeError, match="figure5 has no methods to choose"):
        check_choices("figure5", ["methods", "seeds"])


def test_a_cell_is_described_by_what_was_chosen():
    cell = next(cell for cell in make_cells("figure5", Choice()) if cell.see_args["rank"] == 2)
    assert describe_cell(cell, "news", "small")["config"] == {
        **{"corpus": "news", "scale": "small", "method": "see", "seed": 1},
        "see_args": {"rank": 2, "order": 3, "vectors": 9},
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"corpos": "data"}, "corpos: no such name"),
        ({"scale": "huge"}, "choose paper, small, tiny"),
        ({"ratios": "ten"}, "not a number above 0"),
        ({"size": "-5"}, "not an integer above 0"),
        ({"joined": "perhaps"}, "choose true, false"),
        ({"overrides": "x"}, "x should be NAME=VALUE"),
        ({"source": "../x"}, "is not a language code"),
        ({"tests": "../x=data/test"}, "of letters, digits"),
    ],
)
def test_settings_are_checked(given, message):
    with pytest.raises(SeeError, match=message):
        read_settings(given)


def test_settings_of_a_corpus_and_of_any_languages():
    wmt = read_settings({"corpus": "wmt17-v15", "ratios": "10 20", "methods": "see"})
    assert (wmt.config, wmt.tests, wmt.size, wmt.joined) == ("wmt17_zh_en", ["newstest2017"], 40_000, True)
    assert wmt.choice.ratios == (10, 20) and wmt.direction == {}
    assert read_settings({"source": "de", "target": "en"}).direction["task.source_lang"] == "de"


@pytest.mark.parametrize(("config", "arch"), [("iwslt17_zh_en", "iwslt_zh_en"), ("wmt17_zh_en", "wmt_zh_en")])
def test_the_papers_configurations_are_the_papers_architectures(config, arch):
    from fairseq_see.models.transformer import PRESETS

    given = compose(config, [])
    assert PRESETS[f"see_transformer_{arch}"].items() <= given["model"].items()
    assert given["dataset"]["max_tokens"] == 4096 and given["criterion"]["label_smoothing"] == 0.1
    assert given["optimizer"]["adam_betas"] == "(0.9, 0.98)" and given["lr_scheduler"]["_name"] == "inverse_sqrt"
    assert given["common"]["fp16"] is True and given["common"]["bf16"] is False


@pytest.mark.parametrize("config", ["demo_zh_en", "small_distil_zh_en"])
def test_a_rate_that_falls_to_zero_falls_over_all_updates(config):
    assert compose(config, ["optimization.max_update=7"])["lr_scheduler"]["total_num_update"] == 7


def test_an_override_that_the_configuration_lacks_is_one_line():
    with pytest.raises(SeeError, match=r"Could not override 'model\.nothing'"):
        compose("demo_zh_en", ["model.nothing=1"])
    with pytest.raises(SeeError, match="no configuration"):
        compose("nothing", [])
