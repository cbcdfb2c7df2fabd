"""Syslog from real senders: what they send is what is counted, over UDP, TCP and TLS; a fast sender is slowed down."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import program
from tests.end_to_end.namespaces import (
    AI,
    OTHERS,
    Space,
    certificate,
    dnsmasq,
    end,
    needs,
    open_folder,
    private_network,
    squid,
    until,
)

pytestmark = pytest.mark.e2e

Asked = Counter[str]
LAST = "huggingface.co"
"""Asked last, and only then: what was sent before it on the same way has arrived."""
NAMES = (*(name for name in AI if name != LAST), *OTHERS)


@pytest.fixture
def space() -> Iterator[Space]:
    with private_network() as space:
        yield space


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


class Listener:
    """`aimscope watch --syslog`."""

    def __init__(self, space: Space, folder: Path, where: str, *more: str | Path) -> None:
        self._said = folder / "watch.said"
        self.process = space.start(
            *(program.AIMSCOPE, "watch", "--syslog", where, "--state", folder / "kept", "--json", *more),
            said=self._said,
            environ=program.environment(folder / "home", folder),
        )
        until(lambda: self._holds("Watching"), "does not listen")

    def _holds(self, text: str) -> bool:
        assert self.process.poll() is None, self._said.read_text()
        return text in self._said.read_text()

    def report(self) -> dict[str, Any]:
        """End it once it has heard the last name; what it knows then."""
        until(lambda: self._holds(f'"host":"{LAST}"'), f"did not hear the last name: {self._said.read_text()[-2000:]}")
        assert end(self.process) == 0, self._said.read_text()
        report: dict[str, Any] = json.loads(self._said.read_text().splitlines()[-1])
        return report


def counted(report: dict[str, Any]) -> Asked:
    found: Asked = Counter()
    for row in report["findings"]:
        for one in row["evidence"]:
            found[one["fields"].get("name") or one["fields"]["host"]] += one.get("count", 1)
    return found


def complete(report: dict[str, Any]) -> bool:
    return all(part["status"] == "complete" for part in report["coverage"])


def chosen(number: int) -> tuple[list[str], Asked]:
    """Names of all kinds, and how often each is AI."""
    names = [*random.Random(number).choices(NAMES, k=number), LAST]
    return names, Counter(name for name in names if name in AI)


def squid_line(name: str) -> str:
    return f"1795000000.123     90 10.0.0.7 TCP_TUNNEL/200 512 CONNECT {name}:443 ann HIER_DIRECT/192.0.2.1 -"


_PYTHON = """import logging.handlers, socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
handler = logging.handlers.SysLogHandler(("127.0.0.1", 5514), socktype=kind)
log = logging.getLogger()
log.addHandler(handler)
for line in sys.stdin:
    log.warning("%s", line.rstrip("\\n"))
