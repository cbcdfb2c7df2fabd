"""Events as syslog-ng receives them, by the configuration that we ship: one message each, every parameter its own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aimscope_collector.events import Event
from aimscope_collector.formats import format_named
from aimscope_collector.formats._bounds import visible
from tests.collector.formats.shared import EVENTS, HOSTILE, poisoned

pytestmark = pytest.mark.e2e

SHIPPED = Path(__file__).parents[2] / "deploy" / "siem" / "syslog" / "syslog-ng-receive.conf"
DAEMON = shutil.which("syslog-ng", path="/usr/sbin:/usr/bin:/usr/local/sbin")
PATIENCE = 30.0


class Receiver:
    """syslog-ng in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.log = folder / "received.json"
        shipped = SHIPPED.read_text("utf-8").replace("/var/log/aimscope", str(folder))
        configuration = folder / "syslog-ng.conf"
        configuration.write_text(shipped.replace("port(6514)", f"ip(127.0.0.1) port({self.port})"), "utf-8")
        files = {"-f": configuration, "-p": folder / "pid", "-c": folder / "control", "-R": folder / "persist"}
        words = [str(word) for pair in files.items() for word in pair]
        assert DAEMON
        self.process = subprocess.Popen([DAEMON, "-F", *words], stderr=subprocess.DEVNULL)

    def send(self, records: list[bytes]) -> list[dict[str, object]]:
        """What it kept, once that is as many as were sent, or no more come."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                wire = socket.create_connection(("127.0.0.1", self.port), 1)
                break
            except OSError:
                assert time.monotonic() < until, "syslog-ng does not listen"
                time.sleep(0.1)
        with wire:
            for record in records:
                wire.sendall(str(len(record)).encode() + b" " + record)  # RFC 6587, 3.4.1
        lines: list[str] = []
        while len(lines) < len(records) and time.monotonic() < until:
            time.sleep(0.1)
            lines = self.log.read_text("utf-8").split("\n")[:-1] if self.log.exists() else []
        time.sleep(0.5)  # for one too many
        return [json.loads(line) for line in self.log.read_text("utf-8").split("\n")[:-1]]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    if DAEMON is None:
        pytest.skip("syslog-ng is not installed")
    one = Receiver(tmp_path)
    yield one
    one.process.terminate()
    one.process.wait(10)


def hostile() -> list[Event]:
    return [poisoned(event, text) for text in HOSTILE for event in (EVENTS[3], EVENTS[7])]


def test_every_field_arrives_as_a_parameter(receiver: Receiver) -> None:
    events = [*EVENTS, *hostile()]
    received = receiver.send([format_named("syslog").render(event, {}) for event in events])
    assert len(received) == len(events)
    for event, message in zip(EVENTS, received[: len(EVENTS)], strict=True):
        assert (message["MESSAGE"], message["MSGID"]) == (event.message, event.type)
        params = message["_SDATA"]["aimscope@32473"]  # type: ignore[index]
        assert params["uid"] == event.uid
        if event.finding:
            assert params["finding"]["uid"] == event.finding.uid
    for event, message in zip(hostile(), received[len(EVENTS) :], strict=True):
        assert message["PROGRAM"] == "aimscope"
        if len(event.message) < 200:  # longer ones are cut
            assert message["MESSAGE"] == visible(event.message)


@pytest.mark.parametrize("name", ["cef", "leef", "ocsf", "ecs", "jsonl", "wazuh"])
def test_other_formats_arrive_behind_their_header_as_they_are(receiver: Receiver, name: str) -> None:
    form, events = format_named(name), [*EVENTS, *hostile()]
    records = [form.render(event, {"header": "rfc5424"}) for event in events]
    received = receiver.send(records)
    assert len(received) == len(events)
    for record, message in zip(records, received, strict=True):
        assert record.endswith(str(message["MESSAGE"]).encode())
