"""What a simulated fleet is made of."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from aimscope_signatures.kinds import Identity, Presence

DAY: Final = 86_400
Role = Literal["host", "gateway", "image"]
"""An employee's machine, a unit's gateway, the golden image that machines were copied from."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What decides everything. ``end`` is midnight UTC after the last day, in seconds since 1970."""

    hosts: int = 200
    days: int = 30
    seed: int = 7
    end: int = 1_764_028_800

    @property
    def begin(self) -> int:
        """Midnight UTC of the first day."""
        return self.end - self.days * DAY


class Fact(msgspec.Struct, frozen=True):
    """A piece of evidence that somebody's use of a service leaves behind."""

    service: str
    """Empty: AI that no catalogue knows."""
    kind: str
    fields: tuple[tuple[str, str], ...]
    state: bool
    """It counts once a day."""
    identity: Identity
    presence: Presence


class Tool(msgspec.Struct, frozen=True):
    """A service as a population: how many of a unit's people come to use it, and from when on."""

    service: str
    facts: tuple[Fact, ...]
    """On the machine of whoever uses it."""
    passing: Fact | None
    """What a gateway sees of it."""
    share: float
    """Of people, when everybody who will has begun; before the unit's inclination."""
    begins: int
    """Day on which the first begins; 0 or less: it was there before."""
    spreads: float
    """Days until half of those who will have begun; 0: all at once."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine with an agent."""

    number: int
    role: Role
    name: str
    unit: str
    people: tuple[str, ...]
    address: str
    tools: tuple[tuple[int, int], ...] = ()
    """Tools and the day from which each is used here."""
    extras: tuple[Fact, ...] = ()
    """Personal accounts, MCP servers, AI of one's own."""
    born: int = 0
    """First day."""
    reinstalled: int | None = None
    """Day on which it was set up anew: another identity, another ledger, the same machine."""
    offline: tuple[int, int] = (0, 0)
    """Days, the second not included, on which it reaches nobody."""
    skew: int = 0
    """Seconds its clock is ahead."""
    clients: tuple[str, ...] = ()
    """A gateway's: addresses it sees."""
    copied: bool = False
    """It began as a copy of the unit's golden image."""


class Event(msgspec.Struct, frozen=True):
    """Something seen on one day, by the machine's own clock."""

    fact: Fact
    asset: str
    subject: str
    count: int
    first: int
    last: int
    bytes_out: int | None


class Fleet(msgspec.Struct, frozen=True):
    """Everything."""

    plan: Plan
    units: tuple[str, ...]
    tools: tuple[Tool, ...]
    machines: tuple[Machine, ...]
    silent: frozenset[int]
    """Days on which the collector cannot be reached by anybody."""
