"""A destination of events, what came of delivering to it, and what is on the way."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

import msgspec

from aimscope_collector.deliver.carrying import Carrier, Refused
from aimscope_collector.events import Event
from aimscope_collector.formats import Format, Unknown
from aimscope_collector.store.exports import Lane, State
from aimscope_collector.store.journal import Filter


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where events go, and in which form. ``where`` and ``carried`` are for people, and hold no secret."""

    name: str
    format: Format
    options: Mapping[str, str] = {}
    carrier: Carrier
    carried: str
    where: str = ""
    wanted: Filter = Filter()
    names: bool = False
    """Whether devices are named: otherwise they are pseudonyms."""
    since: int | None = 0
    """Seconds before the first start from which events are sent; ``None``: everything that is kept."""
    counters: int = 1_000
    """Events a day that say nothing but numbers."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What every event says of where it comes from."""

    product_version: str
    catalogue: str
    organisation: str = ""
    collector: str = "aimscope"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a round. ``elsewhere``: another collector delivers, or it is to be left alone for now."""

    sent: int = 0
    dead: int = 0
    failure: str = ""
    elsewhere: bool = False


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An event as a destination gets it."""

    uid: str
    type: str
    at: int
    record: str


class Flight:
    """What was sent to one destination and is not confirmed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lane: Lane = "live"
        self.sent: deque[tuple[int, int]] = deque()  # place, and when it was sent
        self.most = 0  # records of a batch, after one was refused; 0: as many as the carrier takes

    def place(self, state: State) -> int:
        """The place up to which everything is sent; what was sent in another lane, or is confirmed, is forgotten."""
        if self.lane != state.lane or (self.sent and self.sent[-1][0] <= state.place):
            self.sent.clear()
        self.lane = state.lane
        return self.sent[-1][0] if self.sent else state.place


def rendered(one: Destination, event: Event) -> bytes | Refused:
    """The event in the destination's format, or why that cannot be."""
    try:
        return one.format.render(event, one.options)
    except (Unknown, ValueError, TypeError, KeyError) as error:
        return Refused(f"the event cannot be written as {one.format.name}: {type(error).__name__}")


def named(event: Event, known: Mapping[str, str]) -> Event:
    """The event with its device's name, where that is known."""
    if event.device is None or event.device.uid not in known:
        return event
    device = msgspec.structs.replace(event.device, name=known[event.device.uid])
    return msgspec.structs.replace(event, device=device)
