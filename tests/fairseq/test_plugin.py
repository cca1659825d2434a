"""Who registers the plugin with fairseq."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT


@pytest.mark.parametrize(
    "imports", ["import fairseq, fairseq_see", "import fairseq_see.models.builder, fairseq_see.plugin"]
)
def test_the_plugin_registers(imports):
    code = f"{imports}\nfrom fairseq.models import ARCH_MODEL_REGISTRY as a\nassert 'see_transformer_tiny' in a"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_an_error_inside_the_plugin_is_not_swallowed():
    code = "import sys; sys.modules['fairseq_see.models.builder'] = None; import fairseq, fairseq_see"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode and "fairseq_see.models.builder" in done.stderr
