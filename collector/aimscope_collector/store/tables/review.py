"""What was decided: inventory versions, findings, decisions, overrides, actions.

Owners: ``store/findings.py`` and those beside it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, SmallInteger, Text, UniqueConstraint

from aimscope_collector.store.tables._base import Id, Json, Long, table

INVENTORY = table(
    "inventory_version",
    Column("number", Id, primary_key=True),
    Column("created_at", Long, nullable=False),
    Column("effective_from", Long, nullable=False),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("digest", Text, nullable=False),
    Column("content", Json, nullable=False),
)

FINDING = table(
    "finding",
    Column("id", Text, primary_key=True),  # from its key: the same in every database
    Column("service", Text, nullable=False),  # empty: in no catalogue
    Column("unit", Text, nullable=False),  # path
    Column("condition", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("row", Text, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("identity", SmallInteger),
    Column("presence", SmallInteger),
    Column("assets", Integer, nullable=False),
    Column("subjects", Integer, nullable=False),
    Column("agents", Integer, nullable=False),
    Column("count", Long, nullable=False),
    Column("first", Long),
    Column("last", Long),
    Column("bytes_out", Long),
    Column("bytes_in", Long),
    Column("trend", Json, nullable=False, server_default="[]"),  # assets a week, the last thirteen
    Column("risk", Json, nullable=False, server_default="null"),
    Column("score", SmallInteger, nullable=False, server_default="0"),  # likelihood × impact
    Column("state", Text, nullable=False, server_default="unreviewed"),  # derived from decisions, kept for queries
    Column("assignee", Text, nullable=False, server_default=""),
    Column("due", Long),
    Column("opened_at", Long, nullable=False),
    Column("changed_at", Long, nullable=False),
    Column("present", SmallInteger, nullable=False, server_default="1"),  # 0: no longer found
    UniqueConstraint("service", "unit", "condition"),
    sa.Index("ix_finding_queue", "state", "verdict", "score"),
)

DECISION = table(
    "decision",
    Column("id", Id, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("service", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("unit", Text),  # null: the whole organisation
    Column("except_units", Json, nullable=False, server_default="[]"),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Long, nullable=False),
    Column("until", Long),
    Column("review_on", Long),
    Column("facts", Json, nullable=False, server_default="{}"),  # assignee, question, row drafted, approver
    sa.Index("ix_decision_service", "service", "condition"),
)

COMMENT = table(
    "comment",
    Column("id", Id, primary_key=True),
    Column("finding", Text, ForeignKey("finding.id"), nullable=False, index=True),
    Column("by", Text, nullable=False),
    Column("at", Long, nullable=False),
    Column("text", Text, nullable=False),
)

ACTION = table(
    "corrective_action",
    Column("id", Id, primary_key=True),
    Column("finding", Text, ForeignKey("finding.id"), nullable=False, index=True),
    Column("cause", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("due", Long, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("opened_at", Long, nullable=False),
    Column("done_at", Long),
    Column("checked_at", Long),
    Column("checked_by", Text, nullable=False, server_default=""),
    Column("effective", SmallInteger),
    Column("check", Text, nullable=False, server_default=""),
)

OVERRIDE = table(
    "override",
    Column("id", Id, primary_key=True),
    Column("service", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default=""),
    Column("evidence", Json, nullable=False, server_default="{}"),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Long, nullable=False),
    Column("until", Long, nullable=False),
    Column("decision", Text, nullable=False, server_default=""),
    Column("unit", Text),  # null: everywhere
)

SAVED_VIEW = table(
    "saved_view",
    Column("id", Id, primary_key=True),
    Column("page", Text, nullable=False),
    Column("owner", Text, nullable=False),  # the account's name
    Column("name", Text, nullable=False),
    Column("query", Json, nullable=False),
    Column("shared", SmallInteger, nullable=False),
    Column("at", Long, nullable=False),
    UniqueConstraint("page", "owner", "name"),
)

SCOPE = table(
    "scope_entry",  # only ever added to: the latest of a unit or system counts
    Column("id", Id, primary_key=True),
    Column("what", Text, nullable=False),  # unit, system
    Column("name", Text, nullable=False),
    Column("place", Text, nullable=False),  # in, out, not_yet
    Column("justification", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Long, nullable=False),
    sa.Index("ix_scope_entry_name", "what", "name"),
)
