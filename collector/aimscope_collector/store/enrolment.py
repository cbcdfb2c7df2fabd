"""A machine comes with a token and its own identity, and becomes an agent.

Asking twice gives the same answer and uses the token once. A machine that comes again with another identity (it was
reinstalled) takes its asset over from the agent it was; the copy of a machine's disk is a host of its own. An
agent that works is not displaced by one that nobody has approved yet: its token may be a thief's.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.door import Door
from aimscope_collector.store import audit, settings
from aimscope_collector.store.agents import CHANGES, digest, seat
from aimscope_collector.store.tables.fleet import AGENT, ASSET, TOKEN
from aimscope_signatures import wire

_texts = msgspec.json.Decoder(list[str]).decode
WORDS: Final = {
    "bad-token": "The enrolment token is unknown, revoked or has expired: ask for a new one.",
    "token-used-up": "The enrolment token has no uses left: ask for a new one.",
    "wrong-network": "The enrolment token is not valid from this network.",
    "wrong-device": "The enrolment token is not valid for this device.",
    "identity-taken": "The identity belongs to another agent: draw a new one.",
    "revoked": "This agent was revoked.",
}


class Refused(Exception):
    """The machine is not let in; ``word`` is one of ``WORDS``."""

    def __init__(self, word: str) -> None:
        super().__init__(WORDS[word])
        self.word = word


def enrol(connection: sa.Connection, request: wire.Enrol, *, door: Door, address: str, now: int) -> tuple[bool, int]:
    """Whether the agent is approved, and its number. Raises ``Refused``."""
    c = AGENT.c
    columns = (c.id, c.secret, c.next_secret, c.previous_secret, c.approved_at, c.revoked_at, c.replaced_by)
    known = connection.execute(sa.select(*columns).where(c.uid == request.agent)).first()
    if known is not None:
        if request.secret not in (known.secret, known.next_secret, known.previous_secret):
            raise Refused("identity-taken")
        if known.revoked_at is not None or known.replaced_by is not None:
            raise Refused("revoked")
        return known.approved_at is not None, known.id
    token = _use(connection, request, address, now)
    before = connection.execute(
        sa.select(c.asset, c.approved_at, c.revoked_at)
        .where(c.machine == request.machine, c.replaced_by.is_(None))
        .order_by(c.id)
    ).all()
    asset = before[-1].asset if before else _asset(connection, request, door, now)
    approved = not token.approval
    changed = settings.advance(connection, CHANGES)
    agent = int(
        connection.execute(
            AGENT.insert()
            .returning(c.id)
            .values(
                uid=request.agent,
                asset=asset,
                token=token.id,
                secret=request.secret,
                machine=request.machine,
                tags=token.tags,
                enrolled_at=now,
                enrolled_from=door.address(address).pseudonym if address else "",
                approved_at=now if approved else None,
                approved_by=f"token:{token.id}" if approved else "",
                platform=_clean(request.platform),
                version=_clean(request.version),
                last_seen=now,
                changed=changed,
            )
        ).scalar_one()
    )
    if approved or not any(row.approved_at is not None and row.revoked_at is None for row in before):
        seat(connection, agent, changed=changed, now=now)
    audit.record(
        connection,
        at=now,
        actor=f"token:{token.id}",
        action="agent.enrolled",
        about=f"agent:{request.agent}",
        facts={"approved": approved, "replaces": len(before)},
    )
    return approved, agent


def _use(connection: sa.Connection, request: wire.Enrol, address: str, now: int) -> sa.Row[Any]:
    """The token, one of whose uses is taken. Every condition is checked before."""
    token = connection.execute(sa.select(TOKEN).where(TOKEN.c.hash == digest(request.token))).first()
    if token is None or token.revoked_at is not None or token.expires_at <= now:
        raise Refused("bad-token")
    networks, devices = _texts(token.networks), _texts(token.devices)
    if networks and not _within(address, networks):
        raise Refused("wrong-network")
    if devices and request.device_id.casefold() not in {device.casefold() for device in devices}:
        raise Refused("wrong-device")
    used = TOKEN.update().where(TOKEN.c.id == token.id, TOKEN.c.used < TOKEN.c.uses, TOKEN.c.revoked_at.is_(None))
    if not connection.execute(used.values(used=TOKEN.c.used + 1)).rowcount:
        raise Refused("token-used-up")
    return token


def _within(address: str, networks: Sequence[str]) -> bool:
    try:
        where = ip_address(address)
    except ValueError:
        return False
    where = getattr(where, "ipv4_mapped", None) or where
    return any(where in ip_network(network, strict=False) for network in networks)


def _asset(connection: sa.Connection, request: wire.Enrol, door: Door, now: int) -> int:
    """The device of that name, where no other agent lives on it; else one of its own."""
    name = door.device(request.name)
    row = connection.execute(sa.select(ASSET.c.id).where(ASSET.c.pseudonym == name.pseudonym)).first()
    pseudonym = name.pseudonym
    if row is not None:
        lives = sa.select(AGENT.c.id).where(
            AGENT.c.asset == row.id, AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None)
        )
        if connection.execute(lives.limit(1)).first() is None:
            return int(row.id)
        pseudonym = door.device(f"{request.name}\0{request.machine}").pseudonym
        own = connection.execute(sa.select(ASSET.c.id).where(ASSET.c.pseudonym == pseudonym)).scalar_one_or_none()
        if own is not None:
            return int(own)
    values = {"pseudonym": pseudonym, "sealed": name.sealed, "source": "agent", "first_seen": now, "last_seen": now}
    return int(connection.execute(ASSET.insert().values(**values).returning(ASSET.c.id)).scalar_one())


def _clean(text: str) -> str:
    return text.replace("\0", "")
