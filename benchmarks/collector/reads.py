"""What a page waits for: the API's reads at five million sightings, beside a bare route of the same framework.

The collector is the installed program with its database filled by ``filled.py``; it has judged everything and has
nothing else to do. One request after the other on a kept-alive connection; findings, cursors and filters differ from
one to the next. Prints milliseconds; asserts nothing.

    .venv/bin/python benchmarks/collector/reads.py [--rows 5000000] [--database postgresql://…] [--folder KEPT]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[2]
for room in ("agent", "collector", "signatures", "cli", "benchmarks"):
    sys.path.insert(0, str(ROOT / room))

import filled  # noqa: E402
import ingest  # noqa: E402
import processes  # noqa: E402
from measure import machine  # noqa: E402

from aimscope_collector import founding  # noqa: E402
from aimscope_collector.store.database import connect  # noqa: E402

LIMIT = 200.0
"""Milliseconds at the 95th percentile."""


def serve_bare(port: int) -> None:
    """The framework alone: a route that answers with a list of a page's size."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server
    from litestar import Litestar, get

    page = [
        {"id": f"f-{n}", "name": "service", "unit": "region/unit", "assets": n, "trend": [1] * 13} for n in range(100)
    ]

    @get("/page", sync_to_thread=True)
    def show() -> list[dict[str, Any]]:
        return page

    app = Litestar([show], openapi_config=None, logging_config=None)
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, http=HTTPModes.http1, log_enabled=False
    )
    asyncio.run(server.serve())


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server, until the end of it."""
    process = subprocess.Popen([sys.executable, *command], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        processes.wait_for(port)
        yield process
    finally:
        process.terminate()
        process.wait()


def settled(pid: int, engine: sa.Engine) -> float:
    """Wait until everything is judged and rolled up, and nothing goes on. Seconds it took."""
    began, quiet, used = time.monotonic(), 0, ingest.processor(pid)
    rolled = "select count(*) from setting where name = 'jobs.day'"
    while quiet < 5:
        time.sleep(1)
        now = ingest.processor(pid)
        with engine.connect() as connection:
            done = connection.exec_driver_sql(rolled).scalar_one()
        quiet = quiet + 1 if done and now - used < 0.05 else 0
        used = now
    return time.monotonic() - began


def questions(client: httpx.Client, rng: random.Random, each: int) -> dict[str, list[str]]:
    """What pages ask: for each route, addresses that differ."""
    findings: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None and len(findings) < 5_000:
        answer = client.get("/findings", params={"limit": 500, **({"cursor": cursor} if cursor else {})})
        if answer.status_code != 200:
            raise RuntimeError(answer.text)
        page = answer.json()
        findings += page["items"]
        cursor = page["next"]
    some = rng.sample(findings, min(each, len(findings)))
    widest = sorted(findings, key=lambda finding: -finding["assets"])[: max(3, each // 6)]
    services = sorted({finding["service"] for finding in findings if finding["service"]})
    units = sorted({finding["unit"] for finding in findings})
    second = client.get("/findings", params={"limit": 100}).json()["next"]

    year = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=365)).date()

    def of(template: str, values: list[Any]) -> list[str]:
        return [template.format(value) for value in (values * each)[:each]]

    return {
        "findings, first page": of("/findings?limit={}", [100]),
        "findings, the next page": of("/findings?limit=100&cursor={}", [second]),
        "findings of a unit": of("/findings?unit={}&order=spread", units),
        "findings by text and verdict": of("/findings?text={}&verdict=unregistered", ["a", "chat", "code", "open"]),
        "findings of a period": of("/findings?days={}&order=recent", [7, 30, 90]),
        "one finding": [f"/findings/{finding['id']}" for finding in some],
        "its sightings": [f"/findings/{finding['id']}/sightings" for finding in some],
        "its sightings, the widest": of("/findings/{}/sightings", [finding["id"] for finding in widest]),
        "its sightings, 7 days": [f"/findings/{finding['id']}/sightings?days=7" for finding in some],
        "services in use": of("/services?in_use=true&limit={}", [100]),
        "all services": of("/services?limit={}", [500]),
        "a service's use by day": of("/services/{}/usage?days=90", rng.sample(services, min(each, len(services)))),
        "a service's use in a year": [
            f"/services/{service}/usage?from={year}" for service in rng.sample(services, min(each, len(services)))
        ],
        "coverage": of("/coverage?days={}", [7]),
        "scan runs": of("/runs?limit={}", [100]),
        "agents": of("/agents?limit={}", [100]),
        "agents of a unit": of("/agents?unit={}", units),
        "silent agents": of("/agents?state=silent&limit={}", [100]),
        "devices": of("/assets?limit={}", [100]),
        "devices nobody knows": of("/assets?managed=false&limit={}", [100]),
        "units": of("/units", [0]),
        "audit log": of("/audit?limit={}", [100]),
        "audit log, one person": of("/audit?actor=person{}", list(range(25))),
        "audit log, about one thing": of("/audit?about=thing-{}", list(range(100))),
        "decisions": of("/decisions?limit={}", [100]),
        "corrective actions": of("/actions?unfinished={}", ["true"]),
        "alerts": of("/alerts?limit={}", [100]),
        "changes of privacy": of("/privacy/watch", [0]),
    }


def timed(client: httpx.Client, addresses: list[str], pid: int) -> tuple[list[float], int, float]:
    """Milliseconds, sorted, bytes of the largest answer, and milliseconds of the server's processor for each answer.

    Raises ``RuntimeError`` where one is no answer.
    """
    took, largest, before = [], 0, ingest.processor(pid)
    for address in addresses:
        began = time.perf_counter()
        answer = client.get(address)
        took.append((time.perf_counter() - began) * 1e3)
        if answer.status_code != 200:
            raise RuntimeError(f"{address}: {answer.status_code} {answer.text[:200]}")
        largest = max(largest, len(answer.content))
    return sorted(took), largest, (ingest.processor(pid) - before) * 1e3 / len(addresses)


def told(name: str, took: list[float], largest: int, worked: float, bare: float) -> str:
    """A line."""
    p50, p95 = took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.95))]
    missed = "  MISSED" if p95 > LIMIT else ""
    line = f"{name:30} p50 {p50:8.1f} ms  p95 {p95:8.1f} ms  worst {took[-1]:8.1f} ms  {largest / 1e3:6.1f} kB"
    return f"{line}  {worked:6.1f} ms of the server  × {p50 / bare:6.1f}{missed}"


def measure(client: httpx.Client, pid: int, plain: httpx.Client, other: int, each: int, seed: int) -> None:
    """Ask everything; the bare route before and after."""
    timed(plain, ["/page"] * each, other)
    found = timed(plain, ["/page"] * each * 4, other)
    bare = found[0][len(found[0]) // 2]
    print(told("bare route of the framework", *found, bare), flush=True)
    for name, addresses in questions(client, random.Random(seed), each).items():
        timed(client, addresses[:2], pid)
        print(told(name, *timed(client, addresses, pid), bare), flush=True)
    print(told("bare route, again", *timed(plain, ["/page"] * each * 4, other), bare), flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=5_000_000)
    options.add_argument("--each", type=int, default=40, help="requests of a kind")
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--database", default="", help="an empty one; else SQLite")
    options.add_argument("--folder", type=Path, help="new, or kept from before: then nothing is filled")
    options.add_argument("--serve-bare", type=int, default=0)
    given = options.parse_args()
    if given.serve_bare:
        serve_bare(given.serve_bare)
        return
    print(machine(), f"rows {given.rows:,}, seed {given.seed}, {'PostgreSQL' if given.database else 'SQLite'}")
    with contextlib.ExitStack() as stack:
        kept = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))) / "collector"
        kept_key = kept.with_suffix(".key")
        if not kept.exists():
            began = time.monotonic()
            key = filled.fill(kept, given.database, rows=given.rows, seed=given.seed, now=int(time.time()))
            kept_key.write_text(key, encoding="ascii")
            print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
        where = given.database or str(kept / founding.SQLITE)
        engine = connect(where)
        port, other = ingest.free_port(), ingest.free_port()
        serve = ["-m", "aimscope_cli", "collector", "serve", "--quiet", "--folder", str(kept)]
        process = stack.enter_context(running([*serve, "--listen", f"127.0.0.1:{port}"], port))
        bare = stack.enter_context(running([__file__, "--serve-bare", str(other)], other))
        took = settled(process.pid, engine)
        with engine.connect() as connection:
            counts = {
                table: connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()
                for table in ("sighting", "agent", "evidence", "finding", "usage_day", "coverage", "run", "audit")
            }
        size = f", {Path(where).stat().st_size / counts['sighting']:.0f} bytes a sighting" if not given.database else ""
        print(", ".join(f"{name} {count:,}" for name, count in counts.items()) + size)
        print(f"everything judged and rolled up in {took:.0f} s, {ingest.peak(process.pid):.0f} MB", flush=True)
        headers = {"authorization": f"Bearer {kept_key.read_text(encoding='ascii')}"}
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{other}", trust_env=False) as plain,
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=120, trust_env=False
            ) as client,
        ):
            measure(client, process.pid, plain, bare.pid, given.each, given.seed)
        print(f"the collector: {processes.resident(process.pid):.0f} MB")
        engine.dispose()


if __name__ == "__main__":
    main()
