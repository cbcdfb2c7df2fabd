"""What a reviewer waits for: every main page over a simulated fleet, beside a bare route of the same framework.

The collector is the installed program over a folder that ``aimscope simulate --folder`` made. One request after the
other on a kept-alive connection, with a key that may see everything. Prints milliseconds; asserts nothing.

    aimscope simulate --hosts 5000 --days 30 --seed 7 --folder FLEET
    .venv/bin/python benchmarks/pages/run.py FLEET
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
for room in ("agent", "collector", "signatures", "cli", "benchmarks", "benchmarks/collector"):
    sys.path.insert(0, str(ROOT / room))

import ingest  # noqa: E402
import reads  # noqa: E402
from measure import machine  # noqa: E402

from aimscope_collector import founding  # noqa: E402
from aimscope_collector.accounts import PERMISSIONS, SCOPES, new_key  # noqa: E402
from aimscope_collector.store import accounts, credentials  # noqa: E402
from aimscope_collector.store.database import connect, writing  # noqa: E402

LIMIT = 300.0
"""Milliseconds at the 95th percentile."""
MAIN = (
    "/",
    "/?days=90",
    "/findings",
    "/findings?verdict=unregistered&order=spread",
    "/inventory",
    "/scope",
    "/services",
    "/services?in_use=true",
    "/services?try=api.openai.com",
    "/fleet",
    "/fleet/devices",
    "/fleet/tokens",
    "/fleet/units",
    "/coverage",
    "/coverage?days=90",
    "/coverage/runs",
    "/reports",
    "/exports",
    "/audit",
    "/administration",
)


def key_of(folder: Path) -> str:
    """A key of a new account that may see everything."""
    secret, now = new_key(os.urandom), int(time.time())
    engine = connect(str(folder / founding.SQLITE))
    with writing(engine) as connection:
        account = accounts.create(
            connection, name=f"bench{now}", roles=PERMISSIONS, hashed=None, by="bench", at=now, origin="oidc"
        )
        end = now + 86_400
        scopes = tuple(SCOPES)
        credentials.create_key(
            connection, account=account.id, name="b", scopes=scopes, secret=secret, at=now, expires_at=end, by="bench"
        )
    engine.dispose()
    return secret


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--each", type=int, default=40, help="requests of a page")
    options.add_argument("--seed", type=int, default=7)
    given = options.parse_args()
    key = key_of(given.folder)
    reads.LIMIT = LIMIT
    with contextlib.ExitStack() as stack:
        port, other = ingest.free_port(), ingest.free_port()
        serve = ["-m", "aimscope_cli", "collector", "serve", "--quiet", "--folder", str(given.folder)]
        process = stack.enter_context(reads.running([*serve, "--listen", f"127.0.0.1:{port}"], port))
        bare = stack.enter_context(reads.running([reads.__file__, "--serve-bare", str(other)], other))
        engine = connect(str(given.folder / founding.SQLITE))
        reads.settled(process.pid, engine)
        with engine.connect() as connection:
            counts = {
                table: connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()
                for table in ("agent", "sighting", "finding")
            }
        engine.dispose()
        print(machine(), ", ".join(f"{name} {count:,}" for name, count in counts.items()), sep="\n", flush=True)
        headers = {"authorization": f"Bearer {key}"}
        client = stack.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, trust_env=False, follow_redirects=True
            )
        )
        plain = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{other}", trust_env=False))
        reads.timed(plain, ["/page"] * given.each, bare.pid)
        found = reads.timed(plain, ["/page"] * given.each * 4, bare.pid)
        middle = found[0][len(found[0]) // 2]
        print(reads.told("bare route of the framework", *found, middle), flush=True)
        listed = client.get("/api/v1/findings", params={"limit": 500}).json()["items"]
        some = random.Random(given.seed).sample(listed, min(given.each, len(listed)))
        widest = sorted(listed, key=lambda finding: -finding["assets"])[:5]
        pages = {path: [path] * given.each for path in MAIN}
        pages["one finding"] = [f"/findings/{finding['id']}" for finding in some]
        pages["one finding, the widest"] = [f"/findings/{finding['id']}" for finding in widest] * (given.each // 5)
        pages["one service"] = [f"/services/{finding['service']}" for finding in some if finding["service"]]
        for name, addresses in pages.items():
            reads.timed(client, addresses[:2], process.pid)
            print(reads.told(name, *reads.timed(client, addresses, process.pid), middle), flush=True)


if __name__ == "__main__":
    main()
