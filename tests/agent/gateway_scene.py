"""A network of one machine, in a namespace: runs an agent, shows it traffic, syslog and a model server, stops it.

`unshare --net python gateway_scene.py STATUS COMMAND…`
"""

from __future__ import annotations

import fcntl
import http.server
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SYSLOG, MODELS, NAMES = 5514, 11434, 53
PATIENCE = 60.0


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running


class Models(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"version":"0.5.1"}' if self.path == "/api/version" else b"Ollama is running"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def question(name: str, number: int = 0) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            sys.exit("it never happens")
        time.sleep(0.1)


def main() -> int:
    status = Path(sys.argv[1])
    loopback_up()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", MODELS), Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    agent = subprocess.Popen(sys.argv[2:])

    def said(name: str) -> Any:
        return json.loads(status.read_bytes()).get(name) if status.exists() else None

    until(lambda: (said("last") or {}).get("network"))
    until(lambda: f":{SYSLOG:04X}" in Path("/proc/net/udp").read_text())
    known = said("pending")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:

        def seen() -> bool:
            one.sendto(question("claude.ai"), ("127.0.0.1", NAMES))
            return bool(said("pending") > known)

        until(seen)  # now traffic is looked at
        for number in range(3):
            one.sendto(question("api.anthropic.com", number), ("127.0.0.1", NAMES))
        for number in range(12):
            name = "chat.openai.com" if number % 2 else "example.org"
            line = f"<30>Nov 10 10:00:{number:02} gw dnsmasq[1]: query[A] {name} from 10.0.0.5"
            one.sendto(line.encode(), ("127.0.0.1", SYSLOG))
    time.sleep(3)  # syslog over UDP has no acknowledgement: what came in the last second before the end may be lost
    agent.send_signal(signal.SIGTERM)
    return agent.wait(PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
