"""Frames of every link type, whatever they hold: nothing raises, nothing is left, and names are whole."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.traffic.watching import Watcher
from tests.agent.traffic.wire import CLIENT, SERVER, hello, ip, query, request, tcp, udp

from aimscope_agent.protocols import ip_fragments, link
from aimscope_agent.protocols.dns_names import host

LINKS = st.sampled_from([*sorted(link._LINKS), 147])
SAID = ("", "api.openai.com", "a.example")
INSIDE = st.sampled_from(
    [
        b"",
        tcp(CLIENT, SERVER, (5_000, 443), 1, 1, 24, hello()),
        tcp("2001:db8::1", "2001:db8::2", (5_000, 80), 1, 1, 24, request("a.example")),
        udp(CLIENT, SERVER, (5_000, 53), query("a.example")),
        ip(CLIENT, SERVER, 4, ip(CLIENT, SERVER, 17, bytes(40))[14:]),
        ip(CLIENT, SERVER, 47, b"\0\0\x65\x58" + udp(CLIENT, SERVER, (5_000, 53), query("a.example"))),
    ]
)
FRAME = st.tuples(LINKS, st.binary(max_size=30), INSIDE, st.integers(0, 40), st.binary(max_size=30), st.booleans())


@given(st.lists(FRAME, max_size=20))
@settings(deadline=None)
def test_any_frames(frames: list[tuple[int, bytes, bytes, int, bytes, bool]]) -> None:
    watcher = Watcher()
    for number, (kind, before, inside, skip, after, cut) in enumerate(frames):
        data = before + inside[skip:] + after
        watcher.dissector.packet(1_700_000_000.0 + number, kind, data, len(data) + 20 * cut)
    watcher.finish()
    assert all(name and name == host(name.encode()) for _, name in watcher.names)
    table, fragments = watcher.dissector.connections, watcher.dissector.network._fragments
    assert (len(table._flows), len(table._pending), table._held) == (0, 0, 0)
    assert len(fragments._waiting) <= ip_fragments.MOST_WAITING
    assert fragments._bytes == sum(each.held for each in fragments._waiting.values())


@given(LINKS, INSIDE, st.integers(0, 200))
def test_a_frame_that_ends_early_names_nobody_new(kind: int, inside: bytes, keep: int) -> None:
    whole = inside if kind == 1 else inside[14:]
    watcher = Watcher()
    watcher.dissector.packet(1.0, kind, whole[:keep], len(whole))
    assert {name for _, name in watcher.finish().names} <= set(SAID)
