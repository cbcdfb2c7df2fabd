"""A sign of life: answered from memory, so that it never waits for reports to be written."""

from __future__ import annotations

import asyncio
import functools
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.ingest.context import Context
from aimscope_collector.ingest.directory import Identity
from aimscope_collector.ingest.problems import Refusal
from aimscope_collector.ingest.writing import unavailable
from aimscope_collector.store import agents
from aimscope_collector.store.presence import Said, Sign
from aimscope_collector.store.tables.fleet import EPOCH
from aimscope_collector.store.writer import Unacceptable, Unavailable
from aimscope_signatures import wire

_decode = msgspec.json.Decoder(wire.CheckIn).decode
_BITS: Final = (1 << 30) - 1
"""A small number: there is one for each agent."""
_WAITS = "Somebody has yet to let this agent in."
_CLONE = "Another machine uses this agent's identity: whichever is the copy has to enrol anew."


async def check_in(context: Context, identity: Identity, body: bytes) -> wire.Pace:
    """Note that an agent lives, and tell it what is new. Raises ``Refusal``."""
    try:
        said = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refusal("malformed", str(error)[:200]) from None
    now = context.now()
    if not identity.approved:
        context.presence.seen(identity.id, Sign(now, said.sent - now))
        return wire.Pace(next_check_in=context.jittered(context.limits.check_in), now=now, notice=_WAITS)
    clone = _is_clone(identity, said)
    if clone:
        context.presence.cloned(identity.id, now)
    committed = await _committed(context, identity, said)
    epoch = identity.epoch if identity.epoch == said.epoch else said.epoch  # one text for both
    sign = Sign(now, said.sent - now, said.pending, epoch, committed or 0)
    context.presence.seen(identity.id, sign)
    _describe(context, identity, said, now)
    if said.new_secret:
        await _offer(context, identity, said.new_secret)
    offered = context.directory.feeds
    skewed = abs(said.sent - now) > context.limits.clock
    return wire.Pace(
        committed=committed or 0,
        next_check_in=context.jittered(context.limits.check_in),
        full_state=committed is not None and said.acknowledged > committed,
        rotate=identity.next_secret is None and now - identity.rotated_at > context.limits.rotate,
        now=now,
        feeds={name: feed for name, feed in offered.items() if feed.version > said.versions.get(name, 0)},
        notice=_CLONE if clone else f"The clock is wrong by {said.sent - now} seconds." if skewed else "",
    )


def _is_clone(identity: Identity, said: wire.CheckIn) -> bool:
    """Another machine, or what was acknowledged running backwards within one ledger: one of two does not know it."""
    backwards = said.epoch == identity.epoch and said.acknowledged < identity.acknowledged
    if said.epoch == identity.epoch:
        identity.acknowledged = max(identity.acknowledged, said.acknowledged)
    return backwards or (bool(said.machine) and not identity.is_on(said.machine))


async def _committed(context: Context, identity: Identity, said: wire.CheckIn) -> int | None:
    """What is on disk of this ledger; ``None`` where the database cannot be asked now.

    Another collector may have taken reports: before an agent is told that something is missing, the database is asked.
    """
    if identity.epoch == said.epoch and identity.committed >= said.acknowledged:
        return identity.committed
    if not said.acknowledged:
        return 0
    try:
        committed = await asyncio.to_thread(_sequence, context.engine, identity.id, said.epoch)
    except sa.exc.SQLAlchemyError:
        return None
    identity.follows(said.epoch, committed)
    identity.acknowledged = max(identity.acknowledged, said.acknowledged)
    return committed


def _sequence(engine: sa.Engine, agent: int, epoch: str) -> int:
    with engine.connect() as connection:
        wanted = sa.select(EPOCH.c.sequence).where(EPOCH.c.agent == agent, EPOCH.c.value == epoch)
        return connection.execute(wanted).scalar_one_or_none() or 0


def _describe(context: Context, identity: Identity, said: wire.CheckIn, now: int) -> None:
    """Note what an agent says of itself, and where it belongs, where that has changed; its addresses now and then."""
    versions = tuple(sorted(said.versions.items()))
    described = hash(
        (
            *(said.platform, said.version, said.notices, said.acknowledges_policy, said.addresses, said.name, versions),
            *(context.places.number, (now + identity.id) // context.limits.restamp),
        )
    )
    described &= _BITS
    if described == identity.described:
        return
    identity.described = described
    names = [name for name in (*said.addresses, said.name) if name]
    context.presence.says(
        identity.id,
        Said(
            platform=_clean(said.platform),
            version=_clean(said.version),
            versions=msgspec.json.encode(dict(versions)).decode(),
            notices=msgspec.json.encode(said.notices).decode(),
            policy_acknowledged=said.acknowledges_policy,
            at=now,
            asset=identity.asset,
            addresses=sorted({context.door.asset_pseudonym(name) for name in names}),
            place=context.places.asked(said.name, said.addresses),
        ),
    )


def _clean(text: str) -> str:
    return text.replace("\0", "")


async def _offer(context: Context, identity: Identity, secret: str) -> None:
    """The next secret is on disk before the agent hears of it."""
    offered = bytes.fromhex(secret)
    if offered in (identity.secret, identity.next_secret):
        return
    await _write(context, functools.partial(_offer_in, identity.uid, secret))
    identity.next_secret = offered


def _offer_in(uid: str, secret: str, connection: sa.Connection) -> None:
    agents.offer_secret(connection, uid, secret)


async def promote(context: Context, identity: Identity) -> None:
    """The offered secret was used for the first time: it is the secret from now on. Raises ``Refusal``."""
    offered = identity.next_secret
    if offered is not None:
        await _write(context, functools.partial(_promote_in, identity.uid, offered.hex(), context.now()))
        if identity.next_secret == offered:
            identity.previous, identity.secret, identity.next_secret = identity.secret, offered, None
            identity.rotated_at = context.now()


def _promote_in(uid: str, secret: str, now: int, connection: sa.Connection) -> None:
    agents.promote_secret(connection, uid, secret, now=now)


async def _write(context: Context, work: functools.partial[None]) -> None:
    try:
        await context.writer.run(work)
    except (Unavailable, Unacceptable) as error:
        raise unavailable(context, error) from None
