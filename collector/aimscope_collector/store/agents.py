"""Who may report: enrolment tokens, agents, their secrets, approval and revocation.

Callers hold an open transaction. Secrets and tokens are kept as SHA-256 in hex: they have 256 bits of their own.
Changes of who may report are numbered, so that every collector learns of them within half a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.store import audit, settings
from aimscope_collector.store.tables.fleet import AGENT, ASSET, TOKEN, UNIT

CHANGES: Final = "agents.changes"
_DAY: Final = 86_400
_LONGEST: Final = 365 * _DAY
_MOST_USES: Final = 1_000_000


class AgentError(Exception):
    """What was asked for cannot be done; the text says why."""


class Known(msgspec.Struct, frozen=True):
    """What every collector must know of an agent to let it in."""

    id: int
    uid: str
    asset: int
    secret: str
    next_secret: str | None
    previous_secret: str | None
    machine: str
    approved_at: int | None
    revoked_at: int | None
    revoked_why: str
    replaced_by: int | None
    rotated_at: int | None
    enrolled_at: int
    changed: int
    epoch: str
    sequence: int
    """Of that ledger, at least so much is committed."""


_KNOWN: Final = tuple(AGENT.c[name] for name in Known.__struct_fields__)


def digest(secret: str) -> str:
    """As secrets and tokens are kept."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_token(
    connection: sa.Connection,
    *,
    draw: Callable[[], str],
    by: str,
    now: int,
    uses: int = 1,
    seconds: int = _DAY,
    unit: str = "",
    tags: Sequence[str] = (),
    networks: Sequence[str] = (),
    devices: Sequence[str] = (),
    approval: bool = False,
    note: str = "",
) -> tuple[int, str]:
    """A token's number and its text, which is shown once. Raises ``AgentError``.

    Longer than a day it lives only where a list of devices or a person's approval stands between it and the fleet.
    """
    if not 1 <= uses <= _MOST_USES:
        raise AgentError(f"a token has 1 to {_MOST_USES:,} uses")
    if not 60 <= seconds <= _LONGEST:
        raise AgentError("a token lives for a minute to a year")
    if seconds > _DAY and not devices and not approval:
        raise AgentError("a token that lives for more than a day needs a list of devices, or approval of each agent")
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise AgentError(f"{network} is no network: write 10.1.0.0/16") from None
    unit_id = _unit(connection, unit) if unit else None
    text = draw()
    row = TOKEN.insert().values(
        hash=digest(text),
        unit=unit_id,
        tags=_json(tags),
        uses=uses,
        created_at=now,
        expires_at=now + seconds,
        networks=_json(networks),
        devices=_json(devices),
        approval=approval,
        created_by=by,
        note=note,
    )
    number = int(connection.execute(row.returning(TOKEN.c.id)).scalar_one())
    facts: dict[str, str | int | bool | None] = {
        "uses": uses,
        "expires_at": now + seconds,
        "unit": unit,
        "approval": approval,
        "devices": len(devices),
    }
    audit.record(connection, at=now, actor=by, action="token.created", about=f"token:{number}", facts=facts)
    return number, text


def _unit(connection: sa.Connection, path: str) -> int:
    found = connection.execute(sa.select(UNIT.c.id).where(UNIT.c.path == path)).scalar_one_or_none()
    if found is None:
        raise AgentError(f"there is no unit {path}")
    return int(found)


def tokens(connection: sa.Connection) -> list[dict[str, Any]]:
    """All tokens, the newest first, with how many agents each has enrolled. Never their text or hash."""
    columns = [column for column in TOKEN.c if column.name != "hash"]
    enrolled = sa.select(sa.func.count()).select_from(AGENT).where(AGENT.c.token == TOKEN.c.id).scalar_subquery()
    rows = connection.execute(sa.select(*columns, enrolled.label("enrolled")).order_by(TOKEN.c.id.desc()))
    return [dict(row) for row in rows.mappings()]


def enrolled_by(connection: sa.Connection, token: int) -> list[str]:
    """The agents that a token has enrolled."""
    rows = connection.execute(sa.select(AGENT.c.uid).where(AGENT.c.token == token).order_by(AGENT.c.id))
    return list(rows.scalars())


