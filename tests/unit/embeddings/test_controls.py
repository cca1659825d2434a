"""SEE is built from every control as from the real index, at the same cost where the control promises it."""

import pytest
import torch

from fairseq_see.embeddings import build
from fairseq_see.units import build_index
from fairseq_see.units.controls import CONTROLS
from fairseq_see.units.morphology import Characters
from tests.unit.units.conftest import zipfian


def embedding(method="see", **options):
    index, _ = build_index(*zipfian(), {"en": Characters()}, language="en", **options)
    torch.manual_seed(0)
    return build(method, index.num_words, 216, 1, index=index, ratio=40)


@pytest.mark.parametrize("control", CONTROLS)
def test_lookup_gradients_and_footprint(control):
    real, made = embedding(), embedding(control=control)
    table = made.table()
    real_rows = torch.arange(len(table)) != 1
    assert abs(table[real_rows].var(1).mean().item() * 216 - 1) < 0.05
    assert len(torch.unique(table, dim=0)) == len(table)
    torch.testing.assert_close(made(torch.tensor([[5, 1, 900]])), table[None, [5, 1, 900]])
    made(torch.arange(len(table))).square().sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    expected, found = real.footprint(), made.footprint()
    assert abs(found.parameters / expected.parameters - 1) < 0.03
    if control == "no-senses":
        assert made.config.vectors > real.config.vectors
    else:
        assert made.config.vectors == real.config.vectors and found.parameters == expected.parameters
    assert made.describe()["index"]["provenance"]["control"] == control


def test_morphte_takes_arbitrary_codes_for_morphemes():
    assert (
        embedding("morphte", control="no-morphemes").footprint().parameters
        == embedding("morphte").footprint().parameters
    )
