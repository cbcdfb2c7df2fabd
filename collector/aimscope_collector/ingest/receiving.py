"""A report: checked against its bounds, its names veiled, its rows merged; answered when it is on disk."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.ingest import facts, reading
from aimscope_collector.ingest.context import Context
from aimscope_collector.ingest.directory import Identity
from aimscope_collector.ingest.limits import DAY
from aimscope_collector.ingest.problems import Refusal
from aimscope_collector.ingest.rows import Ids, months, rows_of, tidy
from aimscope_collector.ingest.writing import unavailable
from aimscope_collector.store import interning
from aimscope_collector.store.interning import Evidence, Interned, Wanted
from aimscope_collector.store.presence import Sign
from aimscope_collector.store.sightings import Batch
from aimscope_collector.store.writer import Unacceptable, Unavailable
from aimscope_signatures import wire

_LEAST: Final = 20
"""Cells that any report counts for."""
_IN_FLIGHT: Final = 8
"""Reports an agent may have sent again, or out of order, before it looks like two."""
_LONGEST_WAIT: Final = 3_600


async def receive(context: Context, identity: Identity, body: bytes) -> wire.Pace:
    """Keep a report. Returns when what is acknowledged is on disk. Raises ``Refusal``."""
    read, bad = reading.report(body)
    now = context.now()
    _within_bounds(context, identity, read, now)
    try:
        ids = await _ids(context, identity, read, now, bad)
        rows, details = rows_of(read.cells, ids, identity, months(now, context.limits), bad)
        looks, runs = tidy(read.looks, read.runs, months(now, context.limits), bad)
        batch = Batch(
            agent=identity.id,
            epoch=ids.epoch,
            sequence=read.sequence,
            acknowledged=read.acknowledged,
            rows=rows,
            details=details,
            looks=looks,
            runs=runs,
            received_at=now,
        )
        kept = await context.writer.keep(batch)
    except Unavailable as error:
        identity.epoch_id = 0  # where the database was replaced, its ids are others
        raise unavailable(context, error) from None
    except Unacceptable:
        raise Refusal("unacceptable") from None
    if read.epoch == identity.epoch and read.sequence + _IN_FLIGHT < identity.committed:
        context.presence.cloned(identity.id, now)
    identity.follows(read.epoch, kept.committed, ids.epoch)
    sign = Sign(now, read.sent - now, 0, read.epoch, kept.committed)
    context.presence.seen(identity.id, sign)
    return wire.Pace(
        committed=kept.committed,
        full_state=kept.full_state,
        next_check_in=context.jittered(context.limits.check_in),
        now=now,
        notice=_notice(bad),
    )


def _within_bounds(context: Context, identity: Identity, read: reading.Read, now: int) -> None:
    allowance = context.directory.allowance(identity)
    allowance.today(now // DAY)
    size = max(_LEAST, len(read.cells) + len(read.looks))
    if allowance.cells_today + size > context.limits.cells_a_day:
        raise Refusal("too-fast", "the day's cells are used up", retry_after=min(_LONGEST_WAIT, DAY - now % DAY))
    wait = allowance.cells.take(size, asyncio.get_running_loop().time())
    if wait:
        raise Refusal("too-fast", retry_after=wait * (1 + context.uniform()))
    allowance.cells_today += size
    if identity.epoch not in ("", read.epoch):
        if allowance.epochs_today >= context.limits.epochs_a_day:
            raise Refusal("too-fast", "too many ledgers in a day", retry_after=_LONGEST_WAIT)
        allowance.epochs_today += 1


async def _ids(context: Context, identity: Identity, read: reading.Read, now: int, bad: reading.Bad) -> Ids:
    """Ids of everything the report names: remembered, or drawn in a transaction of their own before its rows."""
    known, digests, new = _facts(context, read.facts, bad)
    people = {name: context.door.person_pseudonym(name) for name in {cell.subject for cell in read.cells} if name}
    devices = {name: context.door.asset_pseudonym(name) for name in {cell.asset for cell in read.cells} if name}
    subjects = {name: context.remembered.subjects.get(pseudonym) for name, pseudonym in people.items()}
    assets = {name: context.remembered.assets.get(pseudonym) for name, pseudonym in devices.items()}
    epoch = identity.epoch_id if identity.epoch == read.epoch else 0
    wanted = Wanted(
        agent=identity.id,
        at=now,
        epoch="" if epoch else read.epoch,
        evidence={pair[0].key: pair for pair in new.values()},
        subjects={
            people[name]: functools.partial(context.door.person, name) for name, id_ in subjects.items() if id_ is None
        },
        assets={
            devices[name]: functools.partial(context.door.asset, name) for name, id_ in assets.items() if id_ is None
        },
        most_evidence=context.limits.evidence,
    )
    found = Interned(epoch=epoch)
    if wanted.epoch or wanted.evidence or wanted.subjects or wanted.assets:
        found = await context.writer.run(functools.partial(_intern, wanted))
        _remember(context, found)
    for at, (evidence, _) in new.items():
        drawn = found.evidence.get(evidence.key)
        if drawn is not None:
            context.remembered.evidence.put(digests[at], (drawn, evidence.kind))
        known[at] = (found.collapsed[evidence.key] if drawn is None else drawn, evidence.kind)
    return Ids(
        epoch=epoch or found.epoch,
        facts=known,
        subjects=_all(subjects, people, found.subjects),
        assets=_all(assets, devices, found.assets),
    )


def _intern(wanted: Wanted, connection: sa.Connection) -> Interned:
    return interning.intern(connection, wanted)


def _remember(context: Context, found: Interned) -> None:
    for pseudonym, number in found.subjects.items():
        context.remembered.subjects.put(pseudonym, number)
    for pseudonym, number in found.assets.items():
        context.remembered.assets.put(pseudonym, number)


def _all(remembered: Mapping[str, int | None], names: Mapping[str, str], drawn: Mapping[str, int]) -> dict[str, int]:
    return {name: drawn[names[name]] if number is None else number for name, number in remembered.items()}


def _facts(
    context: Context, raws: Sequence[msgspec.Raw], bad: Counter[str]
) -> tuple[list[tuple[int, str] | None], dict[int, bytes], dict[int, tuple[Evidence, Evidence]]]:
    """For each fact its id and kind, where they are remembered; digests and evidence of those that are not."""
    known: list[tuple[int, str] | None] = []
    digests: dict[int, bytes] = {}
    new: dict[int, tuple[Evidence, Evidence]] = {}
    recall, matcher = context.remembered.evidence.get, context.matcher()
    for at, raw in enumerate(raws):
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        found = recall(digest)
        known.append(found)
        if found is None:
            try:
                new[at] = facts.evidence(bytes(raw), matcher)
            except facts.Unfit as unfit:
                bad[str(unfit)] += 1
            else:
                digests[at] = digest
    return known, digests, new


def _notice(bad: Mapping[str, int]) -> str:
    if not bad:
        return ""
    said = ", ".join(f"{why} ({count})" for why, count in sorted(bad.items()))
    return f"Not kept: {said}"[: wire.LONGEST_TEXT]
