"""Events reach real receivers: rsyslog and syslog-ng, killed and started again; HTTP that fails; files that rotate."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.deliver.carrying import Carrier
from aimscope_collector.deliver.destination import Destination, Stamp
from aimscope_collector.deliver.exporter import Exporter
from aimscope_collector.deliver.file import File
from aimscope_collector.deliver.https import Https
from aimscope_collector.deliver.posting import Poster
from aimscope_collector.deliver.syslog import Syslog
from aimscope_collector.events import Event, FindingFacts
from aimscope_collector.formats import format_named
from aimscope_collector.store import exports, journal
from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.journal import Draft
from aimscope_collector.store.tables import METADATA
from tests.end_to_end.namespaces import certificate, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FINDINGS = 20
HOSTILE = 'new\nline, tab\t, <134>1 - - pipe | = \\ ] " \x1b[31m \u202e \0 ü'
_UID = re.compile(rb"e-[0-9a-f]{32}")


def settled(check: Any, what: str, seconds: float = 90) -> None:
    """Waits longer than ``until`` does: receivers are killed meanwhile."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.1)


class Outgoing:
    """A journal that is written to, and a destination that is delivered to all the while."""

    def __init__(self, folder: Path, carrier: Carrier, format_: str, carried: str, **options: str) -> None:
        self.engine = connect(str(folder / "collector.db"))
        METADATA.create_all(self.engine)
        one = Destination(name="siem", format=format_named(format_), options=options, carrier=carrier, carried=carried)
        stamp = Stamp(product_version="1", catalogue="c", collector="aimscope.example")
        self.exporter = Exporter(self.engine, [one], stamp=stamp, holder="h", now=lambda: int(time.time()))
        self.exporter.begin()
        self.uids: list[str] = []
        self.about: dict[str, tuple[str, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._deliver, daemon=True)
        self._thread.start()

    def _deliver(self) -> None:
        while not self._stop.wait(0.05):
            self.exporter.round("siem", waits=False)

    def tell(self, first: int, number: int) -> None:
        for at in range(first, first + number):
            about = f"finding:f-{at % FINDINGS}"
            facts = FindingFacts(
                uid=f"f-{at % FINDINGS}",
                service="s",
                name=HOSTILE,
                vendor="",
                category="assistant",
                unit="emea",
                condition="",
                verdict="unregistered",
                state="unreviewed",
                reasons=(HOSTILE,),
                risk="high",
                score=12,
            )
            event = Event(
                uid="", type="ai.finding", activity="update", at=int(time.time()), message=HOSTILE, finding=facts
            )
            with writing(self.engine) as connection:
                [written] = journal.append(connection, [Draft(about=about, event=event, said="")], now=int(time.time()))
            self.uids.append(written.uid)
            self.about[written.uid] = (about, written.sequence)

    def is_sent(self) -> bool:
        """Whether everything was handed to the connection, whatever becomes of it."""
        flight = self.exporter._flights["siem"]
        with flight.lock, self.engine.connect() as connection:
            state = exports.state(connection, "siem")
            assert state is not None
            return flight.place(state) >= journal.head(connection)

    def finish(self) -> exports.State:
        def through() -> bool:
            with self.engine.connect() as connection:
                state = exports.state(connection, "siem")
                return state is not None and state.cursor >= journal.head(connection)

        settled(through, "not everything was delivered")
        self._stop.set()
        self._thread.join()
        with self.engine.connect() as connection:
            state = exports.state(connection, "siem")
        assert state is not None
        self.exporter.end()
        self.engine.dispose()
        return state

    def compare(self, records: Sequence[bytes], *, but: frozenset[str] = frozenset()) -> Counter[str]:
        """Every event is there, each record is one event's, and each finding's events came in their order."""
        got: list[str] = []
        for record in records:
            found = _UID.findall(record)
            assert found, record
            got.append(found[0].decode())
        assert set(got) == set(self.uids) - but
        last: dict[str, int] = {}
        for uid in dict.fromkeys(got):  # first arrivals
            about, sequence = self.about[uid]
            assert sequence > last.get(about, 0)
            last[about] = sequence
        return Counter(got)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """A syslog server of Debian, with a configuration of its own."""

    def __init__(self, folder: Path, over: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "received"
        self.over = over
        self.process: subprocess.Popen[bytes] | None = None
        if over == "tls":
            self.pem, self.key = certificate(folder)

    def command(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def start(self) -> None:
        command, environ = self.command()
        self.said = (self.folder / "said").open("ab")
        self.process = subprocess.Popen(command, stdout=self.said, stderr=self.said, env={**os.environ, **environ})
        until(self._listens, f"does not listen: {(self.folder / 'said').read_text()[-1000:]}")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.said.close()

    def tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=str(self.pem)) if self.over == "tls" else None


class Rsyslog(Daemon):
    """``AIMSCOPE_RSYSLOG_ROOT`` is where Debian's packages were unpacked, where another syslog server is installed."""

    def command(self) -> tuple[list[str], dict[str, str]]:
        root = os.environ.get("AIMSCOPE_RSYSLOG_ROOT", "")
        program = shutil.which("rsyslogd") or shutil.which(f"{root}/usr/sbin/rsyslogd")
        if program is None:
            pytest.skip("rsyslog is not installed")
        libraries = f"{root}/usr/lib/x86_64-linux-gnu"
        tls = ""
        driver = ""
        if self.over == "tls":
            tls = (
                f'global(DefaultNetstreamDriver="ossl" DefaultNetstreamDriverCAFile="{self.pem}" '
                f'DefaultNetstreamDriverCertFile="{self.pem}" DefaultNetstreamDriverKeyFile="{self.key}")'
            )
            driver = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"'
        configuration = self.folder / "rsyslog.conf"
        configuration.write_text(
            f"""global(workDirectory="{self.folder}" maxMessageSize="64k")
{tls}
module(load="imtcp" {driver})
input(type="imtcp" port="{self.port}" address="127.0.0.1")
template(name="raw" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{self.log}" template="raw" asyncWriting="off" flushOnTXEnd="on")
"""
        )
        modules = ["-M", f"{libraries}/rsyslog"] if root else []
        command = [program, *modules, "-n", "-f", str(configuration), "-i", str(self.folder / "pid")]
        return command, {"LD_LIBRARY_PATH": libraries} if root else {}


class SyslogNg(Daemon):
    """syslog-ng with its driver for RFC 5424."""

    def command(self) -> tuple[list[str], dict[str, str]]:
        program = shutil.which("syslog-ng")
        if program is None:
            pytest.skip("syslog-ng is not installed")
        tls = ""
        if self.over == "tls":
            tls = f'tls(key-file("{self.key}") cert-file("{self.pem}") peer-verify(optional-untrusted))'
        configuration = self.folder / "syslog-ng.conf"
        configuration.write_text(
            f"""@version: 3.38
options {{ log-msg-size(65536); flush-lines(1); keep-hostname(yes); stats-freq(0); }};
source s {{ syslog(ip("127.0.0.1") port({self.port}) transport("{self.over}") {tls}); }};
destination d {{ file("{self.log}" template("$MSG\\n") flush-lines(1)); }};
log {{ source(s); destination(d); }};
"""
        )
        state = [f"--{name}={self.folder}/{name}" for name in ("persist-file", "pidfile", "control")]
        return [program, "-F", "--no-caps", "-f", str(configuration), *state], {}


@pytest.mark.parametrize("over", ["tcp", "tls"])
@pytest.mark.parametrize("daemon", [Rsyslog, SyslogNg])
def test_a_syslog_server_that_is_killed_mid_stream_loses_nothing(
    tmp_path: Path, daemon: type[Daemon], over: Any
) -> None:
    receiver = daemon(tmp_path, over)
    receiver.start()
    carrier = Syslog(
        "localhost",
        receiver.port,
        transport=over,
        tls=receiver.tls(),
        reach="loopback",
        resolver=lambda *_: ["127.0.0.1"],
        settles=3,
    )
    outgoing = Outgoing(tmp_path, carrier, "jsonl", "syslog", header="rfc5424")
    for part in range(4):
        outgoing.tell(part * 100, 100)
        if part < 3:
            receiver.stop()  # what comes now, its kernel takes and it never reads
            outgoing.tell(1_000 + part * 100, 30)
            settled(outgoing.is_sent, "the kernel does not take it")
            receiver.kill()
            outgoing.tell(2_000 + part * 100, 10)
            receiver.start()
    state = outgoing.finish()
    receiver.kill()
    counted = outgoing.compare(receiver.log.read_bytes().splitlines())
    assert state.failed >= 1  # it was noticed
    assert len(counted) == 4 * 100 + 3 * 40


def test_nothing_goes_to_a_server_whose_certificate_is_not_trusted(tmp_path: Path) -> None:
    receiver = SyslogNg(tmp_path, "tls")
    receiver.start()
    carrier = Syslog("localhost", receiver.port, reach="loopback", resolver=lambda *_: ["127.0.0.1"])
    outgoing = Outgoing(tmp_path, carrier, "cef", "syslog", header="rfc5424")
    outgoing.tell(0, 3)

    def failed() -> str:
        with outgoing.engine.connect() as connection:
            state = exports.state(connection, "siem")
            return state.failure if state else ""

    settled(failed, "it does not fail")
    assert "TLS with the receiver failed" in failed()
    receiver.kill()
    assert not receiver.log.exists() or receiver.log.read_bytes() == b""


class Moody:
    """An HTTP receiver that takes some requests, and does everything else that receivers do."""

    def __init__(self, refuses: bytes) -> None:
        self.taken: list[bytes] = []
        self.answers: Counter[int] = Counter()
        moody, luck = self, random.Random(11)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                records = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
                status = luck.choice((*[200] * 8, 429, 500, 503, 408, 0, 1))
                if status in (200, 1) and len(records) > 25:
                    status = 413
                elif status in (200, 1) and any(refuses in record for record in records):
                    status = 400
                moody.answers[status] += 1
                if status in (200, 1):  # 1: taken, and the connection dies before the answer
                    moody.taken += records
                if status == 0:
                    time.sleep(1.5)
                if status in (0, 1):
                    self.connection.close()
                    return
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

            def finish(self) -> None:
                try:
                    super().finish()
                except (OSError, ValueError):
                    return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def moody() -> Iterator[Moody]:
    made = Moody(b'"f-13"')
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_an_http_receiver_of_many_moods_gets_everything_it_does_not_refuse(tmp_path: Path, moody: Moody) -> None:
    url = f"http://127.0.0.1:{moody.http.server_address[1]}/in"
    carrier = Https(Poster(url, what="receiver", reach="loopback", seconds=1.0), most_records=60)
    outgoing = Outgoing(tmp_path, carrier, "jsonl", "https")
    with outgoing.exporter._flights["siem"].lock:  # so that batches are large
        outgoing.tell(0, 120)
    engine = outgoing.engine
    outgoing.finish()
    refused = frozenset(uid for uid, (about, _) in outgoing.about.items() if about == "finding:f-13")
    counted = outgoing.compare(moody.taken, but=refused)
    assert max(counted.values()) > 1  # at least once: an answer that was lost is no answer
    assert {200, 400, 413} < set(moody.answers)
    with engine.connect() as connection:
        dead = exports.dead_letters(connection, "siem", limit=1_000)
    engine.dispose()
    assert {one.uid for one in dead} == refused


def test_logrotate_takes_files_away_and_no_record_is_lost(tmp_path: Path) -> None:
    if shutil.which("logrotate") is None:
        pytest.skip("logrotate is not installed")
    path = tmp_path / "events.json"
    configuration = tmp_path / "rotate.conf"
    owner = f"su {_name('-un')} {_name('-gn')}"
    configuration.write_text(f'"{path}" {{\n {owner}\n rotate 50\n size 1\n nocreate\n missingok\n delaycompress\n}}\n')
    configuration.chmod(0o644)
    tmp_path.chmod(0o700)
    outgoing = Outgoing(tmp_path, File(path, largest=0), "jsonl", "file")
    for part in range(8):
        outgoing.tell(part * 25, 25)
        subprocess.run(
            ["logrotate", "-f", "-s", str(tmp_path / "state"), str(configuration)], check=True, capture_output=True
        )
    outgoing.finish()
    files = sorted(
        tmp_path.glob("events.json*"), key=lambda one: -int(one.suffix[1:]) if one.suffix[1:].isdigit() else 0
    )
    assert len(files) > 3
    counted = outgoing.compare([line for file in files for line in file.read_bytes().splitlines()])
    assert set(counted.values()) == {1}


def _age(path: Path) -> int:
    return -int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0


def _name(what: str) -> str:
    return subprocess.run(["id", what], check=True, capture_output=True, text=True).stdout.strip()


def test_a_collector_that_is_killed_sends_again_and_loses_nothing(tmp_path: Path) -> None:
    """The same folder, another process: what was in flight is sent by the next."""
    receiver = SyslogNg(tmp_path, "tcp")
    receiver.start()

    def carrier() -> Syslog:
        return Syslog("127.0.0.1", receiver.port, transport="tcp", reach="loopback", settles=3)

    first = Outgoing(tmp_path, carrier(), "jsonl", "syslog", header="rfc5424")
    first.tell(0, 50)
    settled(lambda: receiver.log.exists() and len(receiver.log.read_bytes().splitlines()) >= 50, "nothing arrives")
    first._stop.set()
    first._thread.join()
    first.exporter.destinations["siem"].carrier.close()
    with first.engine.begin() as connection:
        connection.execute(sa.text("update export set held_until = 0"))  # its lease has run out
    second = Outgoing(tmp_path, carrier(), "jsonl", "syslog", header="rfc5424")
    second.uids, second.about = first.uids, first.about
    second.tell(50, 50)
    second.finish()
    receiver.kill()
    counted = second.compare(receiver.log.read_bytes().splitlines())
    assert len(counted) == 100
