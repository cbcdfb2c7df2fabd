"""A collector's folder with a fleet of years in it, written straight into the database: the same for the same seed.

Devices in units, people, the catalogue's services with the popularity of a long tail, thirteen months of sightings, a
month of coverage and scan runs, an audit log. What follows from these the collector works out.
"""

from __future__ import annotations

import datetime
import random
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from aimscope_collector import accounts, founding
from aimscope_collector.simulate import tools
from aimscope_collector.simulate.plan import Fact
from aimscope_collector.store import accounts as known_accounts
from aimscope_collector.store import audit, credentials
from aimscope_collector.store.audit import Act
from aimscope_collector.store.coverage import day_of
from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET, EPOCH, UNIT
from aimscope_collector.store.tables.sightings import DETAIL, EVIDENCE, RUN, SIGHTING, SUBJECT
from aimscope_signatures import bundle
from aimscope_signatures.kinds import IDENTITIES, PRESENCES
from aimscope_signatures.matcher import Matcher

UNITS, MONTHS, SERVICES = 40, 13, 400
A_DEVICE = 1_000
"""Sightings, about, of each device."""
NAMES = 5
"""Names below a service's own that are asked for."""
AUDITED = 50_000
SENSORS = ("packages", "editors", "browsers", "processes")
DAY = 86_400


