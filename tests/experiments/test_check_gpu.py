"""Whether torch was built for a GPU."""

import pytest
import torch

from experiments import check_gpu
from fairseq_see.errors import SeeError

VOLTA, AMPERE = (7, 0), (8, 6)


def test_machine_code_is_for_later_minors_of_its_major():
    assert check_gpu.covers(VOLTA, ["sm_50", "sm_60", "sm_70"])
    assert not check_gpu.covers(VOLTA, ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"])
    assert not check_gpu.covers(VOLTA, ["sm_60"]) and check_gpu.covers(AMPERE, ["sm_80"])
    assert check_gpu.covers((12, 0), ["sm_120"]) and check_gpu.covers((9, 0), ["sm_90a"])


def test_intermediate_code_is_for_all_later_ones():
    assert check_gpu.covers(AMPERE, ["compute_70"]) and not check_gpu.covers(VOLTA, ["compute_75"])


def test_a_build_without_the_gpu_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: VOLTA)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "Tesla V100-SXM2-16GB")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])
    with pytest.raises(
        SeeError, match=r"Tesla V100-SXM2-16GB is sm_70, and torch .* was built for sm_75 sm_80; install"
    ):
        check_gpu.check(required=False)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_70", "sm_75"])
    check_gpu.check(required=True)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["gfx90a"])
    monkeypatch.setattr(torch.version, "hip", "6.2")
    check_gpu.check(required=True)


def test_no_gpu_is_an_error_only_where_one_is_required(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check_gpu.check(required=False)
    with pytest.raises(SeeError, match="sees no GPU"):
        check_gpu.check(required=True)
