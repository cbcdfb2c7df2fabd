"""What carries events: a file, syslog, HTTPS, a webhook. Each takes a batch, and says what of it was not taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from aimscope_collector.deliver import Failure


class Refused(Failure):
    """The receiver refuses this very content, and will again: sending it once more is of no use."""


class TooLarge(Refused):
    """The content is more than the receiver takes at once: less of it may do."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records in their order, each with the id of its event, and the body that joins them."""

    records: tuple[bytes, ...]
    uids: tuple[str, ...]
    body: bytes
    content_type: str


class Carrier(Protocol):
    """One way to one receiver. Not to be used by two threads at once."""

    @property
    def most_records(self) -> int:
        """Records of one batch."""

    @property
    def most_bytes(self) -> int:
        """Bytes of one batch's body."""

    @property
    def settles(self) -> int:
        """Seconds for which a connection has to live on before what was sent over it counts as delivered.

        0 where the receiver says itself that it has it.
        """

    @property
    def one_each(self) -> bool:
        """Whether a receiver answers for each record: a batch then has one event of a thing at most."""

    def send(self, batch: Batch, *, now: int) -> Mapping[int, Failure]:
        """Hand over a batch. Returns what was not taken, by its place, where the receiver answers for each.

        Raises ``Refused`` where it refuses the batch for what it holds, and any other ``Failure`` where it takes
        nothing at present.
        """

    def check(self) -> bool:
        """Whether all that was sent has reached the receiver's machine. Raises ``Failure`` for a broken connection."""

    def close(self) -> None:
        """End the connection, if there is one."""


def cut(records: Sequence[bytes], *, most_records: int, most_bytes: int) -> int:
    """How many records, from the first, one batch takes: at least one."""
    size = 0
    for place, record in enumerate(records):
        size += len(record) + 16  # what joins them
        if place and (place >= most_records or size > most_bytes):
            return place
    return len(records)
