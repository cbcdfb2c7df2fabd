"""Item 1: by what AI was looked for: versions of the catalogue, and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.tables import Reading, Table, columns, moment
from aimscope_collector.store import coverage
from aimscope_collector.store.tables.sending import FEED
from aimscope_signatures import bundle
from aimscope_signatures.catalogue import Entry

_MOST: Final = 50
"""Versions of the catalogue that are compared: each is some megabytes."""


def _versions(reading: Reading) -> Iterator[Sequence[Value]]:
    c = FEED.c
    query = sa.select(c.name, c.version, c.sha256, c.created_at, c.expires_at).order_by(c.name, c.version)
    have = {name: coverage.feeds(reading.connection, feed=name) for name in ("catalogue", "overlay", "policy")}
    for row in reading.connection.execute(query.where(c.created_at < reading.until)):
        agents = have[row.name].get(row.version, 0) if row.name in have else None
        yield (
            f"{row.name}-{row.version}",
            row.name,
            row.version,
            row.sha256,
            moment(row.created_at),
            moment(row.expires_at),
            agents,
        )


def _changes(reading: Reading) -> Iterator[Sequence[Value]]:
    for feed in ("catalogue", "overlay"):
        yield from _changes_of(reading, feed)


def _changes_of(reading: Reading, feed: str) -> Iterator[Sequence[Value]]:
    c = FEED.c
    query = sa.select(c.version, c.created_at).where(c.name == feed, c.created_at < reading.until)
    versions = list(reading.connection.execute(query.order_by(c.version)))[-_MOST:]
    before: dict[str, Entry] | None = None
    for row in versions:
        after = _entries(reading, feed, row.version)
        about = (feed, row.version, moment(row.created_at))
        if after is None:
            yield f"{feed}-{row.version}-unreadable", *about, "cannot be compared", None, None
        elif before is None:
            yield f"{feed}-{row.version}-first", *about, f"{len(after):,} services to begin with", None, None
        else:
            for change, service, name in _differences(before, after):
                yield f"{feed}-{row.version}-{service}", *about, change, service, name
        before = after


def _entries(reading: Reading, feed: str, version: int) -> dict[str, Entry] | None:
    c = FEED.c
    query = sa.select(c.body).where(c.name == feed, c.version == version)
    try:
        found = bundle.unpack(bytes(reading.connection.execute(query).scalar_one()))
    except ValueError:  # of a format that this version of aimscope does not read
        return None
    return {entry.id: entry for entry in found}


def _differences(before: dict[str, Entry], after: dict[str, Entry]) -> Iterator[tuple[str, str, str]]:
    for service in sorted(before.keys() | after.keys()):
        old, new = before.get(service), after.get(service)
        if old is None and new is not None:
            yield "added", service, new.name
        elif new is None and old is not None:
            yield "removed", service, old.name
        elif old != new and new is not None:
            yield "changed", service, new.name


TABLES: Final = (
    Table(
        name="catalogue-versions",
        title="Versions of what was looked for",
        says="The signed catalogue of AI services, the organisation's own services and the agents' policy, "
        "each version as it was offered to agents. The hash is that of the signed body.",
        item=1,
        controls=("42001:8.1", "42001:A.4.4", "42001:A.6.2.6", "27001:A.8.9"),
        columns=columns(
            ("id", "Row"),
            ("feed", "What"),
            ("version", "Version"),
            ("sha256", "SHA-256"),
            ("offered", "Offered"),
            ("fresh_until", "Fresh until"),
            ("agents", "Agents that have it now", "not told by agents"),
            off_paper="id sha256",
        ),
        rows=_versions,
    ),
    Table(
        name="catalogue-changes",
        title="Change log of the catalogue",
        says=f"What each of the last {_MOST} versions changed, of the catalogue and of the organisation's own services "
        "over it: services added, removed or described otherwise.",
        item=1,
        controls=("42001:6.3", "42001:8.1", "27001:A.8.32"),
        columns=columns(
            ("id", "Row"),
            ("feed", "What"),
            ("version", "Version"),
            ("offered", "Offered"),
            ("change", "Change"),
            ("service", "Service", "none in particular"),
            ("name", "Name", "none in particular"),
            off_paper="id",
        ),
        rows=_changes,
    ),
)
