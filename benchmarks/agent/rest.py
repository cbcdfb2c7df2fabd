"""What a real `aimscope agent run` takes of the machine at rest: resident memory, and share of a core.

    unshare --pid --fork --mount-proc --mount python benchmarks/agent/rest.py --seconds 300

A throw-away home and state folder, sensors as configured by default, a collector on loopback that takes everything.
The share of a core is that of the first scan spread over the interval of six hours, and of the rest of the time.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

INTERVAL = 6 * 3_600
TICKS = os.sysconf("SC_CLK_TCK")


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes everything; once it has, it asks for a sign of life every five minutes."""

    protocol_version = "HTTP/1.1"
    committed = 0
    requests = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        said = json.loads(body)
        Collector.requests += 1
        Collector.committed = max(Collector.committed, said.get("sequence", 0))
        answer: dict[str, Any] = {"committed": Collector.committed, "next_check_in": 300 if Collector.committed else 3}
        if self.path == "/v1/enrol":
            answer = {"agent": said["agent"], "approved": True}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def spent(process: psutil.Process) -> float:
    """Seconds of a processor, with those of children that have ended."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300.0, help="How long to look at it at rest.")
    wanted = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text("aaaa")
        env = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "AIMSCOPE_STATE": f"{folder}/state",
            "AIMSCOPE_COLLECTOR_URL": f"http://127.0.0.1:{server.server_port}",
            "AIMSCOPE_COLLECTOR_TOKEN_FILE": str(token),
        }
        agent = subprocess.Popen([sys.executable, "-m", "aimscope_cli", "agent", "run", "--quiet"], env=env)
        try:
            process = psutil.Process(agent.pid)
            peak = 0
            began = time.monotonic()
            status = Path(folder) / "state/agent/status.json"
            while time.monotonic() - began < 120:
                time.sleep(0.2)
                peak = max([peak, *(child.memory_info().rss for child in process.children())])
                said = json.loads(status.read_bytes()) if status.exists() else {}
                if said.get("last") and not said.get("pending") and Collector.requests > 2:
                    break
            time.sleep(2)
            scan, before, at = spent(process), spent(process), time.monotonic()
            resident = []
            while time.monotonic() - at < wanted.seconds:
                time.sleep(min(5.0, wanted.seconds))
                resident.append(process.memory_info().rss)
            rest = (spent(process) - before) / (time.monotonic() - at)
        finally:
            agent.send_signal(signal.SIGTERM)
            code = agent.wait(30)
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {Collector.requests} requests, exit {code}")
    print(f"resident at rest        {max(resident) / 1e6:8.1f} MB at most over {wanted.seconds:.0f} s")
    print(f"scan in a child         {peak / 1e6:8.1f} MB at most, gone after it")
    print(f"start and first scan    {scan:8.2f} s of a core")
    print(f"rest                    {rest * 100:8.4f} % of a core")
    print(f"rest and a scan each 6 h{(rest + scan / INTERVAL) * 100:8.4f} % of a core")
    return 0


if __name__ == "__main__":
    sys.exit(main())
