"""Who needs what: units only numpy, embeddings only torch, and who registers the plugin."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("absent", "module"),
    [
        (("fairseq", "torch"), "fairseq_see.units"),
        (("fairseq",), "fairseq_see.embeddings"),
        (("fairseq",), "fairseq_see.fitting"),
        (("fairseq", "torch", "transformers"), "fairseq_see.cli.main"),
    ],
)
def test_imports_without(absent, module):
    hide = "".join(f"sys.modules[{name!r}] = None; " for name in absent)
    done = python(f"import sys; {hide}import {module}")
    assert not done.returncode, done.stderr


@pytest.mark.parametrize(("module", "unwanted"), [("units", "torch"), ("units", "fairseq"), ("embeddings", "fairseq")])
def test_does_not_import_what_it_does_not_need(module, unwanted):
    done = python(f"import sys, fairseq_see.{module}; assert {unwanted!r} not in sys.modules")
    assert not done.returncode, done.stderr


def test_the_part_for_transformers_says_what_it_needs():
    done = python("import sys; sys.modules['transformers'] = None; import fairseq_see.hf")
    assert "SeeError: fairseq_see.hf needs the package transformers: pip install 'fairseq_see[hf]'" in done.stderr


@pytest.mark.parametrize(
    "imports",
    [
        "import fairseq_see.plugin",
        "import fairseq, fairseq_see",
        "import fairseq_see.models.builder, fairseq_see.plugin",
    ],
)
def test_the_plugin_registers(imports):
    done = python(f"{imports}\nfrom fairseq.models import ARCH_MODEL_REGISTRY as a\nassert 'see_transformer_tiny' in a")
    assert not done.returncode, done.stderr


def test_an_error_inside_the_plugin_is_not_swallowed():
    done = python("import sys; sys.modules['fairseq_see.models.builder'] = None; import fairseq, fairseq_see")
    assert done.returncode and "fairseq_see.models.builder" in done.stderr
