"""A fleet comes back at once: 20,000 agents check in and bring a day's state within a minute; how long signs of life
take meanwhile, and how much memory the collector needs. Real server, real clock, compressed pace.

    .venv/bin/python benchmarks/collector/herd.py [--database postgresql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import secrets
import tempfile
import time
from pathlib import Path

import ingest
import processes
from measure import machine


class Connections:
    """Kept-alive connections that requests share, as behind a balancer."""

    def __init__(self, port: int, most: int) -> None:
        self._port = port
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        for _ in range(most):
            self._free.put_nowait(None)

    async def ask(self, request: bytes) -> tuple[int, float, int]:
        """Status, seconds from having a connection to the answer, and what ``Retry-After`` says."""
        line = await self._free.get()
        try:
            reader, writer = line or await asyncio.open_connection("127.0.0.1", self._port)
            began = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            fields = dict(row.split(b": ", 1) for row in head.split(b"\r\n")[1:] if b": " in row)
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
            line = (reader, writer)
            return int(head[9:12]), time.perf_counter() - began, int(fields.get(b"retry-after", b"0"))
        finally:
            self._free.put_nowait(line)


def report(uid: str, rows: int) -> bytes:
    now, month = int(time.time()), int(time.strftime("%Y%m", time.gmtime()))
    facts = [["openai-chatgpt", "dns.query", [["name", f"n{n}.chat.example"]], []] for n in range(rows)]
    cells = [[n, month, "", f"{uid}-user", n, now - 900, now, 1, "high", "used"] for n in range(rows)]
    said = {"schema": 1, "epoch": f"e-{uid}", "sequence": 1, "sent": now, "facts": facts, "cells": cells}
    return ingest.request(uid, gzip.compress(json.dumps(said).encode(), 1))


async def come_back(port: int, agents: int, rows: int, seconds: float) -> tuple[list[float], list[float], int, float]:
    """Latencies of signs of life and of reports, how often somebody was put off, and when all had arrived."""
    signs, reports = Connections(port, 64), Connections(port, 64)
    lives: list[float] = []
    brought: list[float] = []
    put_off = 0
    began = time.perf_counter()

    async def one(number: int, delay: float) -> None:
        nonlocal put_off
        uid = f"a{number}"
        await asyncio.sleep(delay)
        while True:
            status, took, wait = await signs.ask(ingest.check_in(uid))
            if status == 200:
                break
            put_off += 1
            await asyncio.sleep(wait or 1)
        lives.append(took)
        while True:
            status, took, wait = await reports.ask(report(uid, rows))
            if status == 200:
                break
            put_off += 1
            await asyncio.sleep((wait or 1) * (1 + random.random() / 10))
        brought.append(took)

    rng = random.Random(7)
    await asyncio.gather(*(one(number, rng.random() * seconds) for number in range(agents)))
    return sorted(lives), sorted(brought), put_off, time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--agents", type=int, default=20_000)
    options.add_argument("--rows", type=int, default=100)
    options.add_argument("--seconds", type=float, default=60.0, help="within which all come back")
    options.add_argument("--database", default="")
    given = options.parse_args()
    from aimscope_collector import keys

    print(machine(), f"agents {given.agents}, {given.rows} rows each, within {given.seconds:.0f} s")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        keys.create(Path(folder) / "keys", secrets.token_bytes)
        where = given.database or f"{folder}/collector.db"
        ingest.prepare(where, given.agents)
        port = ingest.free_port()
        process = ingest.started(where, f"{folder}/keys", port, bare=False)
        try:
            rest = processes.resident(process.pid)
            lives, brought, put_off, took = asyncio.run(come_back(port, given.agents, given.rows, given.seconds))
            memory = ingest.peak(process.pid)
        finally:
            process.terminate()
            process.wait()
    for name, found in (("signs of life", lives), ("reports", brought)):
        p50, p99 = found[len(found) // 2] * 1e3, found[int(len(found) * 0.99)] * 1e3
        print(f"{name:14} {len(found):8,}  p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  worst {found[-1] * 1e3:7.1f} ms")
    rows = given.agents * given.rows
    print(f"all there after {took:.1f} s ({rows / took:,.0f} rows/s), {put_off} put off; {rest:.0f} → {memory:.0f} MB")


if __name__ == "__main__":
    main()
