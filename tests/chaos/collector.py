"""The collector's process, seen from the test that starts and kills it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from aimscope_collector import keys
from aimscope_collector.store.database import connect
from aimscope_collector.store.tables import METADATA
from tests.chaos.server import Options, serve
from tests.signatures.conftest import HOLLY, write

ROOT: Final = Path(__file__).resolve().parents[2]
_ROOMS: Final = ("agent", "collector", "signatures", "cli")
_PATIENCE: Final = 60.0


class Place:
    """What outlives a killed collector: database, keys, catalogue."""

    def __init__(self, where: str, folder: Path) -> None:
        self.where = where
        self.folder = folder
        self.keys = folder / "keys"
        self.catalogue = folder / "catalogue"
        self.told = folder / "killed-at"
        folder.mkdir(parents=True, exist_ok=True)
        keys.create(self.keys, secrets.token_bytes)
        write(self.catalogue, HOLLY)
        engine = connect(where)
        METADATA.create_all(engine)
        engine.dispose()


class Forked:
    """A process that is a copy of this one: nothing has to be imported anew."""

    def __init__(self, options: Options) -> None:
        self._status: int | None = None
        self.pid = fork()
        if not self.pid:
            try:
                serve(options)
            except BaseException:  # noqa: BLE001 - whatever it is, no test goes on in this process
                traceback.print_exc()
            os._exit(1)

    def poll(self) -> int | None:
        """How it ended; ``None`` where it did not."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def send_signal(self, number: int) -> None:
        """Where it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Until it has ended."""
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status


class Running:
    """A collector that was started."""

    def __init__(self, process: subprocess.Popen[bytes] | Forked, port: int, told: Path) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._told = told

    @property
    def alive(self) -> bool:
        """It has not ended yet."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def killed_at(self) -> str:
        """Where it killed itself, as it wrote down."""
        return self._told.read_text(encoding="utf-8").strip() if self._told.exists() else "from outside"

    def memory(self) -> float:
        """MB resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


@contextlib.contextmanager
def running(
    place: Place,
    *,
    fatal: int = 0,
    spoil: str = "",
    pages: int = 0,
    environment: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
    port: int = 0,
) -> Iterator[Running]:
    """Start a collector, wait until it listens or is dead, kill it at the end. ``before`` starts the command."""
    port = port or free_port()
    place.told.unlink(missing_ok=True)
    options = Options(
        database=place.where,
        keys=str(place.keys),
        catalogue=str(place.catalogue),
        told=str(place.told),
        port=port,
        fatal=fatal,
        pages=pages,
        spoil=spoil,
    )
    process: subprocess.Popen[bytes] | Forked
    if environment or before:
        said = msgspec.json.encode(options).decode()
        command = [*before, sys.executable, "-m", "tests.chaos.server", said]
        process = subprocess.Popen(command, cwd=ROOT, env={**surroundings(), **(environment or {})})
    else:
        process = Forked(options)
    collector = Running(process, port, place.told)
    try:
        until = time.monotonic() + _PATIENCE
        while collector.alive and not _listens(port):
            if time.monotonic() > until:
                raise TimeoutError("the collector does not listen")
            time.sleep(0.02)
        yield collector
    finally:
        collector.kill()


def fork() -> int:
    """As ``os.fork``, also where the test runner has threads: they take no part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def surroundings() -> dict[str, str]:
    """The environment in which a process of ours finds its packages."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / room) for room in _ROOMS)}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False
