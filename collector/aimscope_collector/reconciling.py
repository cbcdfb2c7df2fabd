"""Keeps findings true to what was seen: reads sums, judges them, writes what changed.

Reading and judging happen outside any lock; only the changes are written under one. What agents send meanwhile is
judged the next time. One reconciliation runs at a time, over all collectors of a database.
"""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector import fleet_findings
from aimscope_collector.assets import Claim, Door, parsed_address, resolve
from aimscope_collector.dormancy import Dormancy, Looks
from aimscope_collector.findings import Finding
from aimscope_collector.inventory.model import Ignore, Inventory
from aimscope_collector.judging import (
    Behind,
    Judged,
    Places,
    Row,
    Total,
    Weeks,
    judge,
    limited,
    merged,
    patterns_of,
    row_of,
    units_in_scope,
)
from aimscope_collector.rules import Rules
from aimscope_collector.services import Service
from aimscope_collector.store import aggregates, assets, coverage, decisions, findings, overrides, units
from aimscope_collector.store.aggregates import Aggregates, Evidence, Extent, Whole
from aimscope_collector.store.database import is_sqlite, writing
from aimscope_collector.store.findings import Changes, Fleet
from aimscope_collector.store.tables.fleet import AGENT
from aimscope_signatures.kinds import KINDS

_DAY: Final = 86_400
_RECENT: Final = 7 * _DAY
"""A look proves absence for so long."""
_LOCK: Final = 0x7265636F_6E
_STATE: Final = frozenset(name for name, kind in KINDS.items() if kind.counts == "state")


