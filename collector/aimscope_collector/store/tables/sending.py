"""What goes out: signed feeds for agents, alerts, events for destinations.

Owners: ``store/feeds.py``, ``store/outbox.py``, ``store/alerts.py``, ``store/watching.py``, ``store/schedules.py``.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, SmallInteger, Text

from aimscope_collector.store.tables._base import Id, Json, Long, table

FEED = table(
    "feed",
    Column("name", Text, primary_key=True),  # root, catalogue, overlay, policy
    Column("version", Long, primary_key=True, autoincrement=False),
    Column("sha256", Text, nullable=False, index=True),
    Column("envelope", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Long, nullable=False),
    Column("expires_at", Long, nullable=False),
    compact=True,
)

ALERT = table(
    "alert",
    Column("id", Id, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("at", Long, nullable=False),
    Column("severity", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("facts", Json, nullable=False),
    sa.Index("ix_alert_rule_key", "rule", "key", "at"),
)

WATCHED = table(
    "watched",
    Column("finding", Text, primary_key=True),  # as alerts knew it at their last look
    Column("service", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("last", Long),
    Column("bytes_out", Long),
    compact=True,
)

OUTBOX = table(
    "outbox",
    Column("id", Id, primary_key=True),
    Column("event", Text, nullable=False),  # deterministic
    Column("destination", Text, nullable=False),
    Column("payload", Json, nullable=False),
    Column("created_at", Long, nullable=False),
    Column("next_at", Long, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("failure", Text, nullable=False, server_default=""),
    Column("delivered_at", Long),
    sa.UniqueConstraint("event", "destination"),
    sa.Index("ix_outbox_next", "delivered_at", "next_at"),
)

SCHEDULE = table(
    "schedule",  # of reports that are sent by e-mail
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("report", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("unit", Text, nullable=False, server_default=""),
    Column("options", Json, nullable=False, server_default="{}"),
    Column("every", Text, nullable=False),  # day, week, month, quarter
    Column("hour", SmallInteger, nullable=False),  # UTC
    Column("destination", Text, nullable=False),
    Column("account", Id, ForeignKey("account.id")),  # whose units it has; null: the owner of the folder
    Column("made_by", Text, nullable=False),
    Column("made_at", Long, nullable=False),
    Column("due_at", Long, nullable=False),  # the end of the period it is next made of
    Column("next_at", Long, nullable=False),  # when it is next tried
    Column("sent_at", Long),
    Column("failure", Text, nullable=False, server_default=""),
)
