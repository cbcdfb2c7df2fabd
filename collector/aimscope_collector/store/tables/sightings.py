"""What was seen, and how well could be looked. Owner: ``store/sightings.py``, ``store/coverage.py``.

Keys are small integers: a total of one agent, fact and month has about 70 bytes. ``first`` and
``last`` are corrected by the agent's clock skew when they are read, never here.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Integer, LargeBinary, SmallInteger, Text

from aimscope_collector.store.tables._base import Id, Json, Long, table

EVIDENCE = table(
    "evidence",
    Column("id", Id, primary_key=True),
    Column("key", LargeBinary(16), nullable=False, unique=True),  # of service, kind and fields, canonical
    Column("service", Text, nullable=False),
    Column("said", Text),  # what agents call it, where matching again gave another service
    Column("kind", Text, nullable=False),
    Column("fields", Json, nullable=False),
    Column("held", Json, nullable=False, server_default="[]"),  # by the collector's own matcher
    Column("confirmed", Boolean, nullable=False, server_default=sa.false()),  # the collector's catalogue agrees
    Column("catalogue", Text, nullable=False, server_default=""),  # version that was asked
    Column(
        "withdrawn", Boolean, nullable=False, server_default=sa.false()
    ),  # the catalogue says so no more: not counted
    Column("idle_since", Long),  # when no total named it any more, see store/unused.py
    sa.Index("ix_evidence_service", "service"),
)

SUBJECT = table(
    "subject",
    Column("id", Id, primary_key=True),  # 0 is the machine itself
    Column("pseudonym", Text, nullable=False, unique=True),
    Column("sealed", LargeBinary),  # the account's name, to the reveal key
    Column("groups", Json, nullable=False, server_default="[]"),
    Column("erased_at", Long),  # its rows went to the machine itself, and what still comes goes there too
    Column("idle_since", Long),
)

SIGHTING = table(
    "sighting",
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("agent", Id, primary_key=True, autoincrement=False),
    Column("epoch", Id, primary_key=True, autoincrement=False),
    Column("asset", Id, primary_key=True, autoincrement=False),
    Column("evidence", Id, primary_key=True, autoincrement=False),
    Column("subject", Id, primary_key=True, autoincrement=False),
    Column("count", Long, nullable=False),
    Column("first", Long, nullable=False),
    Column("last", Long, nullable=False),
    Column("bytes_out", Long),
    Column("bytes_in", Long),
    Column("days", Long, nullable=False),
    Column("identity", SmallInteger, nullable=False),
    Column("presence", SmallInteger, nullable=False),
    # what is behind a finding: 22 bytes a row, and entries that never change, for a page that else reads every row
    sa.Index("ix_sighting_evidence", "evidence", "asset"),
    compact=True,
    rewritten=True,
)

DETAIL = table(
    "detail",
    Column("agent", Id, primary_key=True, autoincrement=False),
    Column("evidence", Id, primary_key=True, autoincrement=False),
    Column("details", Json, nullable=False),
    Column("at", Long, nullable=False),
    compact=True,
    rewritten=True,
)

_GAP = sa.text("status <> 'complete'")

COVERAGE = table(
    "coverage",
    Column("agent", Id, primary_key=True, autoincrement=False),
    Column("epoch", Id, primary_key=True, autoincrement=False),
    Column("sensor", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("sequence", Long, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("remedy", Text, nullable=False, server_default=""),
    Column("counts", Json, nullable=False, server_default="{}"),
    Column("emits", Json, nullable=False, server_default="[]"),
    Column("at", Long, nullable=False, server_default="0"),
    sa.Index("ix_coverage_gap", "day", sqlite_where=_GAP, postgresql_where=_GAP),
    compact=True,
)

RUN = table(
    "run",
    Column("agent", Id, primary_key=True, autoincrement=False),
    Column("uid", Text, primary_key=True),
    Column("sequence", Long, nullable=False),
    Column("mode", Text, nullable=False),
    Column("started", Long, nullable=False),
    Column("finished", Long, nullable=False),
    Column("catalogue", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("sightings", Long, nullable=False),
    Column("digest", Text, nullable=False),
    Column("received_at", Long, nullable=False),
    sa.Index("ix_run_received_at", "received_at", "uid"),
    compact=True,
)

USAGE_DAY = table(
    "usage_day",
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("service", Text, primary_key=True),
    Column("unit", Id, primary_key=True, autoincrement=False),  # 0: no unit
    Column("assets", Integer, nullable=False),
    Column("subjects", Integer, nullable=False),
    compact=True,
)
