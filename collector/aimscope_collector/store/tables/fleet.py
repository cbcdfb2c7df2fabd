"""Who reports, and about what: units, assets, agents, enrolment tokens.

Owners: ``store/agents.py``, ``store/assets.py``.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, Text, UniqueConstraint

from aimscope_collector.store.tables._base import Id, Json, Long, table

UNIT = table(
    "unit",
    Column("id", Id, primary_key=True),
    Column("path", Text, nullable=False, unique=True),  # emea/sales
    Column("scope", Text, nullable=False, server_default="in"),  # in, out, not_yet: of the AI management system
    Column("justification", Text, nullable=False, server_default=""),
)

UNIT_RULE = table(
    "unit_rule",
    Column("id", Id, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("what", Text, nullable=False),  # host, subnet, tag, group
    Column("pattern", Text, nullable=False),
    Column("unit", Id, ForeignKey("unit.id"), nullable=False),
)

ASSET = table(
    "asset",
    Column("id", Id, primary_key=True),
    Column("pseudonym", Text, nullable=False, unique=True),
    Column("sealed", LargeBinary),  # the device's name, to the devices' key
    Column("unit", Id, ForeignKey("unit.id")),
    Column("unit_by", Text, nullable=False, server_default=""),  # token, tag, rule, import, person
    Column("managed", Boolean, nullable=False, server_default=sa.false()),
    Column("source", Text, nullable=False, server_default=""),  # agent, gateway, import, network
    Column("groups", Json, nullable=False, server_default="[]"),
    Column("environment", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default=""),  # pseudonym of a person, as a list says
    Column("fits", Json, nullable=False, server_default="[]"),  # patterns of rows that its names and addresses fit
    Column("merged_into", Id, ForeignKey("asset.id")),
    Column("first_seen", Long, nullable=False),
    Column("last_seen", Long, nullable=False),
    Column("idle_since", Long),  # when no total named it any more, see store/unused.py
    sa.Index("ix_asset_merged_into", "merged_into"),
)

ASSET_ADDRESS = table(
    "asset_address",
    Column("pseudonym", Text, primary_key=True),  # of the address
    Column("asset", Id, ForeignKey("asset.id"), primary_key=True),
    Column("source", Text, primary_key=True),  # agent, import, dhcp, reverse
    Column("valid_from", Long, nullable=False),
    Column("valid_to", Long, nullable=False),
    compact=True,
)

TOKEN = table(
    "token",
    Column("id", Id, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("unit", Id, ForeignKey("unit.id")),
    Column("tags", Json, nullable=False, server_default="[]"),
    Column("uses", Integer, nullable=False),
    Column("used", Integer, nullable=False, server_default="0"),
    Column("created_at", Long, nullable=False),
    Column("expires_at", Long, nullable=False),
    Column("networks", Json, nullable=False, server_default="[]"),
    Column("devices", Json, nullable=False, server_default="[]"),
    Column("approval", Boolean, nullable=False, server_default=sa.false()),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", Long),
    Column("note", Text, nullable=False, server_default=""),
)

AGENT = table(
    "agent",
    Column("id", Id, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("asset", Id, ForeignKey("asset.id"), nullable=False),
    Column("token", Id, ForeignKey("token.id")),
    Column("secret", Text, nullable=False),  # SHA-256; the secret has 256 bits of its own
    Column("next_secret", Text),
    Column("previous_secret", Text),
    Column("machine", Text, nullable=False),
    Column("epoch", Text, nullable=False, server_default=""),
    Column("sequence", Long, nullable=False, server_default="0"),
    Column("tags", Json, nullable=False, server_default="[]"),
    Column("enrolled_at", Long, nullable=False),
    Column("enrolled_from", Text, nullable=False, server_default=""),  # pseudonym of the address
    Column("approved_at", Long),
    Column("approved_by", Text, nullable=False, server_default=""),
    Column("revoked_at", Long),
    Column("revoked_why", Text, nullable=False, server_default=""),
    Column("replaced_by", Id, ForeignKey("agent.id")),
    Column("clone_at", Long),  # when a second machine last used this identity
    Column("clock_skew", Long, nullable=False, server_default="0"),  # seconds its clock is ahead
    Column("platform", Text, nullable=False, server_default=""),
    Column("version", Text, nullable=False, server_default=""),
    Column("versions", Json, nullable=False, server_default="{}"),
    Column("pending", Long, nullable=False, server_default="0"),
    Column("notices", Json, nullable=False, server_default="[]"),
    Column("policy_acknowledged", Long, nullable=False, server_default="0"),
    Column("last_seen", Long, nullable=False),
    Column("introduced", Long, nullable=False, server_default="0"),  # pieces of evidence nobody had reported before
    Column("rotated_at", Long),  # when the present secret was first used
    Column("changed", Long, nullable=False, server_default="0"),  # number of the last change to who may report
    sa.Index("ix_agent_changed", "changed"),
    sa.Index("ix_agent_machine", "machine"),
    sa.Index("ix_agent_asset", "asset"),
    sa.Index("ix_agent_last_seen", "last_seen"),
)

EPOCH = table(
    "epoch",
    Column("id", Id, primary_key=True),
    Column("agent", Id, ForeignKey("agent.id"), nullable=False),
    Column("value", Text, nullable=False),
    Column("sequence", Long, nullable=False, server_default="0"),  # highest committed
    Column("gap", Long, nullable=False, server_default="0"),  # report that showed that earlier ones are not here
    Column("began_at", Long, nullable=False),
    UniqueConstraint("agent", "value"),
)
