"""Items 2 and 3: how well could be looked, at what fleet, and each look that was taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.tables import Reading, Table, columns, moment
from aimscope_collector.store import audit
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.sending import FEED
from aimscope_collector.store.tables.sightings import COVERAGE, RUN

NO_LIST: Final = "not imported: no denominator"
_DAY: Final = 86_400
_SILENT: Final = 3 * _DAY
_IN_FORCE: Final = sa.and_(AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None))
_BY_NATURE: Final = (
    (
        *("private-devices", "Private devices (BYOD)"),
        "No agent is on them; a gateway sees those on the company's network.",
        "Rules for private devices, and questions in interviews.",
    ),
    (
        *("mobile", "Phones and tablets"),
        "There is no agent for them; a gateway sees those on the company's network.",
        "The list of apps of mobile device management.",
    ),
    (
        *("encrypted-names", "Encrypted names (DNS over HTTPS, ECH)"),
        "A gateway counts them, and cannot read them.",
        "Agents on the machines: they see what a gateway does not.",
    ),
    (
        *("elsewhere", "Use over other networks, on machines without an agent"),
        "Nothing of it passes what is looked at.",
        "An agent on the machine.",
    ),
    (
        *("content", "What was written to an AI service"),
        "Never looked at, by design.",
        "Nothing, and nothing should.",
    ),
)


def latest_list(reading: Reading) -> int | None:
    """When a list of devices was last imported, up to the end of the period."""
    found = audit.entries(
        reading.connection, actions=("asset.import",), until=reading.until, newest_first=True, limit=1
    )
    return found[0].at if found else None


def _ran(reading: Reading) -> sa.Subquery:
    """Agents that finished a look within the period."""
    c = RUN.c
    query = sa.select(c.agent, sa.func.max(c.finished).label("last")).where(
        c.finished >= reading.since, c.finished < reading.until
    )
    return query.group_by(c.agent).subquery()


def parts(reading: Reading) -> list[tuple[str, int, int, int]]:
    """Of each unit: managed devices, those with an agent in force, those of which a look in the period is known."""
    ran = _ran(reading)
    agents = (
        sa.select(AGENT.c.asset, sa.func.max(ran.c.last).label("last"))
        .select_from(AGENT.outerjoin(ran, ran.c.agent == AGENT.c.id))
        .where(_IN_FORCE)
        .group_by(AGENT.c.asset)
        .subquery()
    )
    path = sa.func.coalesce(UNIT.c.path, "")
    query = (
        sa.select(path, sa.func.count(), sa.func.count(agents.c.asset), sa.func.count(agents.c.last))
        .select_from(ASSET.outerjoin(UNIT, UNIT.c.id == ASSET.c.unit).outerjoin(agents, agents.c.asset == ASSET.c.id))
        .where(ASSET.c.managed.is_(sa.true()), ASSET.c.merged_into.is_(None), reading.view.within(path))
        .group_by(path)
        .order_by(path)
    )
    return [(unit, known, enrolled, looked) for unit, known, enrolled, looked in reading.connection.execute(query)]


def _coverage(reading: Reading) -> Iterator[Sequence[Value]]:
    listed = latest_list(reading) is not None
    for unit, known, enrolled, looked in parts(reading):
        share = f"{100 * looked / known:.1f} %" if listed and known else None
        yield unit or "(no unit)", unit or "(no unit)", known if listed else None, enrolled, looked, share


def _coverage_note(reading: Reading) -> str:
    at = latest_list(reading)
    if at is None:
        return (
            "No list of the devices there should be was imported: how many devices have no agent is not known, and no "
            "share can be told. Import one with the asset list of device management."
        )
    return f"The devices there should be are those of the list imported on {moment(at)}, and those with an agent."


def _agents(reading: Reading) -> Iterator[Sequence[Value]]:
    ran, c = _ran(reading), AGENT.c
    path = sa.func.coalesce(UNIT.c.path, "")
    query = (
        sa.select(c.uid, ASSET.c.pseudonym, path, c.platform, c.version, c.versions, c.enrolled_at, c.last_seen)
        .add_columns(c.revoked_at, c.revoked_why, c.approved_by, ran.c.last)
        .select_from(
            AGENT.join(ASSET, ASSET.c.id == c.asset)
            .outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)
            .outerjoin(ran, ran.c.agent == c.id)
        )
        .where(c.enrolled_at < reading.until, c.replaced_by.is_(None), reading.view.within(path))
        .order_by(c.uid)
    )
    for row in reading.connection.execute(query.execution_options(stream_results=True)):
        catalogue = msgspec.json.decode(row.versions, type=dict[str, int]).get("catalogue")
        yield (
            *(row.uid, row.pseudonym, row[2] or "(no unit)", row.platform or None, row.version or None, catalogue),
            *(moment(row.enrolled_at), row.approved_by or None, moment(row.last_seen), moment(row.last)),
            *(moment(row.revoked_at), row.revoked_why or None),
        )


def _blind(reading: Reading) -> Iterator[Sequence[Value]]:
    first, last = reading.days()
    c = COVERAGE.c
    agents = sa.func.count(c.agent.distinct())
    keys = (c.sensor, c.status, c.reason, c.remedy)
    path = sa.func.coalesce(UNIT.c.path, "")
    seen = (
        COVERAGE.join(AGENT, AGENT.c.id == c.agent)
        .join(ASSET, ASSET.c.id == AGENT.c.asset)
        .outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)
    )
    query = sa.select(*keys, agents).select_from(seen).where(c.day.between(first, last), c.status != "complete")
    query = query.where(reading.view.within(path)).group_by(*keys).order_by(agents.desc(), *keys).limit(1_000)
    for number, row in enumerate(reading.connection.execute(query), 1):
        yield f"gap-{number}", row.sensor, row.status, row.reason or None, row.remedy or None, row[4]
    silent = sa.select(sa.func.count()).select_from(AGENT.join(ASSET, ASSET.c.id == AGENT.c.asset))
    silent = silent.outerjoin(UNIT, UNIT.c.id == ASSET.c.unit).where(
        _IN_FORCE, AGENT.c.last_seen < reading.now - _SILENT, reading.view.within(path)
    )
    number = reading.connection.execute(silent).scalar_one()
    yield "silent", "agents", "silent", "They said nothing for three days.", "See the table of agents.", number
    if reading.view.whole:
        unmanaged = sa.select(sa.func.count()).where(ASSET.c.managed.is_(sa.false()), ASSET.c.merged_into.is_(None))
        number = reading.connection.execute(unmanaged).scalar_one()
        why = "Devices that gateways saw, and nobody manages: only their traffic is known."
        yield "unmanaged", "devices", "seen by gateways only", why, "Enrol them, or list them as known.", number
    for id_, what, why, helps in _BY_NATURE:
        yield id_, what, "by nature", why, helps, None


def _schedule(reading: Reading) -> Iterator[Sequence[Value]]:
    c = FEED.c
    query = sa.select(c.version, c.created_at, c.sha256, c.body).where(c.name == "policy", c.created_at < reading.until)
    for row in reading.connection.execute(query.order_by(c.version)):
        said = msgspec.json.decode(bytes(row.body), type=dict[str, object])
        endpoint = said.get("endpoint")
        of = endpoint if isinstance(endpoint, dict) else {}
        off = [name for name in ("endpoint", "gateway", "logs", "network") if _is_off(said.get(name))]
        yield (
            *(f"policy-{row.version}", row.version, moment(row.created_at)),
            *(str(of["every"]) if of.get("every") else None, str(of["cron"]) if of.get("cron") else None),
            *(", ".join(map(str, of.get("off") or ())) or "none", ", ".join(off) or "none"),
            row.sha256,
        )


def _is_off(part: object) -> bool:
    return isinstance(part, dict) and part.get("enabled") is False


def _runs(reading: Reading) -> Iterator[Sequence[Value]]:
    c = RUN.c
    path = sa.func.coalesce(UNIT.c.path, "")
    query = (
        sa.select(RUN, AGENT.c.uid.label("who"))
        .select_from(
            RUN.join(AGENT, AGENT.c.id == c.agent)
            .join(ASSET, ASSET.c.id == AGENT.c.asset)
            .outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)
        )
        .where(c.finished >= reading.since, c.finished < reading.until, reading.view.within(path))
        .order_by(c.agent, c.uid)
    )
    for row in reading.connection.execute(query.execution_options(stream_results=True)):
        yield (
            *(f"{row.who}/{row.uid}", row.who, row.mode, moment(row.started), moment(row.finished)),
            *("complete" if row.complete else "not complete: see blind spots", row.sightings, row.catalogue),
            *(row.policy or None, row.digest, moment(row.received_at)),
        )


def _runs_by_day(reading: Reading) -> Iterator[Sequence[Value]]:
    c = RUN.c
    number = c.finished // _DAY
    path = sa.func.coalesce(UNIT.c.path, "")
    complete = sa.func.sum(sa.case((c.complete.is_(sa.true()), 1), else_=0))
    query = (
        sa.select(number, sa.func.count(), sa.func.count(c.agent.distinct()), complete)
        .select_from(
            RUN.join(AGENT, AGENT.c.id == c.agent)
            .join(ASSET, ASSET.c.id == AGENT.c.asset)
            .outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)
        )
        .where(c.finished >= reading.since, c.finished < reading.until, reading.view.within(path))
        .group_by(number)
        .order_by(number.desc())
    )
    for at, runs, agents, whole in reading.connection.execute(query):
        day = (moment(int(at) * _DAY) or "")[:10]
        yield day, day, runs, agents, int(whole), runs - int(whole)


def looks_by_month(reading: Reading) -> dict[int, int]:
    """Month (year × 100 + month) → agents that finished a look in it."""
    first, last = reading.days()
    month = COVERAGE.c.day // 100
    query = (
        sa.select(month, sa.func.count(COVERAGE.c.agent.distinct()))
        .select_from(
            COVERAGE.join(AGENT, AGENT.c.id == COVERAGE.c.agent)
            .join(ASSET, ASSET.c.id == AGENT.c.asset)
            .outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)
        )
        .where(COVERAGE.c.day.between(first, last), COVERAGE.c.source == "")
        .where(reading.view.within(sa.func.coalesce(UNIT.c.path, "")))
        .group_by(month)
    )
    return {int(at): agents for at, agents in reading.connection.execute(query)}


TABLES: Final = (
    Table(
        name="coverage",
        title="Coverage of the fleet by unit",
        says="Of the devices there should be, those with an agent, and those at which a look ended within the period.",
        item=2,
        controls=("42001:9.1", "42001:A.4.5", "27001:A.5.9", "nist:MEASURE-2.4"),
        columns=columns(
            ("id", "Row"),
            ("unit", "Unit"),
            ("devices", "Devices there should be", NO_LIST),
            ("with_agent", "With an agent"),
            ("looked_at", "Looked at in the period"),
            ("share", "Share looked at", NO_LIST),
            off_paper="id",
        ),
        rows=_coverage,
        note=_coverage_note,
        empty="There is no managed device: nothing could be looked at.",
    ),
    Table(
        name="agents",
        title="Who reports",
        says="Every agent, with the device's pseudonym and its latest look in the period.",
        item=2,
        controls=("42001:A.4.4", "42001:A.4.5", "27001:A.8.16"),
        needs=("agents:read",),
        columns=columns(
            ("id", "Agent"),
            ("device", "Device (pseudonym)"),
            ("unit", "Unit"),
            ("platform", "Platform", "not told by the agent"),
            ("version", "Version", "not told by the agent"),
            ("catalogue", "Catalogue", "not told by the agent"),
            ("enrolled", "Enrolled"),
            ("approved_by", "Approved by", "let in by its token"),
            ("last_seen", "Last heard of"),
            ("last_look", "Last look in the period", "none"),
            ("revoked", "Revoked", "no"),
            ("revoked_why", "Why", "not revoked"),
            off_paper="version catalogue approved_by revoked_why",
        ),
        rows=_agents,
        empty="No agent was enrolled.",
    ),
    Table(
        name="blind-spots",
        title="Blind spots",
        says="What could not be looked at in the period, on how many agents, and what nobody could see by nature. "
        "Could not look is never found nothing.",
        item=2,
        controls=("42001:9.1", "42001:10.1", "nist:MEASURE-2.4"),
        columns=columns(
            ("id", "Row"),
            ("what", "What"),
            ("status", "How"),
            ("reason", "Why"),
            ("remedy", "What helps", "nothing is known to help"),
            ("agents", "Agents or devices", "cannot be counted"),
            off_paper="id",
        ),
        rows=_blind,
    ),
    Table(
        name="scan-schedule",
        title="Schedule of looks",
        says="What the collector's signed policy asked of agents, version by version.",
        item=3,
        controls=("42001:8.1", "42001:9.1"),
        columns=columns(
            ("id", "Row"),
            ("version", "Version"),
            ("offered", "Offered"),
            ("every", "Every", "left to each machine's own configuration, which the collector does not know"),
            ("cron", "At", "not fixed by the policy"),
            ("sensors_off", "Sensors off"),
            ("parts_off", "Parts off"),
            ("sha256", "SHA-256"),
            off_paper="id sha256",
        ),
        rows=_schedule,
        empty="No policy was offered to agents.",
    ),
    Table(
        name="runs-by-day",
        title="Runs by day",
        says="How many looks ended on each day, by the agents' clocks, the latest day first.",
        item=3,
        controls=("42001:9.1", "42001:A.6.2.6", "27001:A.8.16"),
        columns=columns(
            ("id", "Row"),
            ("day", "Day"),
            ("runs", "Runs"),
            ("agents", "Agents"),
            ("complete", "Complete"),
            ("incomplete", "Not complete"),
            off_paper="id",
        ),
        rows=_runs_by_day,
        empty="No look ended within the period.",
    ),
    Table(
        name="runs",
        title="Run records",
        says="Each look as its agent told of it: when, by which catalogue and policy, with what result. The digest is "
        "the agent's own hash of what it reported, the time received is the collector's.",
        item=3,
        controls=("42001:A.6.2.8", "27001:A.8.15", "aiact:12", "aiact:19"),
        columns=columns(
            ("id", "Run"),
            ("agent", "Agent"),
            ("mode", "Started by"),
            ("started", "Started"),
            ("finished", "Finished"),
            ("result", "Result"),
            ("sightings", "Sightings"),
            ("catalogue", "Catalogue"),
            ("policy", "Policy", "the machine's own"),
            ("digest", "Digest"),
            ("received", "Received"),
            off_paper="agent catalogue policy digest",
        ),
        rows=_runs,
        empty="No look ended within the period.",
    ),
)