handler.close()
"""


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_python_logging(space: Space, folder: Path, way: str) -> None:
    names, expected = chosen(60)
    listener = Listener(space, folder, f"{way}://127.0.0.1:5514")
    text = "".join(f"{squid_line(name)}\n" for name in names)
    space.run(sys.executable, "-c", _PYTHON, way, text=text)
    report = listener.report()
    assert counted(report) == expected
    assert complete(report)


@pytest.mark.parametrize("how", [("udp", "--udp"), ("tcp", "--tcp"), ("tcp", "--tcp", "--octet-count")])
@pytest.mark.parametrize("form", ["--rfc3164", "--rfc5424"])
def test_logger(space: Space, folder: Path, how: tuple[str, ...], form: str) -> None:
    needs("logger")
    names, expected = chosen(60)
    listener = Listener(space, folder, f"{how[0]}://127.0.0.1:5514")
    text = "".join(f"{squid_line(name)}\n" for name in names)
    space.run("logger", "--server", "127.0.0.1", "--port", "5514", *how[1:], form, "--tag", "squid", text=text)
    report = listener.report()
    assert counted(report) == expected
    assert complete(report)


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_squid_sends_its_log_itself(space: Space, way: str) -> None:
    """Without any syslog header."""
    with open_folder("proxy") as folder:
        listener = Listener(space, folder, f"{way}://127.0.0.1:5514")
        names, expected = chosen(40)
        expected -= Counter({"claude.ai": names.count("claude.ai")})  # refused without a name: 407
        server = squid(space, folder, f"access_log {way}://127.0.0.1:5514 squid")
        urls = "".join(f"url=http://{name}:9/\noutput=/dev/null\n" for name in names)
        space.run("sh", "-c", "curl -s -x http://127.0.0.1:3128 -K - || :", text=urls)
        if way == "udp":  # many lines at once, the last at its end
            end(server.process)
        report = listener.report()
        assert counted(report) == expected
        assert complete(report)


_RSYSLOG = """module(load="imfile")
global(workDirectory="{folder}/spool" {tls})
input(type="imfile" file="{log}" tag="{tag}" severity="info" ruleset="forward")
ruleset(name="forward") {{
  action(type="omfwd" target="127.0.0.1" port="5514" protocol="tcp" {more}
         action.resumeRetryCount="-1" action.resumeInterval="1" queue.type="LinkedList")
}}
"""
_TLS = (
    'streamDriver="ossl" streamDriverMode="1" streamDriverAuthMode="x509/name" streamDriverPermittedPeers="localhost"'
)


@pytest.mark.parametrize("way", ["lines", "octets", "tls"])
def test_rsyslog_forwards_the_log_of_a_resolver(space: Space, folder: Path, way: str) -> None:
    needs("rsyslogd")
    unpacked = Path(os.environ.get("AIMSCOPE_RSYSLOG_ROOT", "/"))
    if way == "tls" and not any(unpacked.glob("usr/lib/*/rsyslog/lmnsd_ossl.so")):
        pytest.skip("not installed: rsyslog-openssl")
    made, key = certificate(folder)
    where, safe = "tcp://127.0.0.1:5514", ("--tls-cert", made, "--tls-key", key)
    listener = Listener(space, folder, *(("tls://127.0.0.1:5514", *safe) if way == "tls" else (where,)))
    server = dnsmasq(space, folder, "--log-queries=extra")
    forward(space, folder, server.log, "dnsmasq", way, made)
    names, expected = chosen(400)
    space.ask(*(f"{name} A" for name in names))
    report = listener.report()
    assert counted(report) == expected
    assert complete(report)
    (refused,) = [one for row in report["findings"] if row["service"] == "claude" for one in row["evidence"]]
    assert (refused["presence"], refused["count"]) == ("attempted", expected["claude.ai"])


def forward(space: Space, folder: Path, log: Path, tag: str, way: str, authority: Path) -> subprocess.Popen[bytes]:
    """Start rsyslogd, which sends the lines of a log."""
    (folder / "spool").mkdir()
    config = folder / "rsyslog.conf"
    tls = f'defaultNetstreamDriverCAFile="{authority}"' if way == "tls" else ""
    more = {"lines": "", "octets": 'tcp_framing="octet-counted"', "tls": _TLS}[way]
    config.write_text(_RSYSLOG.format(folder=folder, log=log, tag=f"{tag}:", tls=tls, more=more))
    return space.start("rsyslogd", "-n", "-f", config, "-i", folder / "rsyslog.pid", said=folder / "rsyslog.said")


_FAST = """import socket, sys
lines, counting, times = sys.stdin.read().splitlines(), sys.argv[1] == "octets", int(sys.argv[2])
framed = [f"{len(line)} {line}" if counting else f"{line}\\n" for line in lines]
with socket.create_connection(("127.0.0.1", 5514)) as connection:
    for _ in range(times):
        connection.sendall("".join(framed[:-1]).encode())
    connection.sendall(framed[-1].encode())
"""


@pytest.mark.parametrize("framing", ["lines", "octets"])
def test_a_sender_that_is_faster_than_we_loses_nothing(space: Space, folder: Path, framing: str) -> None:
    names, expected = chosen(3_000)
    header = "<134>1 2026-11-20T10:00:00Z gateway.example squid 7 - - "
    text = "".join(f"{header}{squid_line(name)}\n" for name in names)
    listener = Listener(space, folder, "tcp://127.0.0.1:5514")
    space.run(sys.executable, "-c", _FAST, framing, "100", text=text)
    report = listener_report(listener)
    assert counted(report) == Counter({name: 100 * n for name, n in expected.items() if name != LAST} | {LAST: 1})
    (covered,) = report["coverage"]
    assert (covered["status"], covered["counts"]["messages"]) == ("complete", 300_001)


def listener_report(listener: Listener) -> dict[str, Any]:
    """What it knows, and that it did not need much memory for it."""
    until(lambda: listener._holds(f'"host":"{LAST}"'), "did not hear the last name", seconds=180)
    (most,) = [
        line for line in Path(f"/proc/{listener.process.pid}/status").read_text().splitlines() if "VmHWM" in line
    ]
    assert int(most.split()[1]) < 150_000, most
    return listener.report()


def test_killed_it_goes_on_with_what_it_had(space: Space, folder: Path) -> None:
    names, expected = chosen(200)
    text = "".join(f"{squid_line(name)}\n" for name in names)
    for _ in range(2):
        listener = Listener(space, folder, "tcp://127.0.0.1:5514")
        space.run(sys.executable, "-c", _PYTHON, "tcp", text=text)
        until(lambda: listener._holds(f'"host":"{LAST}"'), "did not hear the last name")  # noqa: B023
        end(listener.process, signal.SIGKILL)
        (folder / "watch.said").unlink()
    listener = Listener(space, folder, "tcp://127.0.0.1:5514")
    space.run(sys.executable, "-c", _PYTHON, "tcp", text=text)
    assert counted(listener.report()) == Counter({name: 3 * n for name, n in expected.items()})
