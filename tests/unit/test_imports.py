"""What import-linter cannot show: an import inside a function is not needed to import the module."""

import subprocess
import sys

from tests.helpers import ROOT


def test_the_command_and_units_start_without_torch():
    code = "import sys; sys.modules['torch'] = None; import fairseq_see.units, fairseq_see.cli.main"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_part_for_transformers_names_its_extra():
    code = "import sys; sys.modules['transformers'] = None; import fairseq_see.hf"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (
        "SeeError: this needs the package transformers, which is not installed: pip install 'fairseq_see[hf]'"
        in done.stderr
    )
