"""Live capture: what is said when it cannot be."""

from __future__ import annotations

import os

import pytest

from aimscope_agent.intake import capture
from aimscope_agent.intake.capture import become, open_live
from aimscope_agent.intake.pcap import CaptureError


def test_an_interface_that_is_not_there_is_told_with_those_that_are() -> None:
    pytest.importorskip("pcapy")
    with pytest.raises(CaptureError, match=r"lo.*any|setcap cap_net_raw\+ep"):
        open_live(["nothing0"], filter=None, promiscuous=False)


def test_no_interface() -> None:
    with pytest.raises(CaptureError, match="no interface was named; there are"):
        open_live([], filter=None, promiscuous=False)


def test_without_libpcap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "libpcap", None)
    with pytest.raises(CaptureError, match="aimscope\\[gateway\\]"):
        open_live(["lo"], filter=None, promiscuous=False)


def test_a_user_that_is_not_there() -> None:
    with pytest.raises(CaptureError, match="no user nobody-of-that-name"):
        become("nobody-of-that-name")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_only_root_can_become_somebody() -> None:
    with pytest.raises(CaptureError, match="only root"):
        open_live(["lo"], filter=None, promiscuous=False, user="nobody")