def fill(folder: Path, where: str, *, rows: int, seed: int, now: int) -> str:
    """Make the collector and its fleet. Returns an API key that may read everything."""
    catalogue = bundle.shipped()
    founding.found(
        folder,
        database=where,
        secret="",
        catalogue=bundle.pack(catalogue),
        now=now,
        randomness=secrets.token_bytes,
        draw_token=lambda: f"et_{secrets.token_urlsafe(32)}",
    )
    engine = connect(where or str(folder / founding.SQLITE))
    rng = random.Random(seed)
    devices = max(UNITS, rows // A_DEVICE)
    population = tools.choose(catalogue, 30, rng, most=SERVICES)
    facts = list(_facts(population, Matcher(catalogue)))
    with writing(engine) as connection:
        _machines(connection, devices, now)
        _evidence(connection, [fact for _, fact in facts], catalogue.version)
        columns = [column.name for column in SIGHTING.columns]
        shares = [min(0.95, one.share * 1.7) for one in population]
        _copied(connection, "sighting", columns, _sightings(facts, shares, devices, rows, rng, now))
        _copied(connection, "detail", [column.name for column in DETAIL.columns], _details(len(facts), devices, now))
        _copied(connection, "coverage", _COVERAGE, _coverage(devices, now, rng))
        _copied(connection, "run", [column.name for column in RUN.columns], _runs(devices, now))
        for begin in range(0, AUDITED, 5_000):
            audit.record_all(connection, _acts(begin, now))
        asker = known_accounts.create(
            connection, name="benchmark", roles=["admin"], hashed=None, by="benchmark", at=now, origin="oidc"
        )
        key = accounts.new_key(secrets.token_bytes)
        credentials.create_key(
            connection,
            account=asker.id,
            name="benchmark",
            scopes=accounts.PERMISSIONS["admin"],
            secret=key,
            at=now,
            expires_at=now + 30 * DAY,
            by="benchmark",
        )
    if not where:
        with engine.connect() as connection:
            connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    else:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum analyze")
    engine.dispose()
    return key


def _facts(population: Sequence[tools.Tool], matcher: Matcher) -> Iterator[tuple[int, Fact]]:
    """Everything that can be seen, with the place of its service."""
    for place, tool in enumerate(population):
        for fact in tool.facts:
            yield place, fact
        passing = tool.passing
        for number in range(NAMES if passing is not None else 0):
            name = f"n{number}.{dict(passing.fields)['name']}"
            below = tools.of(matcher, tool.service, "dns.query", name=name)
            if below is not None:
                yield place, below


def _machines(connection: sa.Connection, devices: int, now: int) -> None:
    moments = {"first_seen": now - 400 * DAY, "last_seen": now}
    units = [{"id": n, "path": f"region{n % 4}/unit{n}"} for n in range(1, UNITS + 1)]
    connection.execute(UNIT.insert(), units)
    connection.execute(
        ASSET.insert(),
        [
            {"id": n, "pseudonym": f"d-{n:032x}", "unit": n % UNITS + 1, "managed": True, "source": "agent", **moments}
            for n in range(1, devices + 1)
        ],
    )
    agent = {"secret": "", "machine": "", "enrolled_at": now - 400 * DAY, "approved_at": now - 400 * DAY}
    connection.execute(
        AGENT.insert(),
        [
            {"id": n, "uid": f"a{n}", "asset": n, **agent, "last_seen": now - n % 40 * 3_600}
            for n in range(1, devices + 1)
        ],
    )
    connection.execute(
        EPOCH.insert(),
        [{"id": n, "agent": n, "value": f"e{n}", "began_at": now - 400 * DAY} for n in range(1, devices + 1)],
    )
    people = [{"id": n, "pseudonym": f"p-{n:032x}"} for n in range(1, devices + 1)]
    connection.execute(SUBJECT.insert(), people)


def _evidence(connection: sa.Connection, facts: Sequence[Fact], version: str) -> None:
    connection.execute(
        EVIDENCE.insert(),
        [
            {
                "id": number,
                "key": number.to_bytes(16, "big"),
                "service": fact.service,
                "kind": fact.kind,
                "fields": msgspec.json.encode(dict(sorted(fact.fields))).decode(),
                "confirmed": True,
                "catalogue": version,
            }
            for number, fact in enumerate(facts, 1)
        ],
    )


def _sightings(
    facts: Sequence[tuple[int, Fact]], shares: Sequence[float], devices: int, rows: int, rng: random.Random, now: int
) -> Iterator[tuple[Any, ...]]:
    """So many rows, in the order of the key: what a person uses stays the same, and each month shows a part of it."""
    of: list[list[int]] = [[] for _ in shares]
    for number, (place, _) in enumerate(facts, 1):
        of[place].append(number)
    levels = [(IDENTITIES.index(fact.identity), PRESENCES.index(fact.presence)) for _, fact in facts]
    uses = [
        sorted(number for place, share in enumerate(shares) if rng.random() < share for number in of[place])
        for _ in range(devices)
    ]
    wanted = rows / (MONTHS * sum(map(len, uses)))
    for at, month in enumerate(_months(now)):
        middle = int(datetime.datetime(month // 100, month % 100, 15, tzinfo=datetime.UTC).timestamp())
        last = min(middle + 86_400, now - 3_600)
        for device, mine in enumerate(uses, 1):
            for number in mine:
                if rng.random() < wanted:
                    identity, presence = levels[number - 1]
                    days = rng.getrandbits(14) | 1
                    yield (
                        *(month, device, device, device, number, device if number % 3 else 0),
                        *(20 + number % 7, middle - number, last - number, 1_000 * at, None, days, identity, presence),
                    )


def _months(now: int) -> list[int]:
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    last = today.year * 12 + today.month - 1
    return [each // 12 * 100 + each % 12 + 1 for each in range(last - MONTHS + 1, last + 1)]


def _details(evidence: int, devices: int, now: int) -> Iterator[tuple[Any, ...]]:
    for device in range(1, devices + 1):
        for number in range(1 + device % 50, evidence + 1, 50):
            yield (device, number, '{"process":"firefox"}', now)


_COVERAGE = ["agent", "epoch", "sensor", "source", "day", "sequence", "status", "reason", "remedy", "at"]


def _coverage(devices: int, now: int, rng: random.Random) -> Iterator[tuple[Any, ...]]:
    days = [(day_of(now - back * DAY), now - back * DAY) for back in range(30)]
    for device in range(1, devices + 1):
        for sensor in sorted(SENSORS):
            for day, at in sorted(days):
                said = ("partial", f"reason {rng.randrange(20)}", "grant access") if rng.random() < 0.03 else None
                yield (device, device, sensor, "", day, 1, *(said or ("complete", "", "")), at)


def _runs(devices: int, now: int) -> Iterator[tuple[Any, ...]]:
    for device in range(1, devices + 1):
        for back in range(30):
            end = now - back * DAY
            run = (f"{device}-{back:02}", 30 - back, "endpoint", end - 40, end, "c1", "", True, 90, "d" * 64, end)
            yield (device, *run)


def _acts(begin: int, now: int) -> list[Act]:
    actions = ("finding.decided", "account.logged_in", "token.created", "inventory.changed")
    return [
        Act(now - AUDITED + n, f"person{n % 25}", actions[n % 4], f"thing-{n % 3_000}", {"reason": f"because {n}"})
        for n in range(begin, begin + 5_000)
    ]


def _copied(connection: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    if connection.engine.dialect.name == "sqlite":
        names = ", ".join(f'"{name}"' for name in columns)
        driver.executemany(f"insert into {table} ({names}) values ({', '.join('?' * len(columns))})", rows)
        return
    names = ", ".join(f'"{name}"' for name in columns)
    with driver.cursor().copy(f"copy {table} ({names}) from stdin") as sink:
        for row in rows:
            sink.write_row(row)
