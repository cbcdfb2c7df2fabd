"""What the benchmarks of the collector share, beside ``ingest.py``."""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path


def collector_app(where: str, keys: str):
    """The agents' routes over a database."""
    from aimscope_collector.http.agents import make_agent_app
    from aimscope_collector.ingest.context import assemble
    from aimscope_collector.keys import load
    from aimscope_collector.store.database import connect
    from aimscope_signatures import bundle
    from aimscope_signatures.matcher import Matcher

    matcher = Matcher(bundle.shipped())
    door = load(Path(keys)).door()
    clock = {"now": lambda: int(time.time()), "uniform": random.random}
    return make_agent_app(assemble(connect(where), door, matcher=lambda: matcher, **clock))


def wait_for(port: int) -> None:
    """Until somebody listens."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(port)


def resident(pid: int) -> float:
    """MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
