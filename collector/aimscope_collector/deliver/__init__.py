"""Delivery of what waits in the outbox: at least once, to any number of destinations, none of which delays another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
import sqlalchemy as sa

from aimscope_collector.store import outbox
from aimscope_collector.store.database import writing
from aimscope_collector.store.outbox import Item


class Failure(Exception):
    """A receiver did not take an item; the text says why and holds no secret. ``retry_after`` in seconds, 0: unsaid."""

    def __init__(self, why: str, retry_after: int = 0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Transport(Protocol):
    """One destination. ``send`` returns once the receiver has the item, or raises ``Failure``."""

    def send(self, item: Item, /, *, now: int) -> object:
        """Deliver one item."""


class Delivered(msgspec.Struct, frozen=True):
    """What came of one round."""

    sent: int = 0
    failed: int = 0


def deliver(
    engine: sa.Engine, transports: Mapping[str, Transport], *, now: Callable[[], int], limit: int = 50
) -> Delivered:
    """Deliver what is due, by the name of its destination; for a thread that calls it every few seconds.

    A destination that failed is left alone for the rest of the round; what else was claimed for it is due again when
    it is tried next.
    """
    sent = failed = 0
    for name, transport in sorted(transports.items()):
        claimed = now()
        with writing(engine) as connection:
            items = outbox.claim(connection, now=claimed, destinations=[name], limit=limit)
        for item in items:
            if now() - claimed >= outbox.LEASE // 2:
                break  # another collector may soon have what is left
            try:
                transport.send(item, now=now())
            except Failure as failure:
                failed += 1
                with writing(engine) as connection:
                    outbox.failed(connection, item, now=now(), why=str(failure), retry_after=failure.retry_after)
                break
            with writing(engine) as connection:
                outbox.delivered(connection, item, now=now())
            sent += 1
    return Delivered(sent, failed)
