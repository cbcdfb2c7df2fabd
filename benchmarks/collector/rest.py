"""A collector at rest with 100,000 agents: its memory, after each has checked in; and what a row costs on disk.

.venv/bin/python benchmarks/collector/rest.py
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sqlite3
import tempfile
import time
from pathlib import Path

import ingest
import processes
from measure import machine


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--agents", type=int, default=100_000)
    options.add_argument("--reports", type=int, default=200, help="of 1,000 rows, for the bytes of a row")
    options.add_argument("--at-once", type=int, default=16)
    given = options.parse_args()
    from aimscope_collector import keys

    print(machine(), f"agents {given.agents}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        keys.create(Path(folder) / "keys", secrets.token_bytes)
        where = f"{folder}/collector.db"
        ingest.prepare(where, given.agents)
        empty = size(where)
        port = ingest.free_port()
        process = ingest.started(where, f"{folder}/keys", port, bare=False)
        try:
            time.sleep(3)
            begun = processes.resident(process.pid)
            lanes = [
                [ingest.check_in(f"a{n}") for n in range(lane, given.agents, given.at_once)]
                for lane in range(given.at_once)
            ]
            seconds, _, statuses = asyncio.run(ingest.load(port, lanes))
            time.sleep(5)
            after = processes.resident(process.pid)
            print(f"{sum(statuses.values()):,} check-ins in {seconds:.0f} s: {statuses}")
            streams: list[list[bytes]] = [[] for _ in range(given.at_once)]
            for number, (body,) in enumerate(ingest.bodies(given.reports, 1, 20_000, 7)):
                streams[number % given.at_once].append(ingest.request(f"a{number}", body))
            _, _, statuses = asyncio.run(ingest.load(port, streams))
            time.sleep(2)
            print(f"{sum(statuses.values()):,} reports: {statuses}")
            print(f"resident: {begun:.0f} MB begun, {after:.0f} MB after all checked in, ", end="")
            print(f"{processes.resident(process.pid):.0f} MB after reports")
        finally:
            process.terminate()
            process.wait()
        rows = given.reports * ingest.CELLS
        print(f"on disk: {(size(where) - empty) / rows:.1f} bytes a total with everything that belongs to it")


def size(where: str) -> int:
    """Bytes of the database, packed."""
    with sqlite3.connect(where) as connection:
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    return Path(where).stat().st_size


if __name__ == "__main__":
    main()
