"""Items 10 and 11: who could see and do what, who did, that the record is whole, and how long things are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.audit import START
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.tables import Reading, Table, columns, moment
from aimscope_collector.retention import Retention
from aimscope_collector.store import audit, privacy, settings
from aimscope_collector.store.tables.people import ACCOUNT, AUDIT, REVEAL

_RETENTION: Final = "retention"
_MEANINGS: Final = {
    "sightings": "What was seen, by device and account, in whole months",
    "coverage": "What could be looked at",
    "usage": "How many devices and people used a service on a day",
    "runs": "Records of looks",
    "alerts": "Alerts",
    "delivered": "What was delivered to other systems",
    "addresses": "Which device had which address",
}
_STAY: Final = "Findings, decisions, versions of the inventory and the audit log"


def _accounts(reading: Reading) -> Iterator[Sequence[Value]]:
    c = ACCOUNT.c
    query = sa.select(c.name, c.roles, c.units, c.origin, c.created_at, c.disabled_at).order_by(c.name)
    for row in reading.connection.execute(query.where(c.created_at < reading.until)):
        roles, units = (msgspec.json.decode(text, type=list[str]) for text in (row.roles, row.units))
        yield (
            *(row.name, row.name, ", ".join(roles), ", ".join(units) or None, row.origin),
            *(moment(row.created_at), moment(row.disabled_at)),
        )


def _log(reading: Reading) -> Iterator[Sequence[Value]]:
    c = AUDIT.c
    query = sa.select(AUDIT).where(c.at >= reading.since, c.at < reading.until).order_by(c.sequence)
    for row in reading.connection.execute(query.execution_options(stream_results=True)):
        yield (
            *(str(row.sequence), moment(row.at), row.actor or None, row.action, row.object or None, row.facts),
            *(row.previous, row.hash),
        )


def _chain(reading: Reading) -> Iterator[Sequence[Value]]:
    bad = audit.verify(reading.connection)
    head = audit.head(reading.connection)
    whole = "empty" if head == START else "whole" if bad is None else f"broken at entry {bad}"
    yield "head", head.sequence, head.hash, whole, moment(reading.now)


def _reveals(reading: Reading) -> Iterator[Sequence[Value]]:
    c = REVEAL.c
    query = sa.select(REVEAL).where(c.asked_at >= reading.since, c.asked_at < reading.until).order_by(c.id)
    for row in reading.connection.execute(query):
        yield (
            *(f"reveal-{row.id}", moment(row.asked_at), row.asked_by, row.role or None, row.what, row.pseudonym),
            *(row.reason, bool(row.second_needed), row.second_by, moment(row.second_at), moment(row.opened_at)),
            moment(row.refused_at),
        )


def _retention(reading: Reading) -> Iterator[Sequence[Value]]:
    text = settings.read(reading.connection, _RETENTION)
    kept = msgspec.json.decode(text, type=Retention) if text else Retention()
    for name, days in msgspec.structs.asdict(kept).items():
        yield f"retention.{name}", _MEANINGS.get(name, name), f"{days} days", "set" if text else "as delivered"
    yield "retention.stay", _STAY, "stay", "as delivered"
    policy = privacy.policy(reading.connection)
    groups = ", ".join(policy.excluded_groups) or "none"
    second = "yes" if policy.second_person else "no"
    for name, what, value in (
        (
            "least",
            "Smallest group that is shown to whoever sees counts only",
            f"{policy.least_group} people or devices",
        ),
        ("time", "How fine the time of use is shown", policy.time),
        ("excluded", "Groups of which nothing is kept", groups),
        ("second", "A reveal of a name needs a second person", second),
        ("hours", "A reveal stays open for", f"{policy.reveal_hours} hours"),
    ):
        yield f"privacy.{name}", what, value, "in force"


TABLES: Final = (
    Table(
        name="accounts",
        title="Who may do what",
        says="Accounts of the collector with their roles, on the day this pack was made.",
        item=10,
        controls=("42001:5.3", "42001:A.3.2", "27001:A.5.15", "27001:A.5.18"),
        needs=("accounts:read",),
        whole=True,
        columns=columns(
            ("id", "Row"),
            ("name", "Account"),
            ("roles", "Roles"),
            ("units", "Limited to", "no limit"),
            ("origin", "Known by"),
            ("created", "Made"),
            ("disabled", "Disabled", "no"),
            off_paper="id",
        ),
        rows=_accounts,
    ),
    Table(
        name="audit-chain",
        title="Whether the audit log is whole",
        says="Each entry's hash covers the entry before it. Compare this end with one kept elsewhere at an earlier "
        "day: only that shows that the log was not written anew.",
        item=10,
        controls=("42001:7.5", "42001:A.6.2.8", "27001:A.8.15"),
        needs=("audit:read",),
        columns=columns(
            ("id", "Row"), ("sequence", "Last entry"), ("hash", "Its hash"), ("result", "Chain"), ("at", "Checked")
        ),
        rows=_chain,
    ),
    Table(
        name="audit-log",
        title="Audit log",
        says="Everything that was decided, changed, revealed or handed out within the period, with the chain's hashes: "
        "hash = SHA-256(previous + line end + JSON of sequence, at, actor, action, object, facts).",
        item=10,
        controls=("42001:A.6.2.8", "27001:A.8.15", "27001:A.5.28", "aiact:12"),
        needs=("audit:read",),
        whole=True,
        columns=columns(
            ("id", "Entry"),
            ("at", "When"),
            ("actor", "Who", "nobody"),
            ("action", "What"),
            ("object", "About", "nothing in particular"),
            ("facts", "Facts"),
            ("previous", "Hash before"),
            ("hash", "Hash"),
            off_paper="previous hash",
        ),
        rows=_log,
    ),
    Table(
        name="reveals",
        title="Names that were asked for",
        says="Each request for the name behind a pseudonym: by whom, in which role, why, and whether it was opened.",
        item=10,
        controls=("42001:7.5", "27001:A.5.34", "27001:A.8.11"),
        needs=("audit:read",),
        whole=True,
        columns=columns(
            ("id", "Row"),
            ("asked", "Asked"),
            ("by", "By"),
            ("role", "In the role"),
            ("what", "Of a"),
            ("pseudonym", "Pseudonym"),
            ("reason", "Reason"),
            ("second_needed", "Second person needed"),
            ("second_by", "Agreed or refused by", "nobody"),
            ("second_at", "Agreed", "not agreed"),
            ("opened", "Opened", "never"),
            ("refused", "Refused", "no"),
            off_paper="id second_at",
        ),
        rows=_reveals,
        empty="No name was asked for within the period.",
    ),
    Table(
        name="retention",
        title="How long things are kept, and what is shown of people",
        says="The settings in force on the day this pack was made.",
        item=11,
        controls=("42001:7.5", "27001:A.5.33", "27001:A.5.34", "27001:A.8.10"),
        needs=("policy:read",),
        columns=columns(("id", "Row"), ("what", "What"), ("value", "For how long, or how"), ("origin", "Origin")),
        rows=_retention,
    ),
)
