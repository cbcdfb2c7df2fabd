"""A filter of the user's own holds for what is inside, whatever it is wrapped in; nothing else is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import pytest
from tests.agent.frames import LINKS, WRAPPED, ether, over_4, over_6, udp, with_extensions
from tests.agent.traffic.watching import Everything
from tests.agent.traffic.wire import query

from aimscope_agent.intake import capture_filter
from aimscope_agent.intake.capture_filter import Chosen, chosen
from aimscope_agent.intake.packets import CaptureError, program
from aimscope_agent.traffic.dissector import Dissector
from aimscope_agent.traffic.seen import Seen

pcapy = pytest.importorskip("pcapy")

QUESTION = udp(40_000, 53, query("asked.example"))
WAYS = {**{name: (1, wrap) for name, wrap in WRAPPED.items()}, **LINKS}


@lru_cache(maxsize=64)
def ready(expression: str, link: int) -> tuple[Chosen, tuple[Callable[[bytes], int] | None, ...]]:
    choice = chosen(expression)
    return choice, tuple(program(pcapy, one, link) for one in (choice.thorough, choice.light))


def told(expression: str, link: int, *frames: bytes) -> list[str]:
    """The names in frames, read as the program does: filtered as they come, chosen by what is in them."""
    number = {101: 12}.get(link, link)
    choice, filters = ready(expression, number)
    answers = []
    for passes in filters:
        seen = list[Seen]()
        dissector = Dissector(lambda _: None, Everything(), seen.append, passes=choice.passes)
        for at, frame in enumerate(frames):
            if passes is None or passes(frame):
                dissector.packet(1e9 + at, number, frame, len(frame))
        answers.append([one.name for one in seen])
    assert answers[0] == answers[1], "the filter to begin with gives the same"
    return answers[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("over", "holds", "fails"),
    [
        (over_4, "net 192.0.2.0/24", "net 192.0.3.0/24"),
        (over_4, "src host 192.0.2.1 and udp port 53", "src host 192.0.2.1 and udp port 54"),
        (over_4, "not host 192.0.2.7", "not host 192.0.2.1"),
        (over_4, "not tcp", "not udp"),
        (over_6, "net 2001:db8::/64", "net 2001:db8:1::/64"),
        (over_6, "not net 2001:db8:1::/64", "not net 2001:db8::/64"),
    ],
)
def test_it_is_asked_of_what_is_inside(way: str, over: Any, holds: str, fails: str) -> None:
    link, wrap = WAYS[way]
    frame = bytes(wrap(over(QUESTION)))
    assert told(holds, link, frame) == ["asked.example"]
    assert told(fails, link, frame) == []


@pytest.mark.parametrize("expression", ["udp port 4789", "host 198.51.100.1", "udp"])
def test_one_that_picks_a_tunnel_picks_what_is_in_it(expression: str) -> None:
    assert told(expression, 1, bytes(WRAPPED["vxlan"](over_4(QUESTION)))) == ["asked.example"]
    assert told(f"not ({expression})", 1, bytes(WRAPPED["vxlan"](over_4(QUESTION)))) == []


def test_fragments_and_extensions_are_no_hiding_places() -> None:
    from scapy.layers import inet

    text = udp(40_000, 53, query("asked.example"))
    pieces = [bytes(ether() / piece) for piece in cast("Any", inet).fragment(over_4(text), 16)]
    assert len(pieces) > 1
    assert told("udp port 53", 1, *pieces) == ["asked.example"]
    assert told("udp port 54", 1, *pieces) == []
    assert told("udp port 53", 1, bytes(ether() / with_extensions(text))) == ["asked.example"]
    assert told("udp port 54", 1, bytes(ether() / with_extensions(text))) == []


@pytest.mark.parametrize("expression", ["vlan 3", "ether src 02:00:00:00:00:01", "arp or vlan"])
def test_one_about_frames_is_asked_of_frames_and_says_so(expression: str) -> None:
    choice = chosen(expression)
    assert choice.passes is None
    assert choice.note.startswith(f"The filter ({expression}) is about frames")
    assert told(expression, 1, bytes(WRAPPED["vlan"](over_4(QUESTION)))) == ["asked.example"]


def test_no_filter_chooses_everything() -> None:
    choice = chosen("")
    assert (choice.passes, choice.note) == (None, "")
    assert told("", 1, bytes(WRAPPED["vlan"](over_4(QUESTION)))) == ["asked.example"]


def test_a_filter_without_libpcap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_filter, "libpcap", None)
    assert chosen("").passes is None
    with pytest.raises(CaptureError, match=r"a filter needs libpcap: pip install 'aimscope\[gateway\]'"):
        chosen("net 10.0.0.0/8")


@pytest.mark.parametrize("link", [1, 12, 0, 113, 276])
def test_the_kernel_accepts_the_length(link: int) -> None:
    text = chosen("net 10.0.0.0/8 and not host 10.1.2.3 and (port 443 or net 2001:db8::/32)").thorough(link)
    assert len(pcapy.compile(link, 65_535, text, 1, 0).get_bpf()) <= 4_096
