"""What was looked at, and what was hidden or lost on the way: the coverage of captures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from aimscope_agent.traffic.dissector import Dissector
from aimscope_signatures.model import Coverage, Gap, Status

SENSOR: Final = "packets"
EMITS: Final = ("dns.query", "tls.client_hello", "http.request", "connection")
"""Kinds that packets can show."""


class Look(msgspec.Struct, frozen=True):
    """How reading one capture or watching one interface went. Sizes are bytes."""

    source: str
    passed: int
    """Packets that were worth reading."""
    packets: int | None = None
    """All packets, where the number is known."""
    size: int = 0
    dropped: int = 0
    truncated: bool = False
    problems: tuple[str, ...] = ()
    stopped: str = ""
    """Where somebody stopped it before its end; empty if nobody did."""


def coverage(dissector: Dissector, looks: Sequence[Look], veil: Callable[[str], str] = str) -> Coverage:
    """Of everything that was read. ``veil`` gives the name under which a client is shown."""
    gaps = (
        *(gap for look in looks for gap in _of_look(look)),
        *_of_network(dissector, looks),
        *dissector.names.blind.gaps(veil),
    )
    counts = {
        "captures": len(looks),
        "packets_read": sum(look.passed for look in looks),
        "names": dissector.names.count,
        "flows": dissector.flows,
        "clients": len(dissector.names.clients),
    }
    size = sum(look.size for look in looks)
    if size:
        counts["bytes"] = size
    totals = [look.packets for look in looks if look.packets is not None]
    if len(totals) == len(looks):
        counts["packets"] = sum(totals)
    if dissector.names.decoys:
        counts["ech_offered"] = dissector.names.decoys
    return Coverage(SENSOR, Status.PARTIAL if gaps else Status.COMPLETE, gaps, counts)


def _of_look(look: Look) -> Iterator[Gap]:
    if look.stopped:
        yield Gap(look.source, Status.PARTIAL, look.stopped)
    if look.dropped:
        reason = "packets came faster than they could be captured"
        yield Gap(look.source, Status.PARTIAL, reason, look.dropped, "capture on a machine that does nothing else")
    if look.truncated:
        yield Gap(look.source, Status.PARTIAL, "the file ends within a packet")
    for problem in look.problems:
        yield Gap(look.source, Status.PARTIAL, problem)


def _of_network(dissector: Dissector, looks: Sequence[Look]) -> Iterator[Gap]:
    source = ", ".join(look.source for look in looks[:8]) + (" …" if len(looks) > 8 else "")
    network = dissector.network
    for link, count in sorted(network.unknown_links.items()):
        yield Gap(source, Status.UNSUPPORTED, f"frames of link type {link}, which is not known", count)
    if network.malformed:
        yield Gap(source, Status.PARTIAL, "packets that are not what their headers say", network.malformed)
    if network.fragments_evicted:
        yield Gap(source, Status.PARTIAL, "fragmented packets of which a piece is missing", network.fragments_evicted)
    if dissector.evicted:
        yield Gap(source, Status.PARTIAL, "connections given up to stay within memory", dissector.evicted)
