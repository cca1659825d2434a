"""Who registers the plugin with fairseq."""

import pytest

from tests.helpers import run_command


@pytest.mark.parametrize(
    "imports", ["import fairseq, fairseq_see", "import fairseq_see.models.builder, fairseq_see.plugin"]
)
def test_the_plugin_registers(imports):
    code = f"{imports}\nfrom fairseq.models import ARCH_MODEL_REGISTRY as a\nassert 'see_transformer_tiny' in a"
    run_command("python", "-c", code)


def test_an_error_inside_the_plugin_is_not_swallowed():
    code = "import sys; sys.modules['fairseq_see.models.builder'] = None; import fairseq, fairseq_see"
    with pytest.raises(pytest.fail.Exception, match=r"fairseq_see\.models\.builder"):
        run_command("python", "-c", code)
