"""What a real `aimscope agent run` takes of the machine at rest: resident memory, and share of a core.

    unshare --pid --fork --mount-proc --mount python benchmarks/agent/rest.py --seconds 300

A throw-away home and state folder, a configuration file, sensors as they are by default; a collector on loopback, over
TLS, that takes everything and offers a signed catalogue and policy.
The share of a core is that of the first scan spread over the interval of six hours, and of the rest of the time.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import http.server
import ipaddress
import json
import os
import platform
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from aimscope_signatures import bundle, signed

INTERVAL = 6 * 3_600
TICKS = os.sysconf("SC_CLK_TCK")


class Feeds:
    """A root, a catalogue and a policy, signed as a collector offers them."""

    def __init__(self) -> None:
        key, now = Ed25519PrivateKey.generate(), int(time.time())
        public = signed.public_of(key)
        keepers = signed.Keepers((signed.key_id(public),))
        roles: dict[signed.Role, signed.Keepers] = dict.fromkeys(signed.ROLES, keepers)
        root = signed.root([public], roles, version=1, issued=now, expires=now + 86_400)
        self.root = signed.sign(root, [key])
        self.bodies: dict[str, bytes] = {}
        self.offered: dict[str, dict[str, Any]] = {}
        bodies: dict[signed.Role, bytes] = {"catalogue": bundle.pack(bundle.shipped()), "policy": b'{"schema":1}'}
        for role, body in bodies.items():
            statement = signed.vouch(role, body, version=1, issued=now, expires=now + 86_400)
            self.bodies[f"/v1/{role}/{statement.sha256}"] = body
            envelope = signed.sign(statement, [key])
            self.offered[role] = {"version": 1, "sha256": statement.sha256, "envelope": envelope}


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes everything; once it has, it asks for a sign of life every five minutes."""

    protocol_version = "HTTP/1.1"
    feeds: Feeds
    committed = 0
    requests = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        said = json.loads(body)
        Collector.requests += 1
        Collector.committed = max(Collector.committed, said.get("sequence", 0))
        pace = 300 if Collector.committed else 3
        answer = {"committed": Collector.committed, "next_check_in": pace, "feeds": self.feeds.offered}
        if self.path == "/v1/enrol":
            answer = {"agent": said["agent"], "approved": True, "root": self.feeds.root}
        self.answer(json.dumps(answer).encode())

    def do_GET(self) -> None:
        self.answer(self.feeds.bodies[self.path])

    def answer(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def certified(folder: Path) -> ssl.SSLContext:
    """TLS for loopback, by a certificate that vouches for itself: ``folder/tls.crt``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "tls.crt").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


def spent(process: psutil.Process) -> float:
    """Seconds of a processor, with those of children that have ended."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300.0, help="How long to look at it at rest.")
    wanted = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    Collector.feeds = Feeds()
    with tempfile.TemporaryDirectory() as folder:
        token, config = Path(folder) / "token", Path(folder) / "config.yaml"
        token.write_text("aaaa")
        config.write_text(f"collector: {{ca: {folder}/tls.crt, token_file: {token}}}\n")
        server.socket = certified(Path(folder)).wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "AIMSCOPE_STATE": f"{folder}/state",
            "AIMSCOPE_CONFIG": str(config),
            "AIMSCOPE_COLLECTOR_URL": f"https://127.0.0.1:{server.server_port}",
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
