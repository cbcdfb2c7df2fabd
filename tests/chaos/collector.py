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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aimscope_collector import keys
from aimscope_collector.store.database import connect
from aimscope_collector.store.tables import METADATA
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


class Running:
    """A collector that was started."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, told: Path) -> None:
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
) -> Iterator[Running]:
    """Start a collector and wait until it listens or is dead; it is killed at the end."""
    port = free_port()
    place.told.unlink(missing_ok=True)
    command = [
        *(*before, sys.executable, "-m", "tests.chaos.server"),
        *("--database", place.where, "--keys", str(place.keys), "--catalogue", str(place.catalogue)),
        *("--port", str(port), "--told", str(place.told)),
        *("--fatal", str(fatal), "--pages", str(pages), "--spoil", spoil),
    ]
    path = os.pathsep.join(str(ROOT / room) for room in _ROOMS)
    surroundings = {**os.environ, "PYTHONPATH": path, **(environment or {})}
    process = subprocess.Popen(command, cwd=ROOT, env=surroundings)
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


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False
