"""A simulated fleet and two real agents report to one collector, on SQLite and on PostgreSQL, and nothing gets lost.

Collector and fleet live in a network of their own; each real agent has processes, mounts, a home and a network of its
own, and one cable to the collector. TLS with an authority of ours. The collector is killed while the fleet reports.

``AIMSCOPE_FLEET_HOSTS`` and ``AIMSCOPE_FLEET_DAYS`` make the fleet larger: 5,000 hosts and 30 days are the long run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg
import pytest
import sqlalchemy as sa
import yaml

from aimscope_collector import founding, keys
from aimscope_collector.simulate import fleet as fleets
from aimscope_collector.simulate.comparing import Verdict, compare
from aimscope_collector.simulate.plan import Plan
from aimscope_collector.store.database import connect
from aimscope_collector.store.tables.fleet import AGENT
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING
from aimscope_signatures import bundle
from tests.agent.test_transport import Authority
from tests.chaos.crowd import say
from tests.collector.fleet.conftest import postgresql
from tests.end_to_end import program
from tests.end_to_end.machine import Machine
from tests.end_to_end.namespaces import Space, end, needs, private_network, until

HOSTS = int(os.environ.get("AIMSCOPE_FLEET_HOSTS", "150"))
DAYS = int(os.environ.get("AIMSCOPE_FLEET_DAYS", "5"))
SECONDS = 300 + HOSTS * DAYS // 40
ADDRESS, PORT = "10.77.0.1", 8443
URL = f"https://{ADDRESS}:{PORT}"
Row = tuple[str, str, tuple[tuple[str, str], ...], int]
"""Service, kind, evidence, count."""

__all__ = ["postgresql"]

MCP = {"mcpServers": {"tickets": {"command": "npx", "args": ["-y", "@corp/mcp-tickets"]}}}
PACKAGES = {"openai": "1.55.0", "openapi": "2.0", "anthropics": "0.1", "requests": "2.32.3"}
"""One that is AI, and others, some of them nearly."""
TICKETS = (("client", "cursor"), ("name", "tickets"), ("package", "npm:@corp/mcp-tickets"))
PLANTED: list[Row] = [
    ("", "mcp_server", TICKETS, 1),
    ("cursor", "config_file", (("path", "~/.cursor"),), 1),
    ("cursor", "mcp_server", TICKETS, 1),
    ("openai-api", "package", (("package", "pypi:openai"),), 1),
]
FOUND = {
    ("", "MCP server tickets (npm:@corp/mcp-tickets)"),
    *(("chatgpt", "ChatGPT"), ("claude", "Claude"), ("cursor", "Cursor"), ("openai-api", "OpenAI API")),
}


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

    def cable(self, machine: Machine) -> None:
        """Between the collector's network and a machine's: a network of two addresses."""
        self._cables += 1
        here, there = f"10.77.{self._cables}.1", f"10.77.{self._cables}.2"
        name, inside = f"v{self._cables}", str(machine.inside)
        run = self.space.run
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", inside)
        run("ip", "address", "add", f"{here}/24", "dev", name)
        run("ip", "link", "set", name, "up")
        for words in (f"address add {there}/24 dev eth0", "link set eth0 up", f"route add {ADDRESS} via {here}"):
            subprocess.run(["nsenter", "--target", inside, "--net", "ip", *words.split()], check=True, timeout=20)

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

    def compared(self, played: dict[str, Any]) -> Verdict:
        """What is kept of the fleet, against what is true."""
        plan = msgspec.convert(played["plan"], Plan)
        fleet = fleets.draw(plan, bundle.shipped())
        uids = {
            (each.number, which): f"sim-{played['run']}-{each.number}-{which}"
            for each in fleet.machines
            for which in (0, 1)
        }
        engine = connect(self.where)
        with engine.connect() as connection:
            names = {key: (uid, f"{uid}-ledger") for key, uid in uids.items()}
            verdict = compare(connection, fleet, names, keys.load(self.place / founding.KEYS).door())
        engine.dispose()
        return verdict

    def found(self) -> set[tuple[str, str]]:
        """Service and name of all findings, as the command shows them."""
        told = json.loads(self.aimscope("findings", "list", "--folder", self.place, "--json"))
        return {(finding["service"], finding["name"]) for finding in told}


class Resident:
    """A real agent on a machine of its own."""

    def __init__(self, machine: Machine, site: Site, token: Path, **config: Any) -> None:
        self.machine = machine
        self.config = machine.folder / "config.yaml"
        self.config.write_text(yaml.safe_dump({"limits": {"cpu_percent": 100, "disk_mb": 0}, **config}))
        site.cable(machine)
        trusted = ("--ca", site.authority.file, "--token-file", token)
        said = self.does("enrol", "--collector", URL, *trusted)
        self.uid = said.split(" as ")[1].split(".")[0].strip()

    def does(self, *words: str | Path) -> str:
        """A command of the agent, to its end."""
        done = self.machine.aimscope("agent", *words, "--config", self.config)
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


def _planted(home: Path) -> None:
    """A home in which an editor knows an MCP server, and a project uses an API."""
    (home / ".cursor").mkdir(parents=True)
    (home / ".cursor" / "mcp.json").write_text(json.dumps(MCP))
    site = home / "work/bot/.venv/lib/python3.11/site-packages"
    for name, version in PACKAGES.items():
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (home / "work/bot/.venv/pyvenv.cfg").write_text("home = /usr/bin\n")


def _asked(log: Path, *names: str) -> None:
    """The resolver writes down who asked for what."""
    with log.open("a") as file:
        for number, name in enumerate(names):
            file.write(f"Nov 23 10:00:{number:02} dnsmasq[7]: query[A] {name} from 192.0.2.{7 + number % 2}\n")


def _counts(rows: list[Row]) -> dict[str, int]:
    """How often each name was asked for, whoever asked."""
    found: dict[str, int] = {}
    for _, kind, fields, count in rows:
        assert kind == "dns.query"
        found[dict(fields)["name"]] = found.get(dict(fields)["name"], 0) + count
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Where an empty database is; empty for SQLite."""
    if request.param == "sqlite":
        return ""
    template: str = request.getfixturevalue("postgresql")
    name = f"fleet{uuid.uuid4().hex}"
    with psycopg.connect(template.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    return template.format(name=name)


@pytest.fixture
def site(database: str, tmp_path: Path) -> Iterator[Site]:
    """A collector that runs, in a network of its own."""
    if os.geteuid() != 0:
        pytest.skip("cables between networks can be laid by root alone")
    needs("ip", "curl", "nsenter")
    with private_network() as space:
        yield Site(tmp_path, space, database)


@pytest.mark.timeout(2 * SECONDS)
def test_a_fleet_and_two_real_agents(site: Site, tmp_path: Path, private_machine: Callable[[Path], Machine]) -> None:
    fleet_token, token = site.token(3 * HOSTS + 100), site.token(2)
    words = ("--hosts", str(HOSTS), "--days", str(DAYS), "--collector", URL, "--json", "--quiet")
    played = tmp_path / "played.json"
    fleet = site.space.start(
        *(program.AIMSCOPE, "simulate", *words, "--token-file", fleet_token, "--ca", site.authority.file), said=played
    )
    until(lambda: site.agents() > HOSTS // 4, f"the fleet does not report: {played}")
    site.killed()

    _planted(tmp_path / "home")
    (tmp_path / "nobody").mkdir()
    endpoint = Resident(private_machine(tmp_path / "home"), site, token)
    gateway_machine = private_machine(tmp_path / "nobody")
    log = gateway_machine.folder / "dnsmasq.log"
    _asked(log, "chatgpt.com", "www.example.org", "notchatgpt.com", "chatgpt.com", "chatgpt.com.example.org")
    gateway = Resident(
        gateway_machine, site, token, endpoint={"enabled": False}, logs={"paths": [str(log)], "zone": "utc"}
    )
    endpoint.does("once", "--require-sent")
    gateway.looks("chatgpt.com")
    site.killed()
    gateway.does("once", "--require-sent")
    assert _counts(site.rows(gateway.uid)) == {"chatgpt.com": 2}
    _asked(log, "claude.ai", "chatgpt.com", "www.example.org")
    endpoint.does("once", "--require-sent")
    gateway.looks("claude.ai")
    gateway.does("once", "--require-sent")

    fleet.wait(timeout=SECONDS)
    told = json.loads(played.read_text())
    site.killed()
    verdict = site.compared(told)
    assert verdict.equal, "\n".join(verdict.examples)
    assert verdict.rows_kept > HOSTS
    assert told["played"]["unanswered"] > 0, "the fleet noticed nothing of the collector's death"
    assert _counts(site.rows(gateway.uid)) == {"chatgpt.com": 3, "claude.ai": 1}
    assert site.rows(endpoint.uid) == PLANTED
    until(lambda: site.found() >= FOUND, f"findings: {site.found()}", 120)
    say(f"{verdict.agents} agents, {verdict.rows_kept} rows of the fleet, equal to the truth: {told['seconds']} s")
