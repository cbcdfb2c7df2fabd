"""What happened, in the order in which it was committed, and how far each destination has it.

Owners: ``store/journal.py``, ``store/exports.py``, ``store/events_of_devices.py``.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Integer, SmallInteger, Text

from aimscope_collector.store.tables._base import Id, Json, Long, table

JOURNAL = table(
    "journal",
    Column("id", Id, primary_key=True, autoincrement=False),  # drawn in the order of commits, never again
    Column("uid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("about", Text, nullable=False),  # finding:…, agent:…, sensor:…, device:…
    Column("at", Long, nullable=False),
    Column("verdict", Text, nullable=False, server_default=""),
    Column("risk", SmallInteger, nullable=False, server_default="0"),  # 1 low to 4 critical, 0: says none
    Column("unit", Text, nullable=False, server_default=""),
    Column("counters", SmallInteger, nullable=False, server_default="0"),  # 1: nothing but numbers changed
    Column("payload", Json, nullable=False),
    sa.Index("ix_journal_at", "at"),
    sa.Index("ix_journal_counters", "counters", "id"),
)

TOLD = table(
    "told",
    Column("about", Text, primary_key=True),
    Column("sequence", Long, nullable=False),
    Column("said", Text, nullable=False),  # what the latest event said, as far as it matters
    Column("counts", Text, nullable=False),
    Column("at", Long, nullable=False),
    compact=True,
)

DEVICE_TOLD = table(
    "device_told",
    Column("asset", Id, primary_key=True, autoincrement=False),
    Column("service", Text, primary_key=True),
    compact=True,
)

EXPORT = table(
    "export",
    Column("name", Text, primary_key=True),
    Column("cursor", Long, nullable=False),  # of the journal: the receiver has everything up to it
    Column("replay_cursor", Long),
    Column("replay_until", Long),
    Column("holder", Text, nullable=False, server_default=""),  # the collector that delivers
    Column("held_until", Long, nullable=False, server_default="0"),
    Column("next_at", Long, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("failure", Text, nullable=False, server_default=""),
    Column("failing_since", Long),
    Column("refused_in_row", Integer, nullable=False, server_default="0"),
    Column("delivered", Long, nullable=False, server_default="0"),
    Column("failed", Long, nullable=False, server_default="0"),
    Column("dropped", Long, nullable=False, server_default="0"),
    Column("held_back", Long, nullable=False, server_default="0"),  # counters over the day's budget
    Column("budget_day", Long, nullable=False, server_default="0"),
    Column("budget_used", Integer, nullable=False, server_default="0"),
    Column("delivered_at", Long),
    Column("created_at", Long, nullable=False),
    compact=True,
)

DEAD_LETTER = table(
    "dead_letter",
    Column("id", Id, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("at", Long, nullable=False),
    Column("died_at", Long, nullable=False),
    Column("why", Text, nullable=False),
    Column("again", SmallInteger, nullable=False, server_default="0"),  # 1: somebody wants it tried again
    Column("payload", Json, nullable=False),
    sa.UniqueConstraint("destination", "uid"),
)
