"""Who may report, as this collector knows it: all agents in memory, kept up with the database twice a second."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

from aimscope_collector.ingest.limits import Allowance, Limits
from aimscope_collector.ingest.problems import Refusal
from aimscope_collector.store import agents, feeds, settings
from aimscope_collector.store.agents import Known
from aimscope_collector.store.interning import VERSION
from aimscope_signatures import wire

_MACHINE: Final = 8
"""Bytes of a machine's digest that tell it from another one."""


class Identity:
    """One agent: what the database says of it, and what this collector has seen of it. There are many: it is small."""

    __slots__ = (
        *("acknowledged", "approved", "asset", "committed", "described", "epoch", "epoch_id", "id", "machine"),
        *("next_secret", "previous", "refusal", "rotated_at", "secret", "uid"),
    )

    def __init__(self, known: Known) -> None:
        self.uid = known.uid
        self.epoch = known.epoch
        """The ledger of the latest request."""
        self.epoch_id = 0
        """Its id; 0 where that has to be looked up."""
        self.committed = known.sequence
        self.acknowledged = 0
        self.described = -1
        """Of what it said of itself last, and of the hour: in few bits."""
        self.update(known)

    def update(self, known: Known) -> None:
        """Take over what the database says of who may report."""
        self.id = known.id
        self.asset = known.asset
        self.secret = bytes.fromhex(known.secret)
        self.next_secret = bytes.fromhex(known.next_secret) if known.next_secret else None
        self.previous = bytes.fromhex(known.previous_secret) if known.previous_secret else None
        self.machine = bytes.fromhex(known.machine)[:_MACHINE]
        self.rotated_at = known.rotated_at if known.rotated_at is not None else known.enrolled_at
        self.approved = known.approved_at is not None
        self.refusal = "revoked" if known.revoked_at is not None else "replaced" if known.replaced_by else ""

    def is_on(self, machine: str) -> bool:
        """Whether that is the machine it was enrolled on."""
        return bytes.fromhex(machine)[:_MACHINE] == self.machine

    def follows(self, epoch: str, committed: int, epoch_id: int = 0) -> None:
        """So much of this ledger is committed."""
        if self.epoch != epoch:
            self.epoch, self.epoch_id, self.committed, self.acknowledged = epoch, 0, 0, 0
        self.epoch_id = epoch_id or self.epoch_id
        self.committed = max(self.committed, committed)


class Directory:
    """All agents by their identity, and the feeds in force."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._agents: dict[str, Identity] = {}
        self._allowances: dict[int, Allowance] = {}
        self._seen = -1
        self._version = -1
        self.feeds: dict[str, wire.Feed] = {}

    def __len__(self) -> int:
        """Agents known."""
        return len(self._agents)

    def get(self, uid: str) -> Identity | None:
        """An agent this collector knows."""
        return self._agents.get(uid)

    def add(self, known: Known) -> Identity:
        """Take an agent over from the database."""
        identity = self._agents.get(known.uid)
        if identity is None:
            identity = self._agents[known.uid] = Identity(known)
        else:
            identity.update(known)
        return identity

    def allowance(self, identity: Identity) -> Allowance:
        """What an agent has used of its bounds."""
        found = self._allowances.get(identity.id)
        if found is None:
            found = self._allowances[identity.id] = Allowance(self._limits)
        return found

    def prune(self, at: float) -> None:
        """Forget what agents have used of their bounds where it is as if they had not."""
        for number, allowance in list(self._allowances.items()):
            if allowance.unused(at, self._limits):
                del self._allowances[number]

    def load(self, connection: sa.Connection) -> None:
        """Know every agent: to begin with, before anybody is served."""
        self._version = settings.number(connection, VERSION)
        self.feeds = feeds.current(connection)
        for known in agents.known(connection):
            self._seen = max(self._seen, known.changed)
            self.add(known)

    def news(self, connection: sa.Connection) -> tuple[list[Known], dict[str, wire.Feed], int]:
        """What has changed since the last time, for ``apply``. Touches nothing but the database."""
        number = settings.number(connection, VERSION)
        return list(agents.known(connection, since=self._seen)), feeds.current(connection), number

    def apply(self, news: tuple[Iterable[Known], dict[str, wire.Feed], int]) -> bool:
        """Take over what has changed. Returns whether ids are to be forgotten."""
        changed, self.feeds, version = news
        for known in changed:
            self.add(known)
            self._seen = max(self._seen, known.changed)
        stale = self._version not in (-1, version)
        self._version = version
        return stale

    def authenticate(self, identity: Identity, secret: str, now: int) -> bool:
        """Whether the secret is the agent's. Raises ``Refusal`` where it is not, or the agent may not report.

        The answer is true where it is the offered secret, which has to become the present one.
        """
        given = hashlib.sha256(secret.encode()).digest()
        offered = identity.next_secret is not None and hmac.compare_digest(given, identity.next_secret)
        right = hmac.compare_digest(given, identity.secret) or offered
        if not right and identity.previous is not None and now < identity.rotated_at + self._limits.overlap:
            right = hmac.compare_digest(given, identity.previous)
        if not right:
            raise Refusal("unauthorised")
        if identity.refusal:
            raise Refusal(identity.refusal)
        return offered
