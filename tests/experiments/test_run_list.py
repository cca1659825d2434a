"""Lists of runs: YAML to runs and JSON."""

import re

import pytest

from experiments.run_list import Run, read_json, read_yaml, values_of, write_json
from fairseq_see.embeddings import REGISTRY
from fairseq_see.errors import SeeError
from tests.helpers import ROOT

CONFIGS = ROOT / "configs"


def test_runs_are_read_and_written(tmp_path):
    (tmp_path / "RUNS.yaml").write_text(
        "runs:\n"
        "  - {name: a, config: demo_zh_en, overrides: {x.y: true, z: null, lr: [0.002, 1e-3], n: 3, s: word}}\n"
        "  - {name: b.2, config: demo_zh_en.yaml, overrides: [+a.b=c=d]}\n"
        "  - {name: 3, config: demo_zh_en}\n"
    )
    runs = read_yaml(tmp_path / "RUNS.yaml", CONFIGS)
    assert runs == [
        Run("a", "demo_zh_en", ["x.y=true", "z=null", "lr=[0.002,1e-3]", "n=3", "s=word"]),
        Run("b.2", "demo_zh_en", ["+a.b=c=d"]),
        Run("3", "demo_zh_en", []),
    ]
    write_json(runs, tmp_path / "runs.json")
    assert read_json(tmp_path / "runs.json") == runs


def test_a_grid_is_a_run_for_each_combination(tmp_path):
    (tmp_path / "RUNS.yaml").write_text(
        "runs:\n- {name: see, config: demo_zh_en, overrides: {model.see_method: see},"
        " grid: {model.see_ratio: [10, 2.5], common.seed: [1, 2]}}\n"
    )
    runs = read_yaml(tmp_path / "RUNS.yaml", CONFIGS)
    assert [run.name for run in runs] == ["see-10-1", "see-10-2", "see-2.5-1", "see-2.5-2"]
    assert runs[1].overrides == ["model.see_method=see", "model.see_ratio=10", "common.seed=2"]


def test_a_grid_of_learning_rates_which_are_lists(tmp_path):
    (tmp_path / "RUNS.yaml").write_text(
        "runs:\n- {name: see, config: demo_zh_en, grid: {optimization.lr: [[0.002], [0.001, 0.0005]]}}\n"
    )
    runs = read_yaml(tmp_path / "RUNS.yaml", CONFIGS)
    assert [run.name for run in runs] == ["see-0.002", "see-0.001_0.0005"]
    assert [run.overrides for run in runs] == [["optimization.lr=[0.002]"], ["optimization.lr=[0.001,0.0005]"]]


def test_values_of_overrides_have_bare_keys():
    overrides = [
        "+model.see_args.sememe_share=0",
        "++task.note=a=b",
        "~optimization.update_freq",
        "optimization.lr=[0.1]",
    ]
    assert values_of(overrides) == {"model.see_args.sememe_share": "0", "task.note": "a=b", "optimization.lr": "[0.1]"}


def test_the_lists_in_configs():
    assert [run.name for run in read_yaml(CONFIGS / "bundle_demo.yaml", CONFIGS)] == ["dense", "see10"]
    methods = {run.name.split("-")[0] for run in read_yaml(CONFIGS / "methods.yaml", CONFIGS)}
    assert methods == {method for method in REGISTRY if not REGISTRY[method].quantised}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs: [", "no YAML"),
        ("- name: a", "no list named runs"),
        ("runs: []", "no list named runs"),
        ("runs: [{name: a}]", "run 1: write name, config"),
        ("runs: [{name: a, config: demo_zh_en, override: {}}]", "and nothing else"),
        ("runs: [{name: ../a, config: demo_zh_en}]", "'../a' must be of letters"),
        ("runs: [{name: a, config: absent}]", "no absent.yaml"),
        ("runs: [{name: a, config: demo_zh_en, overrides: [x]}]", "a list of key=value"),
        ("runs: [{name: a, config: demo_zh_en, overrides: {x: {y: 1}}}]", "cannot be an override's value"),
        ('runs: [{name: a, config: demo_zh_en, overrides: {x: "y\\nz"}}]', "cannot be an override's value"),
        ('runs: [{name: a, config: demo_zh_en, overrides: ["x=y\\nz"]}]', "or a list of key=value"),
        ("runs: [{name: a, config: demo_zh_en, overrides: {checkpoint.save_dir: x}}]", "set by the script"),
        ("runs: [{name: a, config: demo_zh_en, overrides: [++optimization.stop_time_hours=1]}]", "set by the script"),
        ("runs: [{name: a, config: demo_zh_en, grid: {common.seed: 1}}]", "a grid maps keys to lists"),
        ("runs: [{name: a, config: demo_zh_en, grid: {task.data: [x]}}]", "set by the script"),
        ("runs: [{name: a, config: demo_zh_en}, {name: a, config: demo_zh_en}]", "two runs are named a"),
    ],
)
def test_a_wrong_list_is_told(tmp_path, text, message):
    (tmp_path / "RUNS.yaml").write_text(text)
    with pytest.raises(SeeError, match=re.escape(message)) as error:
        read_yaml(tmp_path / "RUNS.yaml", CONFIGS)
    assert "\n" not in str(error.value)