def revoke_token(connection: sa.Connection, token: int, *, by: str, now: int, agents_too: str = "") -> int:
    """End a token, and with a reason in ``agents_too`` all it enrolled. Returns how many. Raises ``AgentError``."""
    done = connection.execute(
        TOKEN.update().where(TOKEN.c.id == token, TOKEN.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    if not done.rowcount and not connection.execute(sa.select(TOKEN.c.id).where(TOKEN.c.id == token)).first():
        raise AgentError(f"there is no token {token}")
    live = sa.select(AGENT.c.uid).where(AGENT.c.token == token, AGENT.c.revoked_at.is_(None))
    uids = list(connection.execute(live).scalars()) if agents_too else []
    for uid in uids:
        revoke(connection, uid, why=agents_too, by=by, now=now)
    facts = {"agents": len(uids)}
    audit.record(connection, at=now, actor=by, action="token.revoked", about=f"token:{token}", facts=facts)
    return len(uids)


def revoke(connection: sa.Connection, uid: str, *, why: str, by: str, now: int) -> None:
    """Let an agent report no more. Raises ``AgentError`` without a reason, or where there is no such agent."""
    if not why.strip():
        raise AgentError("revoking an agent needs a reason")
    _change(connection, uid, {"revoked_at": now, "revoked_why": why})
    audit.record(connection, at=now, actor=by, action="agent.revoked", about=f"agent:{uid}", facts={"why": why})


def approve(connection: sa.Connection, uid: str, *, by: str, now: int) -> None:
    """Let an agent in that waited for it. Raises ``AgentError`` where there is none, or it was revoked."""
    _change(connection, uid, {"approved_at": now, "approved_by": by})
    wanted = sa.select(AGENT.c.id, AGENT.c.changed, AGENT.c.revoked_at).where(AGENT.c.uid == uid)
    row = connection.execute(wanted).one()
    if row.revoked_at is not None:
        raise AgentError(f"the agent {uid} was revoked: its machine has to enrol again")
    seat(connection, row.id, changed=row.changed, now=now)
    audit.record(connection, at=now, actor=by, action="agent.approved", about=f"agent:{uid}", facts={})


def seat(connection: sa.Connection, agent: int, *, changed: int, now: int) -> None:
    """An agent that is let in takes its place: it replaces those that were on its machine before it.

    Its device is managed now, and in the token's unit unless somebody whose word counts more has said otherwise.
    """
    c = AGENT.c
    row = connection.execute(
        sa.select(c.asset, c.machine, TOKEN.c.unit).outerjoin(TOKEN, TOKEN.c.id == c.token).where(c.id == agent)
    ).one()
    before = AGENT.update().where(c.machine == row.machine, c.id < agent, c.replaced_by.is_(None))
    connection.execute(before.values(replaced_by=agent, changed=changed))
    managed = {"managed": True, "source": "agent", "merged_into": None, "last_seen": now}
    connection.execute(ASSET.update().where(ASSET.c.id == row.asset).values(**managed))
    if row.unit is not None:
        ours = sa.or_(ASSET.c.unit.is_(None), ASSET.c.unit_by.in_(("", "token", "rule", "tag")))
        connection.execute(ASSET.update().where(ASSET.c.id == row.asset, ours).values(unit=row.unit, unit_by="token"))


def waiting(connection: sa.Connection) -> list[dict[str, Any]]:
    """Agents that a person has yet to let in: uid, token, platform, when they came, the asset's pseudonym."""
    c = AGENT.c
    rows = connection.execute(
        sa.select(c.uid, c.token, c.platform, c.enrolled_at, ASSET.c.pseudonym)
        .join(ASSET, ASSET.c.id == c.asset)
        .where(c.approved_at.is_(None), c.revoked_at.is_(None), c.replaced_by.is_(None))
        .order_by(c.id)
    )
    return [dict(row) for row in rows.mappings()]


def offer_secret(connection: sa.Connection, uid: str, secret: str) -> None:
    """Note the secret that replaces the present one when it is first used."""
    _change(connection, uid, {"next_secret": secret})


def promote_secret(connection: sa.Connection, uid: str, secret: str, *, now: int) -> None:
    """The offered secret was used: it is the secret now, and the one before works for an overlap."""
    waits = sa.select(AGENT.c.secret).where(AGENT.c.uid == uid, AGENT.c.next_secret == secret)
    old = connection.execute(waits).scalar_one_or_none()
    if old is not None:
        values = {"previous_secret": old, "secret": secret, "next_secret": None, "rotated_at": now}
        _change(connection, uid, values)


def _change(connection: sa.Connection, uid: str, values: Mapping[str, Any]) -> None:
    number = settings.advance(connection, CHANGES)
    done = connection.execute(AGENT.update().where(AGENT.c.uid == uid).values(**values, changed=number))
    if not done.rowcount:
        raise AgentError(f"there is no agent {uid}")


def known(connection: sa.Connection, *, since: int = -1) -> Iterable[Known]:
    """Agents whose right to report changed after the change with this number; all of them by default."""
    rows = connection.execution_options(yield_per=2_000).execute(
        sa.select(*_KNOWN).where(AGENT.c.changed > since).order_by(AGENT.c.changed)
    )
    return (Known(*row) for row in rows)


def find(connection: sa.Connection, uid: str) -> Known | None:
    """One agent; ``None`` where there is none."""
    row = connection.execute(sa.select(*_KNOWN).where(AGENT.c.uid == uid)).first()
    return Known(*row) if row else None


def _json(texts: Sequence[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()
