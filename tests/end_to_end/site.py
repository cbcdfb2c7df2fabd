"""A real collector in a network of its own, and real agents on machines of their own that report to it.

A cable each leads from a machine to the collector's network. TLS with an authority of ours.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import sqlalchemy as sa
import yaml

from aimscope_collector import founding
from aimscope_collector.store.database import connect
from aimscope_collector.store.tables.fleet import AGENT
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING
from tests.agent.test_transport import Authority
from tests.end_to_end import program
from tests.end_to_end.machine import Machine
from tests.end_to_end.namespaces import Space, end

ADDRESS, PORT = "10.77.0.1", 8443
URL = f"https://{ADDRESS}:{PORT}"
Row = tuple[str, str, tuple[tuple[str, str], ...], int]
"""Service, kind, evidence, count."""
_SERVERS = {"mcpServers": {"tickets": {"command": "npx", "args": ["-y", "@corp/mcp-tickets"]}}}
_PACKAGES = {"openai": "1.55.0", "openapi": "2.0", "anthropics": "0.1", "requests": "2.32.3"}
"""One that is AI, and others, some of them nearly."""
_TICKETS = (("client", "cursor"), ("name", "tickets"), ("package", "npm:@corp/mcp-tickets"))
PLANTED: list[Row] = [
    ("", "mcp_server", _TICKETS, 1),
    ("cursor", "config_file", (("path", "~/.cursor"),), 1),
    ("cursor", "mcp_server", _TICKETS, 1),
    ("openai-api", "package", (("package", "pypi:openai"),), 1),
]
"""What is to be seen of a home that ``planted`` made."""


class Site:
    """A collector with its network, and the folder where everything lies."""

    def __init__(self, folder: Path, space: Space, database: str) -> None:
        self.folder = folder
        self.space = space
        self.place = folder / "collector"
        self.authority = Authority(folder, "authority")
        self.certificate, self.key, _ = self.authority.issue("collector", ADDRESS)
        self._said = folder / "collector.log"
        self._cables = 0
        space.run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
        self.aimscope("collector", "init", "--folder", self.place, *(["--database", database] if database else []))
        config = founding.read_config(self.place)
        self.where = founding.where(self.place, config)
        self.serving = self._serve()

    def aimscope(self, *words: str | Path) -> str:
        """Run the program where the collector is."""
        return self.space.run(program.AIMSCOPE, *words)

    def token(self, uses: int) -> Path:
        """A file with an enrolment token."""
        file = self.folder / f"token-{uses}"
        made = self.aimscope("collector", "token", "create", "--folder", self.place, "--uses", str(uses), "--json")
        file.write_text(json.loads(made)["token"])
        return file

    def _serve(self) -> subprocess.Popen[bytes]:
        listen = ("--listen", f"{ADDRESS}:{PORT}", "--tls-cert", self.certificate, "--tls-key", self.key)
        process = self.space.start(
            *(program.AIMSCOPE, "collector", "serve", "--folder", self.place, *listen), said=self._said
        )
        self.space.answers(process, lambda: self.space.run("curl", "-s", "-k", "-o", "/dev/null", URL), self._said)
        return process

    def killed(self) -> None:
        """The collector dies at once, and is started anew."""
        end(self.serving, signal.SIGKILL)
        self.serving = self._serve()

    def cable(self, machine: Machine, *, routed: bool = True) -> str:
        """Between the collector's network and a machine's: a network of two addresses, of which this is the near one.

        Not ``routed``, the machine reaches that address alone, and not the collector.
        """
        self._cables += 1
        here, there = f"10.77.{self._cables}.1", f"10.77.{self._cables}.2"
        name, inside = f"v{self._cables}", str(machine.inside)
        run = self.space.run
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", inside)
        run("ip", "address", "add", f"{here}/24", "dev", name)
        run("ip", "link", "set", name, "up")
        said = [f"address add {there}/24 dev eth0", "link set eth0 up"]
        for words in (*said, *([f"route add {ADDRESS} via {here}"] if routed else [])):
            subprocess.run(["nsenter", "--target", inside, "--net", "ip", *words.split()], check=True, timeout=20)
        return here

    def agents(self) -> int:
        """How many are enrolled."""
        engine = connect(self.where)
        with engine.connect() as connection:
            number = connection.execute(sa.select(sa.func.count()).select_from(AGENT)).scalar_one()
        engine.dispose()
        return int(number)

    def rows(self, uid: str) -> list[Row]:
        """What is kept of an agent."""
        engine = connect(self.where)
        c = EVIDENCE.c
        joined = SIGHTING.join(AGENT, AGENT.c.id == SIGHTING.c.agent).join(EVIDENCE, c.id == SIGHTING.c.evidence)
        wanted = (
            sa.select(c.service, c.kind, c.fields, SIGHTING.c["count"]).select_from(joined).where(AGENT.c.uid == uid)
        )
        with engine.connect() as connection:
            found = [
                (service, kind, tuple(sorted(msgspec.json.decode(fields).items())), count)
                for service, kind, fields, count in connection.execute(wanted)
            ]
        engine.dispose()
        return sorted(found)

    def found(self) -> set[tuple[str, str]]:
        """Service and name of all findings, as the command shows them."""
        told = json.loads(self.aimscope("findings", "list", "--folder", self.place, "--json"))
        return {(finding["service"], finding["name"]) for finding in told}


class Resident:
    """A real agent on a machine of its own."""

    def __init__(self, machine: Machine, **config: Any) -> None:
        self.machine = machine
        self.config = machine.folder / "config.yaml"
        self.config.write_text(yaml.safe_dump({"limits": {"cpu_percent": 100, "disk_mb": 0}, **config}))
        self.uid = ""
        self.environ: dict[str, str] = {}

    def enrols(self, site: Site, token: Path, *more: str | Path) -> None:
        """Make it known to the collector."""
        said = self.does("enrol", "--collector", URL, "--ca", site.authority.file, "--token-file", token, *more)
        self.uid = said.split(" as ")[1].split(".")[0].strip()

    def does(self, *words: str | Path) -> str:
        """A command of the agent, to its end."""
        done = self.machine.aimscope("agent", *words, "--config", self.config, environ=self.environ)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def looks(self, name: str) -> None:
        """Run and be stopped, until a name was seen: the ledger is the agent's alone as long as it runs."""
        said = self.machine.folder / "run.log"
        for seconds in range(4, 24, 2):
            process = self.machine.start([program.AIMSCOPE, "agent", "run", "--config", self.config], said)
            time.sleep(seconds)
            assert process.poll() is None, said.read_text()
            (inside,) = psutil.Process(process.pid).children()
            inside.terminate()
            process.wait(timeout=60)
            if self._kept(name):
                return
        raise AssertionError(f"{name} is not seen: {said.read_text()}")

    def _kept(self, name: str) -> bool:
        """Whether the ledger holds a total of that name."""
        ledger = self.machine.folder / "state" / "agent" / "ledger.db"
        if not ledger.exists():
            return False
        with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
            return any(name in str(row) for row in connection.execute("select * from cell"))


def planted(home: Path) -> None:
    """A home in which an editor knows an MCP server, and a project uses an API."""
    (home / ".cursor").mkdir(parents=True)
    (home / ".cursor" / "mcp.json").write_text(json.dumps(_SERVERS))
    site = home / "work/bot/.venv/lib/python3.11/site-packages"
    for name, version in _PACKAGES.items():
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (home / "work/bot/.venv/pyvenv.cfg").write_text("home = /usr/bin\n")
