"""Durable rows a second: reports of a fleet through granian into the database, beside a bare ASGI route.

Load generator and server share the machine's cores. Every report is answered after a synced commit. Bodies are made and
packed before the clock runs; each round sends every agent's next totals, so that rows are merged and not only inserted.

    .venv/bin/python benchmarks/collector/ingest.py --agents 100 --rounds 10 [--database postgresql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import hashlib
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for room in ("agent", "collector", "signatures", "cli"):
    sys.path.insert(0, str(ROOT / room))
sys.path.insert(0, str(ROOT / "benchmarks"))

SECRET = "c" * 43
CELLS = 1_000


def serve(where: str, keys: str, port: int, *, bare: bool) -> None:
    """The server's process."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    app = bare_app if bare else None
    if app is None:
        from aimscope_collector.http.agents import make_agent_app
        from aimscope_collector.ingest.context import assemble
        from aimscope_collector.ingest.limits import Limits
        from aimscope_collector.keys import load
        from aimscope_collector.store.database import connect
        from aimscope_signatures import bundle
        from aimscope_signatures.matcher import Matcher

        matcher = Matcher(bundle.shipped())
        limits = Limits(cells_a_second=1e9, cells_at_once=10**9, cells_a_day=10**12, evidence=10**9)
        context = assemble(
            connect(where),
            load(Path(keys)).door(),
            matcher=lambda: matcher,
            now=lambda: int(time.time()),
            uniform=random.random,
            limits=limits,
        )
        app = make_agent_app(context)
    gc.collect()  # as the collector does where it serves: what was loaded stays, and is not looked through again
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, http=HTTPModes.http1, log_enabled=False
    )
    asyncio.run(server.serve())


