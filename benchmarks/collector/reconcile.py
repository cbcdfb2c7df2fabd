"""How long a full reconciliation takes: ``python benchmarks/collector/reconcile.py [ROWS] [DATABASE]``.

5,000 devices in 40 units, 400 services with 5 pieces of evidence each, 100 rows of inventory; sightings spread over
thirteen months. Also one of a single service, as after a report. Prints seconds; asserts nothing.
"""

from __future__ import annotations

import datetime
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from nacl.public import PrivateKey

from aimscope_collector.door import Door
from aimscope_collector.inventory.model import AuthorisedUse, Inventory, Organisation
from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.services import Service
from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.tables import METADATA
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING

NOW = int(datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC).timestamp())
DEVICES, UNITS, SERVICES, EACH = 5_000, 40, 400, 5


def plant(engine: sa.Engine, rows: int) -> None:
    rng = random.Random(7)
    moments = {"first_seen": NOW, "last_seen": NOW}
    with writing(engine) as connection:
        connection.execute(UNIT.insert(), [{"id": n, "path": f"region{n % 4}/unit{n}"} for n in range(1, UNITS + 1)])
        connection.execute(
            ASSET.insert(),
            [
                {"id": n, "pseudonym": f"d-{n}", "unit": n % UNITS + 1, "managed": True, "source": "agent", **moments}
                for n in range(1, DEVICES + 1)
            ],
        )
        agent = {"secret": "", "machine": "", "enrolled_at": NOW, "last_seen": NOW}
        connection.execute(
            AGENT.insert(), [{"id": n, "uid": f"u{n}", "asset": n, **agent} for n in range(1, DEVICES + 1)]
        )
        connection.execute(
            EVIDENCE.insert(),
            [
                {
                    "id": n,
                    "key": n.to_bytes(16, "big"),
                    "service": f"s{n % SERVICES}",
                    "kind": "dns.query" if n % 2 else "package",
                    "fields": msgspec.json.encode([("name" if n % 2 else "package", f"x{n}")]).decode(),
                }
                for n in range(1, SERVICES * EACH + 1)
            ],
        )
    months = [(2025 + (10 + n) // 12) * 100 + (10 + n) % 12 + 1 for n in range(13)]
    keys: set[tuple[int, int, int]] = set()
    while len(keys) < rows:
        evidence = min(int(rng.expovariate(1 / 400)) + 1, SERVICES * EACH)
        keys.add((rng.choice(months), rng.randrange(1, DEVICES + 1), evidence))
    columns = [column.name for column in SIGHTING.columns]
    statement = f"insert into sighting ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"
    values = []
    for month, device, evidence in sorted(keys):
        middle = int(datetime.datetime(month // 100, month % 100, 15, tzinfo=datetime.UTC).timestamp())
        days = rng.getrandbits(28)
        values.append(
            (month, device, 1, device, evidence, device % 3, 20, middle, middle + 86_400, 1_000, None, days, 2, 3)
        )
    with writing(engine) as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql(statement, values)
        else:
            copy = f"copy sighting ({', '.join(columns)}) from stdin"
            driver: Any = connection.connection.driver_connection
            with driver.cursor().copy(copy) as sink:
                for row in values:
                    sink.write_row(row)


def main(rows: int = 1_000_000, where: str = "") -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(where or str(Path(folder) / "bench.db"))
        METADATA.create_all(engine)
        plant(engine, rows)
        if not where:
            with engine.connect() as connection:
                connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
        services = [
            Service(id=f"s{n}", name=f"S{n}", vendor="V", category="assistant", kinds=frozenset({"package"}))
            for n in range(SERVICES)
        ]
        uses = tuple(
            AuthorisedUse(id=f"R{n}", name=f"S{n}", services=(f"s{n}",), status="approved", units=(f"region{n % 4}",))
            for n in range(100)
        )
        inventory = Inventory(aimscope_inventory=1, organisation=Organisation(domains=("corp.example",)), systems=uses)
        door = Door(b"k" * 32, PrivateKey(b"p" * 32).public_key, PrivateKey(b"d" * 32).public_key)
        reconciler = Reconciler(engine, door=door)
        knowledge = Knowledge(inventory, services)
        for what, touched in (("full", None), ("full, again", None), ("one service", ["s3"])):
            began, worked = time.perf_counter(), time.process_time()
            outcome = reconciler.run(knowledge, now=NOW, services=touched)
            took, cpu = time.perf_counter() - began, time.process_time() - worked
            print(f"{what}: {rows:,} sightings, {outcome.findings:,} findings: {took:.2f} s ({cpu:.2f} s here)")
        engine.dispose()


if __name__ == "__main__":
    main(*(int(each) if number == 0 else each for number, each in enumerate(sys.argv[1:])))  # type: ignore[arg-type]
