"""A small fleet, planted in a database as reports would have left it."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from nacl.public import PrivateKey

from aimscope_collector.door import Door
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.judging import Row
from aimscope_collector.reconciling import Knowledge, Outcome, Reconciler
from aimscope_collector.store import assets, findings, units
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET
from aimscope_collector.store.tables.sightings import COVERAGE, DETAIL, EVIDENCE, RUN, SIGHTING, SUBJECT
from aimscope_signatures.kinds import IDENTITIES, PRESENCES, Identity, Presence
from tests.collector.example import SERVICES

NOW = int(datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC).timestamp())
DAY = 86_400
DOOR = Door(b"k" * 32, PrivateKey(b"p" * 32).public_key, PrivateKey(b"d" * 32).public_key)


def day_bit(moment: int) -> tuple[int, int]:
    """Month and map of days of a moment."""
    day = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    return day.year * 100 + day.month, 1 << (day.day - 1)


class Planted:
    """Plants. Names are clear here, and go through the door."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def unit(self, path: str) -> int:
        with writing(self.engine) as connection:
            return units.ensure(connection, path=path, actor="ann", now=NOW)

    def agent(
        self,
        name: str,
        unit: str = "",
        *,
        addresses: Iterable[str] = (),
        seen: int = NOW,
        fits: Iterable[str] = (),
        groups: Iterable[str] = (),
        **values: Any,
    ) -> int:
        """An agent on a device of its own."""
        found = self.unit(unit) if unit else None
        with writing(self.engine) as connection:
            asset = assets.of_agent(
                connection,
                device=DOOR.device(name),
                addresses=[DOOR.address(each) for each in addresses],
                groups=groups,
                fits=fits,
                now=seen,
            )
            if found is not None:
                assets.give_unit(connection, asset=asset, unit=found, by="token")
            values = {
                "uid": values.pop("uid", f"u-{name}"),
                "asset": asset,
                "secret": "0",
                "machine": name,
                "enrolled_at": seen,
                "last_seen": seen,
                **values,
            }
            return int(connection.execute(AGENT.insert().values(values).returning(AGENT.c.id)).scalar_one())

    def client(self, name: str, *, seen: int = NOW) -> int:
        """A device as a gateway names it."""
        with writing(self.engine) as connection:
            veiled = DOOR.asset(name)
            return assets.intern(connection, [veiled], source="gateway", now=seen)[veiled.pseudonym]

    def evidence(self, service: str, kind: str, **fields: str) -> int:
        """A piece of evidence, once."""
        said = msgspec.json.encode(sorted(fields.items())).decode()
        key = hashlib.sha256(f"{service}\0{kind}\0{said}".encode()).digest()[:16]
        with writing(self.engine) as connection:
            known = connection.execute(sa.select(EVIDENCE.c.id).where(EVIDENCE.c.key == key)).scalar_one_or_none()
            if known is None:
                statement = EVIDENCE.insert().values(key=key, service=service, kind=kind, fields=said)
                known = connection.execute(statement.returning(EVIDENCE.c.id)).scalar_one()
            return int(known)

    def subject(self, name: str) -> int:
        """An account; 0 for the machine itself."""
        if not name:
            return 0
        pseudonym = DOOR.person(name).pseudonym
        with writing(self.engine) as connection:
            query = sa.select(SUBJECT.c.id).where(SUBJECT.c.pseudonym == pseudonym)
            known = connection.execute(query).scalar_one_or_none()
            if known is None:
                statement = SUBJECT.insert().values(pseudonym=pseudonym).returning(SUBJECT.c.id)
                known = connection.execute(statement).scalar_one()
            return int(known)

    def saw(
        self,
        agent: int,
        service: str,
        kind: str = "package",
        /,
        *,
        at: int = NOW,
        first: int | None = None,
        asset: int | None = None,
        subject: str = "",
        epoch: int = 1,
        count: int = 1,
        identity: Identity = "high",
        presence: Presence = "installed",
        bytes_out: int | None = None,
        details: dict[str, str] | None = None,
        **fields: str,
    ) -> None:
        """A total as a report would have left it."""
        evidence, person = self.evidence(service, kind, **fields), self.subject(subject)
        month, days = day_bit(at)
        with writing(self.engine) as connection:
            own = connection.execute(sa.select(AGENT.c.asset).where(AGENT.c.id == agent)).scalar_one()
            connection.execute(
                SIGHTING.insert().values(
                    month=month,
                    agent=agent,
                    epoch=epoch,
                    asset=own if asset is None else asset,
                    evidence=evidence,
                    subject=person,
                    count=count,
                    first=at if first is None else first,
                    last=at,
                    days=days,
                    bytes_out=bytes_out,
                    identity=IDENTITIES.index(identity),
                    presence=PRESENCES.index(presence),
                )
            )
            if details:
                said = msgspec.json.encode(sorted(details.items())).decode()
                connection.execute(DETAIL.insert().values(agent=agent, evidence=evidence, details=said, at=at))

    def looked(
        self, agent: int, sensor: str, *emits: str, at: int = NOW, status: str = "complete", sequence: int = 1
    ) -> None:
        """A sensor's look, and the run it was part of."""
        day = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y%m%d")
        with writing(self.engine) as connection:
            connection.execute(
                COVERAGE.insert().values(
                    agent=agent,
                    epoch=1,
                    sensor=sensor,
                    source="",
                    day=int(day),
                    sequence=sequence,
                    status=status,
                    emits=msgspec.json.encode(sorted(emits)).decode(),
                    at=at,
                )
            )
            run = f"r{agent}-{sequence}-{sensor}"
            connection.execute(
                RUN.insert().values(
                    agent=agent,
                    uid=run,
                    sequence=sequence,
                    mode="schedule",
                    started=at - 60,
                    finished=at,
                    catalogue="c",
                    policy="p",
                    complete=status == "complete",
                    sightings=0,
                    digest="0" * 64,
                    received_at=at,
                )
            )

    def reconcile(self, inventory: Inventory | None = None, *, now: int = NOW, **options: Any) -> Outcome:
        """Findings brought up to date."""
        return Reconciler(self.engine, door=DOOR).run(Knowledge(inventory, SERVICES), now=now, **options)

    def findings(self, *, gone: bool = False) -> dict[tuple[str, str, str], Row]:
        """Findings by service, unit and condition."""
        with self.engine.connect() as connection:
            return {(row.service, row.unit, row.condition): row for row in findings.rows(connection, gone=gone)}

    def device(self, name: str) -> Any:
        """The row of a device."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(ASSET).where(ASSET.c.pseudonym == DOOR.asset(name).pseudonym)).one()