async def bare_app(scope, receive, send):
    """Reads the body, answers."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while True:
        message = await receive()
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"committed":1}'})


def bodies(agents: int, rounds: int, evidence: int, seed: int) -> list[list[bytes]]:
    """For each agent its reports: the same cells with growing totals, one in four with details."""
    rng = random.Random(seed)
    month = int(time.strftime("%Y%m", time.gmtime()))
    now = int(time.time())
    reports = []
    for number in range(agents):
        facts = [
            ["openai-chatgpt", "dns.query", [["name", f"n{each}.chat.example"]], [["name", "domain", "chat.example"]]]
            for each in rng.sample(range(evidence), CELLS)
        ]
        mine = []
        for turn in range(1, rounds + 1):
            cells = [
                [
                    *(at, month, "", f"user{number}-{at % 3}", 3 * turn + at % 7, now - 9000, now - 900 + turn),
                    *((1 << turn) - 1, "high", "used", 1000 * turn, None),
                    [["process", "firefox"]] if at % 4 == 0 else [],
                ]
                for at in range(CELLS)
            ]
            said = {"schema": 1, "epoch": f"e{number}", "sequence": turn, "sent": now, "acknowledged": turn - 1}
            mine.append(gzip.compress(json.dumps({**said, "facts": facts, "cells": cells}).encode(), 6))
        reports.append(mine)
    return reports


def request(uid: str, body: bytes) -> bytes:
    head = (
        f"POST /v1/ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {uid}.{SECRET}\r\ncontent-encoding: gzip\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def check_in(uid: str) -> bytes:
    body = json.dumps({"schema": 1, "epoch": "e", "acknowledged": 0, "sent": int(time.time())}).encode()
    head = f"POST /v1/check-in HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {uid}.{SECRET}\r\n"
    head += f"content-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def load(port: int, streams: list[list[bytes]]) -> tuple[float, list[float], dict[int, int]]:
    """Each stream on a connection of its own, one request after the other: seconds, latencies, answers by status."""
    latencies: list[float] = []
    statuses: dict[int, int] = {}

    async def one(requests: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in requests:
            began = time.perf_counter()
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            size = int(length.split(b":")[1])
            if b"transfer-encoding: chunked" in head.lower():
                while (line := await reader.readline()) != b"0\r\n":
                    await reader.readexactly(int(line, 16) + 2)
                await reader.readline()
            else:
                await reader.readexactly(size)
            latencies.append(time.perf_counter() - began)
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one(stream) for stream in streams))
    return time.perf_counter() - began, sorted(latencies), statuses


def started(where: str, keys: str, port: int, *, bare: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--serve", str(port), "--database", where, "--keys", keys]
    process = subprocess.Popen([*command, *(["--bare"] if bare else [])])
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            time.sleep(0.1)
    return process


def prepare(where: str, agents: int) -> None:
    from aimscope_collector.store.database import connect, writing
    from aimscope_collector.store.tables import METADATA
    from aimscope_collector.store.tables.fleet import AGENT, ASSET

    engine = connect(where)
    METADATA.create_all(engine)
    now = int(time.time())
    secret = hashlib.sha256(SECRET.encode()).hexdigest()
    with writing(engine) as connection:
        connection.execute(
            ASSET.insert(),
            [{"id": n + 1, "pseudonym": f"d-{n}", "first_seen": now, "last_seen": now} for n in range(agents)],
        )
        same = {"secret": secret, "machine": "", "enrolled_at": now, "approved_at": now, "last_seen": now}
        connection.execute(AGENT.insert(), [{"uid": f"a{n}", "asset": n + 1, **same} for n in range(agents)])
    engine.dispose()


def peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def processor(pid: int) -> float:
    """Seconds of processor a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(name: str, where: str, keys: str, streams: list[list[bytes]], unit: int, *, bare: bool = False) -> float:
    port = free_port()
    process = started(where, keys, port, bare=bare)
    try:
        before = processor(process.pid)
        seconds, latencies, statuses = asyncio.run(load(port, streams))
        memory, busy = peak(process.pid), processor(process.pid) - before
    finally:
        process.terminate()
        process.wait()
    done = statuses.get(200, 0)
    p50, p99 = latencies[len(latencies) // 2] * 1e3, latencies[int(len(latencies) * 0.99)] * 1e3
    print(
        f"{name:34} {done * unit / seconds:12,.0f}/s  {done / seconds:8,.0f} requests/s  p50 {p50:6.1f} ms"
        f"  p99 {p99:6.1f} ms  {memory:6.1f} MB"
        f"  {busy / seconds:4.2f} cores  {statuses}",
        flush=True,
    )
    return done * unit / seconds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--agents", type=int, default=100)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--at-once", type=int, default=16, help="connections that send at one time")
    options.add_argument("--evidence", type=int, default=20_000)
    options.add_argument("--check-ins", type=int, default=30_000)
    options.add_argument("--runs", type=int, default=1)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--database", default="")
    options.add_argument("--serve", type=int, default=0)
    options.add_argument("--keys", default="")
    options.add_argument("--bare", action="store_true")
    chosen = options.parse_args()
    if chosen.serve:
        serve(chosen.database, chosen.keys, chosen.serve, bare=chosen.bare)
        return
    from measure import machine

    from aimscope_collector import keys

    print(machine(), f"agents {chosen.agents}, rounds {chosen.rounds}, at once {chosen.at_once}, seed {chosen.seed}")
    reports = bodies(chosen.agents, chosen.rounds, chosen.evidence, chosen.seed)
    streams: list[list[bytes]] = [[] for _ in range(chosen.at_once)]
    for number, mine in enumerate(reports):
        streams[number % chosen.at_once] += [request(f"a{number}", each) for each in mine]
    small = [
        [check_in(f"a{(lane * 7 + n) % chosen.agents}") for n in range(chosen.check_ins // chosen.at_once)]
        for lane in range(chosen.at_once)
    ]
    for run in range(chosen.runs):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            keys.create(Path(folder) / "keys", secrets.token_bytes)
            where = chosen.database or f"{folder}/collector.db"
            if not chosen.database or run == 0:
                prepare(where, chosen.agents)
            both = (where, f"{folder}/keys")
            bare = measure("bare route, the same bodies", *both, streams, CELLS, bare=True)
            ours = measure("ingest, rows first seen and merged", *both, streams, CELLS)
            again = measure("ingest again, nothing new", *both, streams, CELLS)
            if chosen.check_ins:
                measure("check-ins", *both, small, 1)
            print(f"ratio to the bare route: {ours / bare:.3f}, again {again / bare:.3f}")


if __name__ == "__main__":
    main()