class Knowledge:
    """An inventory resolved against a catalogue: made when either changes, and used until then."""

    def __init__(self, inventory: Inventory | None, services: Sequence[Service]) -> None:
        self.inventory = inventory
        self.rules = Rules(inventory, services)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a reconciliation did. ``elsewhere`` counts findings of units that are not in scope."""

    changes: Changes
    findings: int
    elsewhere: dict[str, int]


Follow = Callable[[sa.Connection, Changes], None]
"""Called in the transaction that wrote the changes: states of new findings, alerts."""


class Reconciler:
    """Runs over one database. Safe to call from several threads: they wait for each other."""

    def __init__(self, engine: sa.Engine, *, door: Door, follow: Follow = lambda *_: None) -> None:
        self._engine = engine
        self._door = door
        self._follow = follow
        self._running = threading.Lock()
        self._touching = threading.Lock()
        self._touched: set[str] = set()

    def touch(self, services: Iterable[str]) -> None:
        """Note what something was reported of. Cheap: ingest calls it for every report."""
        with self._touching:
            self._touched.update(services)

    def touched(self) -> frozenset[str]:
        """What waits to be judged."""
        with self._touching:
            return frozenset(self._touched)

    def catch_up(self, knowledge: Knowledge, *, now: int) -> Outcome | None:
        """Judge the services something was reported of since the last time; ``None`` if there are none."""
        with self._touching:
            services, self._touched = self._touched, set()
        if not services:
            return None
        try:
            with self._engine.connect() as connection:
                counted = aggregates.counted_for(connection, sorted(services))
            return self.run(knowledge, now=now, services=sorted(services | counted))
        except BaseException:
            self.touch(services)
            raise

    def run(self, knowledge: Knowledge, *, now: int, services: Sequence[str] | None = None) -> Outcome:
        """Judge everything, or some services. Findings of several services only change when everything is judged."""
        with self._running, _alone(self._engine):
            if services is None:
                with writing(self._engine) as connection:
                    assets.merge(connection)
            rows, elsewhere = self._judged(knowledge, now, services)
            with writing(self._engine) as connection:
                decisions.hold(connection)
                changes = findings.write(
                    connection,
                    rows,
                    services=services,
                    concerns=(lambda _: True) if services is None else _is_of_one_service,
                    now=now,
                )
                self._follow(connection, changes)
        return Outcome(changes=changes, findings=len(rows), elsewhere=elsewhere)

    def preview(self, knowledge: Knowledge, *, now: int) -> list[Row]:
        """What everything would be judged to be. Writes nothing."""
        return self._judged(knowledge, now, None)[0]

    def _judged(
        self, knowledge: Knowledge, now: int, services: Sequence[str] | None
    ) -> tuple[list[Row], dict[str, int]]:
        with self._engine.connect() as connection:
            if not is_sqlite(connection):  # whose readers always see one moment
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                return _Run(connection, knowledge, self._door, now, services).rows()


def _is_of_one_service(row: Row) -> bool:
    return row.verdict != "dormant" and not fleet_findings.is_fleet_condition(row.condition)


@contextlib.contextmanager
def _alone(engine: sa.Engine) -> Iterator[None]:
    """No other collector reconciles meanwhile. SQLite has one collector."""
    if is_sqlite(engine):
        yield
        return
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
        connection.commit()
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))
            connection.commit()


class _Run:
    """One reading and judging."""

    def __init__(
        self, connection: sa.Connection, knowledge: Knowledge, door: Door, now: int, services: Sequence[str] | None
    ) -> None:
        self._connection = connection
        self._knowledge = knowledge
        self._now = now
        self._services = services
        self._today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
        self._weeks = Weeks(self._today)
        self._ignores = _ignores(connection, now)
        plain = patterns_of(knowledge.inventory, self._ignores)[1]
        self._fleet = findings.fleet(connection, names=_pseudonyms(plain, door))
        self._places = Places(self._fleet.devices, knowledge.inventory, self._ignores)
        self._moving = _Moving(connection, self._fleet)

    def rows(self) -> tuple[list[Row], dict[str, int]]:
        """Findings, and how many there would be in units that are not in scope."""
        known = aggregates.evidence(self._connection, self._services)
        scopes = {path: unit.scope for path, unit in units.units(self._connection).items()}
        in_scope = units_in_scope(scopes)
        since = int(datetime.datetime.combine(self._weeks.first, datetime.time(), datetime.UTC).timestamp())
        extent = Extent(since=since, since_month=self._weeks.first.year * 100 + self._weeks.first.month, now=self._now)
        sums = Aggregates(
            self._connection,
            extent=extent,
            evidence={each.id: each.kind for each in known.values()},
            places=self._settled_places(),
            gone=coverage.missed(self._connection, since=self._now - _RECENT, now=self._now, kinds=_STATE),
        )
        with sums:
            wholes = self._moving.found(sums)
            totals = merged([*self._settled(sums, known), *self._moved(wholes, known)])
            judgement = judge(
                totals,
                self._places,
                self._knowledge.rules,
                ignores=self._ignores,
                today=self._today,
                in_scope=in_scope,
            )
            judged = list(judgement.judged)
            if self._services is None:
                taken = {each.finding.key for each in judged}
                idle = (each for each in self._dormant(judgement.present) if in_scope(each.unit))
                judged += (Judged(each, ()) for each in idle if each.key not in taken)
                is_judged = self._knowledge.inventory is not None
                judged += fleet_findings.namesakes(totals, judged=is_judged)
            behind = self._behind(judged, sums, wholes)
        rows = [row_of(each.finding, each.totals, who) for each, who in zip(judged, behind, strict=True)]
        if self._services is None:
            managed = sum(device.managed for device in self._fleet.devices)
            both = list(zip(judged, behind, strict=True))
            rows += (row_of(*each) for each in fleet_findings.unusual(both, devices=managed))
        return rows, judgement.elsewhere

    def _settled_places(self) -> dict[int, int]:
        """Asset → the place of its device; what moves gets one of its own, and is taken apart later."""
        number = self._places.number
        apart = len(self._places.places)
        return {
            asset: apart if asset in self._fleet.moving else number[device]
            for asset, device in self._fleet.device_of.items()
            if device in number
        }

    def _settled(self, sums: Aggregates, known: Mapping[int, Evidence]) -> Iterator[Total]:
        apart = len(self._places.places)
        for each in sums.sums():
            if each.place != apart:
                volumes = (each.bytes_out, each.bytes_in)
                values = (each.identity, each.presence, each.count, each.first, each.last, *volumes)
                yield _total(known[each.evidence], each.place, values)

    def _moved(self, wholes: Sequence[tuple[Whole, int]], known: Mapping[int, Evidence]) -> Iterator[Total]:
        for whole, device in wholes:
            place = self._places.number[device]
            yield _total(
                known[whole.evidence],
                place,
                (whole.identity, whole.presence, whole.times, whole.first, whole.last, whole.bytes_out, whole.bytes_in),
            )

    def _behind(self, judged: Sequence[Judged], sums: Aggregates, wholes: Sequence[tuple[Whole, int]]) -> list[Behind]:
        """Who is behind each finding: one pass over the sightings."""
        behind = [Behind() for _ in judged]
        stride = len(self._places.places) + 1
        concerned: dict[int, list[Behind]] = defaultdict(list)
        for one, who in zip(judged, behind, strict=True):
            for key in {id_ * stride + total.place for total in one.totals for id_ in total.ids}:
                concerned[key].append(who)
        where = {
            asset: (device, self._places.number[device])
            for asset, device in self._fleet.device_of.items()
            if device in self._places.number and asset not in self._fleet.moving
        }
        weeks_of = self._weeks.of
        nobody: tuple[Behind, ...] = ()
        for evidence, asset, subject, agent, month, days in sums.rows():
            at = where.get(asset)
            if at is not None:
                device, place = at
                weeks = weeks_of(month, days)
                for who in concerned.get(evidence * stride + place, nobody):
                    seen = who.devices
                    seen[device] = seen.get(device, 0) | weeks
                    who.agents.add(agent)
                    if subject:
                        who.subjects.add(subject)
        for whole, device in wholes:
            for who in concerned.get(whole.evidence * stride + self._places.number[device], nobody):
                who.devices[device] = who.devices.get(device, 0) | weeks_of(whole.month, whole.days)
                who.agents.add(whole.agent)
                if whole.subject:
                    who.subjects.add(whole.subject)
        return behind

    def _dormant(self, present: Mapping[str, frozenset[int]]) -> Iterable[Finding]:
        looks: dict[int, set[tuple[str, frozenset[str], bool]]] = defaultdict(set)
        agents = sa.select(AGENT.c.id, AGENT.c.asset).where(AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None))
        device_of = {row.id: self._fleet.device_of.get(row.asset) for row in self._connection.execute(agents)}
        for look in coverage.looks(self._connection, since=self._now - _RECENT, now=self._now):
            device = device_of.get(look.agent)
            if device is not None:
                looks[device].add((look.sensor, look.emits, look.status == "complete"))
        frozen: dict[int, Looks] = {device: frozenset(several) for device, several in looks.items()}
        return Dormancy(self._places, frozen).findings(self._knowledge.rules, present, self._today)


class _Moving:
    """Addresses that more than one device had: each total is laid to who had the address then."""

    def __init__(self, connection: sa.Connection, fleet: Fleet) -> None:
        self._fleet = fleet
        self._claims: dict[str, list[Claim]] = assets.claims(connection, sorted(fleet.moving.values()))

    def found(self, sums: Aggregates) -> list[tuple[Whole, int]]:
        """Their sightings, each with its device: the asset itself where nobody, or several, can have been it."""
        if not self._fleet.moving:
            return []
        return [(whole, self._device(whole)) for whole in sums.whole(sorted(self._fleet.moving))]

    def _device(self, whole: Whole) -> int:
        claims = self._claims.get(self._fleet.moving[whole.asset], ())
        device = resolve(whole.first, whole.last, claims).device
        return whole.asset if device is None else self._fleet.device_of.get(device, whole.asset)


def _total(evidence: Evidence, place: int, values: tuple[int, int, int, int, int, int | None, int | None]) -> Total:
    identity, presence, count, first, last, bytes_out, bytes_in = values
    return Total(
        service=evidence.service,
        kind=evidence.kind,
        fields=evidence.fields,
        details=evidence.details,
        place=place,
        identity=identity,
        presence=presence,
        count=count,
        first=first,
        last=last,
        bytes_out=bytes_out,
        bytes_in=bytes_in,
        ids=(evidence.id,),
    )


def _ignores(connection: sa.Connection, now: int) -> tuple[Ignore, ...]:
    return tuple(limited(each.ignore(), each.unit) for each in overrides.overrides(connection, now=now))


def _pseudonyms(plain: Iterable[str], door: Door) -> dict[str, list[str]]:
    """Pseudonym → the plain names and addresses of rows it is of."""
    found: dict[str, list[str]] = defaultdict(list)
    for pattern in plain:
        address = parsed_address(pattern)
        veiled = door.address(address) if address else door.device(pattern.strip())
        found[veiled.pseudonym].append(pattern)
    return found
