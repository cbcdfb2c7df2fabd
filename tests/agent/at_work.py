"""A real `aimscope agent run` over a recorded host, with a state folder of its own, and sensors that misbehave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml
from tests.agent.collector_at import Collector, Fault

from aimscope_agent.ledger import Ledger
from aimscope_signatures import wire

HOST = Path(__file__).parents[1] / "_data" / "hosts" / "linux-ai-workstation"
PATIENCE = 60.0

SENSOR = """
from __future__ import annotations
import time
from collections.abc import Iterator
from aimscope_agent.sensor import Look, Sensor
from aimscope_signatures.model import Observation

def observe(look: Look) -> Iterator[Observation]:
    {body}
    yield from ()

SENSOR = Sensor(name="{name}", doc="Misbehaves.", emits=("model",), observe=observe)
"""


class Enrolling(Collector):
    """Takes everybody in whose token is `let-me-in`. ``root`` is the signed root of trust it gives them."""

    root = ""

    def answer(self, path: str, body: bytes, credential: str) -> Fault:
        if path != "/v1/enrol":
            return super().answer(path, body, credential)
        self.asked.append((path, body))
        said = msgspec.json.decode(body, type=wire.Enrol)
        if said.token != "let-me-in":
            problem = wire.Problem(type="token", title="this token is not valid", status=403)
            return 403, {"Content-Type": "application/problem+json"}, msgspec.json.encode(problem)
        self.secrets.add(said.secret)
        answer = wire.Enrolled(agent=said.agent, approved=True, root=self.root)
        return 200, {"Content-Type": "application/json"}, msgspec.json.encode(answer)


class Agent:
    """An agent of a test: its folder, its configuration, and its process while it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config: dict[str, Any] = {
            "endpoint": {"root": str(HOST), "on_battery": True},
            "limits": {"cpu_percent": 100, "disk_mb": 0},
        }
        self.environment: dict[str, str] = {}
        self.said = folder / "said.txt"

    @property
    def config_file(self) -> Path:
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(self.config))
        return path

    @property
    def env(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        keep = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))  # the compiled catalogue
        return {
            **keep,
            "HOME": str(home),
            "XDG_CACHE_HOME": cache,
            "AIMSCOPE_STATE": str(self.state),
            "AIMSCOPE_SERVICES": str(self.folder / "none"),
            **self.environment,
        }

    def misbehave(self, **bodies: str) -> None:
        """Add sensors with these bodies to those that children find."""
        more, site = self.folder / "more", self.folder / "site"
        more.mkdir(exist_ok=True)
        site.mkdir(exist_ok=True)
        for name, body in bodies.items():
            (more / f"{name}.py").write_text(SENSOR.format(name=name, body=body))
        (site / "sitecustomize.py").write_text(
            f"import aimscope_agent.sensors\naimscope_agent.sensors.__path__.append({str(more)!r})\n"
        )
        self.environment["PYTHONPATH"] = str(site)

    def command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "aimscope_cli", "agent", *map(str, words)]

    def do(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            self.command(*words),
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The service; killed at the end of the block if it still runs."""
        with self.said.open("ab") as said:
            process = subprocess.Popen(
                self.command("run", "--config", self.config_file),
                env=self.env,
                cwd=self.folder,
                stderr=said,
                stdout=said,
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE)

    def status(self) -> dict[str, Any]:
        path = self.state / "agent" / "status.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for something that is to happen."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, self.said.read_text() + json.dumps(self.status())
            time.sleep(0.05)

    def scanned(self) -> bool:
        return bool(self.status().get("last", {}).get("endpoint"))

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger of an agent that does not run."""
        ledger = Ledger(self.state / "agent" / "ledger.db", now=0)
        try:
            assert ledger.set_aside is None
            yield ledger
        finally:
            ledger.close()

    def looks(self) -> dict[tuple[str, str], wire.Look]:
        """Every look that is kept, by sensor and source."""
        with self.ledger() as ledger:
            report = ledger.pending(0)
            assert report is not None
            return {(look.sensor, look.source): look for look in report.report.looks}
