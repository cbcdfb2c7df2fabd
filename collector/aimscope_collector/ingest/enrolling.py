"""A machine asks to be let in: how often it may ask, and what it is told."""

from __future__ import annotations

import asyncio
import functools

import msgspec
import sqlalchemy as sa

from aimscope_collector.door import Door
from aimscope_collector.ingest.context import Context
from aimscope_collector.ingest.limits import Bucket
from aimscope_collector.ingest.problems import Refusal
from aimscope_collector.ingest.writing import unavailable
from aimscope_collector.store import agents, enrolment, placing
from aimscope_collector.store.agents import Known
from aimscope_collector.store.placing import Asked
from aimscope_collector.store.writer import Unacceptable, Unavailable
from aimscope_signatures import wire

_decode = msgspec.json.Decoder(wire.Enrol).decode


async def enrol(context: Context, address: str, body: bytes) -> wire.Enrolled:
    """Let a machine in by its token. Raises ``Refusal``."""
    failures = _admitted(context, address)
    try:
        request = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refusal("malformed", str(error)[:200]) from None
    place = context.places.asked(request.name, request.addresses)
    work = functools.partial(_enrol, request, context.door, place, address, context.now())
    try:
        known = await context.writer.run(work)
    except enrolment.Refused as refused:
        failures.take(1, asyncio.get_running_loop().time())
        raise Refusal(refused.word, str(refused)) from None
    except (Unavailable, Unacceptable) as error:
        raise unavailable(context, error) from None
    context.directory.add(known)
    root = context.directory.feeds.get("root")
    return wire.Enrolled(
        agent=known.uid,
        approved=known.approved_at is not None,
        root=root.envelope if root else "",
        next_check_in=context.jittered(min(10, context.limits.check_in)),
    )


def _admitted(context: Context, address: str) -> Bucket:
    """Whether another attempt is allowed; the count of those of this address that were refused."""
    at = asyncio.get_running_loop().time()
    failures = context.failures.get(address)
    if failures is None:
        rate = context.limits.failures_a_minute
        failures = Bucket(rate / 60, rate)
        context.failures.put(address, failures)
    wait = failures.wait(1, at) or context.enrolments.take(1, at)
    if wait:
        raise Refusal("too-fast", "too many attempts", retry_after=wait * (1 + context.uniform()))
    return failures


def _enrol(request: wire.Enrol, door: Door, place: Asked, address: str, now: int, connection: sa.Connection) -> Known:
    enrolment.enrol(connection, request, door=door, address=address, now=now)
    known = agents.find(connection, request.agent)
    if known is None:
        raise LookupError(request.agent)
    placing.settle(connection, {known.id: place})
    return known
