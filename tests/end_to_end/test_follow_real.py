"""Logs followed while real servers write them, while they are rotated, and while the watcher is killed repeatedly."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import program
from tests.end_to_end.namespaces import (
    AI,
    OTHERS,
    Server,
    Space,
    dnsmasq,
    end,
    named,
    needs,
    open_folder,
    private_network,
    squid,
    unbound,
    until,
)

pytestmark = pytest.mark.e2e

Asked = Counter[str]
ANSWERED = ("chatgpt.com", "api.openai.com")
"""Names of AI that no server refuses: one line tells of each question."""


@pytest.fixture
def space() -> Iterator[Space]:
    with private_network() as space:
        yield space


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


_STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def nothing_runs_on() -> Iterator[None]:
    yield
    while _STARTED:
        end(_STARTED.pop(), signal.SIGKILL)


class Watcher:
    """`aimscope watch` on one log or folder, begun again whenever it was killed."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._options = ["--log", str(path), "--state", str(folder / "kept"), "--json", "--quiet"]
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.kills = 0

    def start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "watch.said").open("ab") as said:
            self._process = subprocess.Popen(
                [program.AIMSCOPE, "watch", *self._options],
                cwd=self._folder,
                env=program.environment(self._folder / "home", self._folder),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        _STARTED.append(self._process)
        return self._process

    def says(self, text: bytes) -> None:
        """Wait until it says something."""
        said = self._folder / "watch.said"

        def holds() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, said.read_text()
            return text in said.read_bytes()

        until(holds, f"{text!r} was not said")

    def killed_at_random(self, chooser: random.Random) -> None:
        """Run on in the background; killed at random moments, also while it starts."""

        def run() -> None:
            while not self._over.is_set():
                process = self.start()
                self._over.wait(chooser.uniform(0.3, 4.0))
                assert process.poll() is None, (self._folder / "watch.said").read_text()[-2000:]
                end(process, signal.SIGKILL)
                self.kills += 1

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()
        elif self._process:
            end(self._process, signal.SIGKILL)

    def report(self) -> dict[str, Any]:
        """What is known after one more look."""
        done = program.aimscope("watch", "--once", *self._options, folder=self._folder)
        assert done.returncode == 0, done.stderr
        done.stdout = done.stdout.splitlines()[-1]
        return program.told(done)

    def counts(self) -> Asked:
        found: Asked = Counter()
        for row in self.report()["findings"]:
            for one in row["evidence"]:
                found[one["fields"].get("name") or one["fields"]["host"]] += one.get("count", 1)
        return found

    def comes_to(self, expected: Asked) -> None:
        """Wait until everything is counted; then nothing more may come."""
        found: Asked = Counter()

        def right() -> bool:
            nonlocal found
            found = self.counts()
            return found.total() >= expected.total()

        with contextlib.suppress(AssertionError):
            until(right, "")
        assert found == expected
        assert self.counts() == expected


def ask(space: Space, chooser: random.Random, number: int) -> Asked:
    """Ask names of all kinds; those of AI, counted."""
    names = chooser.choices((*ANSWERED, *OTHERS), k=number)
    space.ask(*(f"{name} A" for name in names))
    return Counter(name for name in names if name in ANSWERED)


def renamed(server: Server, number: int) -> Path:
    """The server goes on writing the renamed file, until it is told."""
    old = server.log.with_name(f"{server.log.name}.{number}")
    server.log.rename(old)
    time.sleep(0.2)
    server.reopen()
    until(server.log.exists, "the log was not opened anew")
    return old


def copied(server: Server, number: int) -> Path:
    old = server.log.with_name(f"{server.log.name}.{number}")
    shutil.copy2(server.log, old)
    with server.log.open("r+b") as file:
        file.truncate(0)
    return old


def compressed(server: Server, number: int) -> Path:
    old = renamed(server, number)
    time.sleep(0.5)  # what was in flight is written by then
    packed = old.with_name(f"{old.name}.gz")
    packed.write_bytes(gzip.compress(old.read_bytes()))
    shutil.copystat(old, packed)
    old.unlink()
    return packed


Ways = tuple[Callable[[Server, int], Path], ...]


def everything(space: Space, folder: Path, server: Server, ways: Ways, seed: int, *, rounds: int = 6) -> None:
    """Ask, rotate and kill, all at once; in the end every question counts once."""
    chooser = random.Random(seed)
    asked = ask(space, chooser, 30)
    watcher = Watcher(server.log, folder)
    assert watcher.counts() == asked
    watcher.killed_at_random(random.Random(seed + 1))
    try:
        for number in range(1, rounds + 1):
            for _ in range(chooser.randrange(1, 4)):
                asked += ask(space, chooser, chooser.randrange(200))
                time.sleep(chooser.uniform(0, 1.5))
            chooser.choice(ways)(server, rounds - number + 1)
        asked += ask(space, chooser, 50)
        until(lambda: watcher.kills >= 4, "not killed often enough")
    finally:
        watcher.stop()
    watcher.comes_to(asked)


def test_dnsmasq_rotated_in_every_way(space: Space, folder: Path) -> None:
    everything(space, folder, dnsmasq(space, folder, "--log-queries"), (renamed, copied, compressed), 1)


def test_unbound_renamed(space: Space, folder: Path) -> None:
    everything(space, folder, unbound(space, folder, "log-queries"), (renamed, compressed), 2, rounds=4)


def test_named_renamed(space: Space, folder: Path) -> None:
    everything(space, folder, named(space, folder), (renamed, compressed), 3, rounds=4)


def test_logrotate_as_debian_runs_it(space: Space, folder: Path) -> None:
    """Twice renamed and compressed a round late, twice copied; a scheduler looks now and then."""
    needs("logrotate")
    server = dnsmasq(space, folder, "--log-queries")
    config, state, watcher = folder / "rotate.conf", folder / "rotate.state", Watcher(server.log, folder)
    how = "rotate 7\n  create 0640\n  compress\n  delaycompress\n  postrotate\n    kill -USR2 {}\n  endscript"
    chooser, asked = random.Random(4), Counter[str]()
    for way in (how.format(server.process.pid), "rotate 7\n  copytruncate\n  compress\n  dateext\n  dateformat -%s"):
        config.write_text(f"{server.log} {{\n  {way}\n}}\n")
        config.chmod(0o600)
        for _ in range(2):
            asked += ask(space, chooser, 60)
            if chooser.random() < 0.5:
                watcher.counts()
            space.run("logrotate", "--force", "--state", state, config)
            asked += ask(space, chooser, 20)
            time.sleep(1.1)  # a date of its own
    watcher.comes_to(asked)


def test_squid_rotates_its_own_log(space: Space) -> None:
    with open_folder("proxy") as folder:
        server = squid(space, folder, "logfile_rotate 3")
        watcher = Watcher(server.log, folder)
        asked: Asked = Counter()
        chooser = random.Random(5)
        for number in range(4):
            asked += fetch(space, chooser, 40)
            if number == 0:
                assert watcher.counts() == asked
                watcher.killed_at_random(random.Random(6))
            server.reopen()
            until(lambda: server.log.exists() and server.log.stat().st_size == 0, "squid did not rotate")
        asked += fetch(space, chooser, 20)
        until(lambda: watcher.kills >= 2, "not killed often enough")
        watcher.stop()
        watcher.comes_to(asked)


def fetch(space: Space, chooser: random.Random, number: int) -> Asked:
    """Ask a proxy for pages that nobody serves."""
    names = chooser.choices((*ANSWERED, *OTHERS), k=number)
    urls = "".join(f"url=http://{name}:9/\noutput=/dev/null\n" for name in names)
    space.run("sh", "-c", "curl -s -x http://127.0.0.1:3128 -K - || :", text=urls)
    return Counter(name for name in names if name in ANSWERED)


def test_a_folder_into_which_others_drop_logs(space: Space, folder: Path) -> None:
    server = dnsmasq(space, folder, "--log-queries")
    dropped, making = folder / "dropped", folder / "making"
    dropped.mkdir()
    making.mkdir()
    watcher, chooser, asked = Watcher(dropped, folder), random.Random(7), Counter[str]()
    watcher.killed_at_random(random.Random(8))
    for number in range(8):
        asked += ask(space, chooser, 60)
        old = renamed(server, number)
        time.sleep(0.3)
        packed = making / f"resolver-{number}.log.gz"
        packed.write_bytes(gzip.compress(old.read_bytes()))
        packed.rename(dropped / packed.name)
        if number % 3 == 2:
            shutil.copy2(dropped / packed.name, dropped / f"again-{number}.gz")  # delivered twice
        time.sleep(chooser.uniform(0, 2))
    until(lambda: watcher.kills >= 3, "not killed often enough")
    watcher.stop()
    watcher.comes_to(asked)


def test_ended_in_good_order_by_either_signal(space: Space, folder: Path) -> None:
    server = dnsmasq(space, folder, "--log-queries")
    asked = ask(space, random.Random(9), 40)
    watcher, said = Watcher(server.log, folder), folder / "watch.said"
    for how in (signal.SIGTERM, signal.SIGINT):
        said.unlink(missing_ok=True)
        process = watcher.start()
        watcher.says(b'"chatgpt"')
        assert end(process, how) == 0
        *_, last = said.read_text().splitlines()
        assert sum(one["count"] for row in json.loads(last)["findings"] for one in row["evidence"]) == asked.total()
        asked += ask(space, random.Random(how), 20)
    watcher.comes_to(asked)


def test_deleted_and_begun_anew(space: Space, folder: Path) -> None:
    """What is written to the deleted file is read too, as long as it is open."""
    server = dnsmasq(space, folder, "--log-queries")
    chooser = random.Random(14)
    asked = ask(space, chooser, 40)
    watcher = Watcher(server.log, folder)
    process = watcher.start()
    watcher.says(b'"chatgpt"')
    server.log.unlink()
    asked += ask(space, chooser, 40)
    server.reopen()
    asked += ask(space, chooser, 40)
    time.sleep(7)  # it waits a while for a file that may only be on its way to another name
    assert end(process, signal.SIGTERM) == 0
    watcher.comes_to(asked)


def test_refused_while_it_is_followed(space: Space, folder: Path) -> None:
    """Question and refusal are lines of their own, and the watcher may be killed between them."""
    server = dnsmasq(space, folder, "--log-queries=extra")
    chooser, asked = random.Random(11), Counter[str]()
    watcher = Watcher(server.log, folder)
    watcher.killed_at_random(random.Random(12))
    while watcher.kills < 4:
        names = chooser.choices(AI, k=chooser.randrange(60))
        space.ask(*(f"{name} A" for name in names))
        asked.update(names)
    watcher.stop()
    watcher.comes_to(asked)
    found = {(row["service"], one["presence"]) for row in watcher.report()["findings"] for one in row["evidence"]}
    assert found == {
        ("chatgpt", "used"),
        ("openai-api", "used"),
        ("claude", "attempted"),
        ("hugging-face", "attempted"),
    }


def test_an_impatient_person_gets_no_traceback(space: Space, folder: Path) -> None:
    server = dnsmasq(space, folder, "--log-queries")
    asked = ask(space, random.Random(10), 40)
    watcher, said = Watcher(server.log, folder), folder / "watch.said"
    for pause in (0.05, 0.3, 0.6, 1.0, 2.0):
        process = watcher.start()
        time.sleep(pause)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        assert process.wait(timeout=60) in {0, 130, -signal.SIGINT}, said.read_text()
    assert "Traceback" not in said.read_text()
    watcher.comes_to(asked)


# A process counts what its parent had when it was begun: a small one begins it.
MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


def test_300_mb_from_the_beginning(folder: Path) -> None:
    """As exact as a scan, in little memory."""
    chooser, log = random.Random(13), folder / "access.log"
    with log.open("w") as file:
        for start in range(1_795_000_000, 1_795_100_000, 1_000):
            hosts = [
                chooser.choice(AI) if n % 50 == 7 else f"h{chooser.randrange(9_000)}.example" for n in range(10_000)
            ]
            for repeat in range(3):
                stamp = f"{start + 300 * repeat}.123     90 10.0.{chooser.randrange(4)}."
                file.writelines(
                    f"{stamp}{n % 250} TCP_TUNNEL/200 512 CONNECT {host}:443 - HIER_DIRECT/192.0.2.1 text/html\n"
                    for n, host in enumerate(hosts)
                )
    assert log.stat().st_size > 300_000_000
    watched = folder / "watched.json"
    with watched.open("wb") as told, (folder / "watch.said").open("wb") as said:
        watch = [program.AIMSCOPE, "watch", "--once", "--log", log, "--state", folder / "kept", "--json", "--quiet"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(folder / "peak"), *map(str, watch)],
            env=program.environment(folder / "home", folder),
            stdout=told,
            stderr=said,
            check=False,
        )
    assert done.returncode == 0, (folder / "watch.said").read_text()
    assert int((folder / "peak").read_text()) < 150_000, "kilobytes resident"
    report = json.loads(watched.read_text().splitlines()[-1])
    scanned = program.told(program.aimscope("scan", "logs", log, "--json", "--quiet", folder=folder))
    assert totals(report) == totals(scanned)
    assert sum(totals(report).values()) == 60_000
    assert report["coverage"][0]["status"] == "complete"


def totals(report: dict[str, Any]) -> dict[tuple[str, ...], int]:
    rows = ((row["service"], one) for row in report["findings"] for one in row["evidence"])
    return {(service, one["fields"]["host"], one["asset"]): one.get("count", 1) for service, one in rows}
