"""What import-linter cannot show: an import inside a function is not needed to import the module."""

import subprocess
import sys

import pytest
import torch

from fairseq_see.embeddings.product_quantised import quantise
from fairseq_see.errors import SeeError
from fairseq_see.units.languages import get_language
from fairseq_see.units.morphology import Morfessor
from tests.helpers import ROOT


def test_the_command_and_units_run_without_torch():
    code = "import sys; sys.modules['torch'] = None; import fairseq_see.units, fairseq_see.cli.main"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_part_for_transformers_names_its_extra():
    code = "import sys; sys.modules['transformers'] = None; import fairseq_see.hf"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (
        "SeeError: this needs the package transformers, which is not installed: pip install 'fairseq_see[hf]'"
        in done.stderr
    )


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("morfessor", "units", lambda: Morfessor.train(["word"])),
        ("simplemma", "units", lambda: get_language("fi").lemmatise("sana")),
        ("sklearn.cluster", "units", lambda: quantise(torch.eye(9), [slice(9)], 2, None)),
        ("jieba", "translate", lambda: get_language("zh").segment("词", ("词词",))),
        ("sacremoses", "translate", lambda: get_language("fi").segment("sana")),
    ],
)
def test_a_package_that_is_missing_ends_in_one_line(monkeypatch, package, extra, use):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SeeError, match=rf"needs the package {package}.*pip install 'fairseq_see\[{extra}\]'"):
        use()
