"""The nouns both ends speak: frozen, value-equal structs."""

from __future__ import annotations

import enum

import msgspec

from aimscope_signatures.kinds import Identity, Presence

Value = str | int | bool | tuple[str, ...]


class Observation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fact of one kind at one time from one source. Knows no signature.

    ``source`` is the file, socket or table it was read from (``~`` for a home); ``subject`` the local
    account it belongs to, empty for the machine; ``at`` seconds since 1970 UTC. ``asset`` is the device it is about
    where that is not the one that looks: a gateway's client, a server found on the network.
    """

    kind: str
    fields: dict[str, Value]
    source: str = ""
    subject: str = ""
    at: int = 0
    asset: str = ""


class Held(msgspec.Struct, frozen=True):
    """The test that held: ``field`` fitted ``value`` of the catalogue by ``operator``."""

    field: str
    operator: str
    value: str


class Detection(msgspec.Struct, frozen=True):
    """An observation that a clause of a signature recognised, and why."""

    service: str
    clause: str
    identity: Identity
    presence: Presence
    held: tuple[Held, ...]
    observation: Observation


class Status(enum.StrEnum):
    """How a sensor's look at one source went."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    DENIED = "denied"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    OFF = "off"


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something a sensor could not look at. "Could not look" is never "found nothing"."""

    source: str
    status: Status
    reason: str
    count: int = 1
    remedy: str = ""
    """What would close the gap, e.g. ``run as root``."""


class Coverage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one sensor looked at: worst status, its gaps, and counts (``files``, ``processes`` …)."""

    sensor: str
    status: Status
    gaps: tuple[Gap, ...] = ()
    counts: dict[str, int] = {}


class Sighting(msgspec.Struct, frozen=True):
    """State, not event: what is known of one piece of evidence for a service in one month.

    Merged by max, min and OR, so redelivery, reordering and duplication cannot double count.
    ``days`` is a 31-bit map of the days of the month on which it was seen.
    """

    month: str
    asset: str
    service: str
    kind: str
    subject: str
    evidence: tuple[tuple[str, str], ...]
    identity: Identity
    presence: Presence
    count: int
    first: int
    last: int
    days: int
    sources: tuple[str, ...] = ()
    """Places it was seen (at most eight), for the reader on this machine; not part of the key."""
    held: tuple[Held, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    """Descriptive fields that are no part of the key: version, publisher, size."""
    bytes_out: int | None = None
    """Bytes sent to the service, as far as they are known; ``None`` where nothing is."""
    bytes_in: int | None = None
