"""People and programs that may ask, and the record of what they did.

Owners: ``store/accounts.py``, ``store/sessions.py``, ``store/codes.py``, ``store/sign_on.py``, ``store/audit.py``.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Integer, Text

from aimscope_collector.store.tables._base import Id, Json, Long, table

SETTING = table("setting", Column("name", Text, primary_key=True), Column("value", Text, nullable=False), compact=True)

ACCOUNT = table(
    "account",
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password", Text),  # argon2id
    Column("roles", Json, nullable=False),
    Column("must_change", Boolean, nullable=False, server_default=sa.false()),
    Column("totp", Text),  # sealed
    Column("totp_at", Long),  # when it was confirmed: before that it is not asked for
    Column("totp_step", Long),  # the last one whose code was taken (RFC 6238, 5.2: each code once)
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("locked_until", Long, nullable=False, server_default="0"),
    Column("disabled_at", Long),
    Column("created_at", Long, nullable=False),
    Column("origin", Text, nullable=False, server_default="local"),  # local, oidc
    Column("units", Json, nullable=False, server_default="[]"),  # empty: all
    Column("subject", Text, unique=True),  # issuer and subject of who logs in elsewhere
)

RECOVERY_CODE = table(
    "recovery_code",
    Column("account", Id, ForeignKey("account.id"), primary_key=True),
    Column("hash", Text, primary_key=True),
    compact=True,
)

API_KEY = table(
    "api_key",
    Column("id", Id, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("account", Id, ForeignKey("account.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("created_at", Long, nullable=False),
    Column("expires_at", Long, nullable=False),
    Column("revoked_at", Long),
    Column("last_used", Long),
)

SESSION = table(
    "session",
    Column("hash", Text, primary_key=True),
    Column("account", Id, ForeignKey("account.id"), nullable=False),
    Column("created_at", Long, nullable=False),
    Column("expires_at", Long, nullable=False),
    Column("last_used", Long, nullable=False),
    Column("csrf", Text, nullable=False),
    Column("stage", Text, nullable=False, server_default="full"),  # full, code
    Column("client", Text, nullable=False, server_default=""),
    sa.Index("ix_session_account", "account", "created_at"),
)

SIGN_ON = table(
    "sign_on",
    Column("hash", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("expires_at", Long, nullable=False),
    Column("onward", Text, nullable=False, server_default=""),
)

AUDIT = table(
    "audit",
    Column("sequence", Id, primary_key=True, autoincrement=False),
    Column("at", Long, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("facts", Json, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    sa.Index("ix_audit_action", "action", "at"),
)

REVEAL = table(
    "reveal",
    Column("id", Id, primary_key=True),
    Column("pseudonym", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Long, nullable=False),
    Column("reason", Text, nullable=False),
    Column("second_by", Text),
    Column("second_at", Long),
    Column("opened_at", Long),
    Column("what", Text, nullable=False, server_default="person"),  # person, device
    Column("role", Text, nullable=False, server_default=""),  # in which it was asked
    Column("second_needed", Boolean, nullable=False, server_default=sa.false()),  # as policy was when it was asked
    Column("refused_at", Long),
)
