"""A simulated fleet and two real agents report to one collector, on SQLite and on PostgreSQL, and nothing gets lost.

Collector and fleet live in a network of their own; each real agent has processes, mounts, a home and a network of its
own, and one cable to the collector. TLS with an authority of ours. The collector is killed while the fleet reports.

``AIMSCOPE_FLEET_HOSTS`` and ``AIMSCOPE_FLEET_DAYS`` make the fleet larger: 5,000 hosts and 30 days are the long run.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from aimscope_collector import founding, keys
from aimscope_collector.simulate import fleet as fleets
from aimscope_collector.simulate.comparing import Verdict, compare
from aimscope_collector.simulate.plan import Plan
from aimscope_collector.store.database import connect
from aimscope_signatures import bundle
from tests.chaos.crowd import say
from tests.collector.fleet.conftest import postgresql
from tests.end_to_end import program
from tests.end_to_end.machine import Machine
from tests.end_to_end.namespaces import needs, private_network, until
from tests.end_to_end.site import PLANTED, URL, Resident, Row, Site, planted

HOSTS = int(os.environ.get("AIMSCOPE_FLEET_HOSTS", "80"))
DAYS = int(os.environ.get("AIMSCOPE_FLEET_DAYS", "4"))
SECONDS = 300 + HOSTS * DAYS // 40
__all__ = ["postgresql"]

FOUND = {
    ("", "MCP server tickets (npm:@corp/mcp-tickets)"),
    *(("chatgpt", "ChatGPT"), ("claude", "Claude"), ("cursor", "Cursor"), ("openai-api", "OpenAI API")),
}


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


def _compared(site: Site, played: dict[str, Any]) -> Verdict:
    """What is kept of the fleet, against what is true."""
    plan = msgspec.convert(played["plan"], Plan)
    fleet = fleets.draw(plan, bundle.shipped())
    uids = {
        (each.number, which): f"sim-{played['run']}-{each.number}-{which}"
        for each in fleet.machines
        for which in (0, 1)
    }
    engine = connect(site.where)
    with engine.connect() as connection:
        names = {key: (uid, f"{uid}-ledger") for key, uid in uids.items()}
        verdict = compare(connection, fleet, names, keys.load(site.place / founding.KEYS).door())
    engine.dispose()
    return verdict


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
    until(lambda: site.agents() > min(HOSTS // 4, 100), "the fleet does not report", SECONDS)
    site.killed()

    planted(tmp_path / "home")
    (tmp_path / "nobody").mkdir()
    endpoint = Resident(private_machine(tmp_path / "home"))
    gateway_machine = private_machine(tmp_path / "nobody")
    log = gateway_machine.folder / "dnsmasq.log"
    _asked(log, "chatgpt.com", "www.example.org", "notchatgpt.com", "chatgpt.com", "chatgpt.com.example.org")
    gateway = Resident(gateway_machine, endpoint={"enabled": False}, logs={"paths": [str(log)], "zone": "utc"})
    for agent in (endpoint, gateway):
        site.cable(agent.machine)
        agent.enrols(site, token)
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
    verdict = _compared(site, told)
    assert verdict.equal, "\n".join(verdict.examples)
    assert verdict.rows_kept > HOSTS
    assert told["played"]["unanswered"] > 0, "the fleet noticed nothing of the collector's death"
    assert _counts(site.rows(gateway.uid)) == {"chatgpt.com": 3, "claude.ai": 1}
    assert site.rows(endpoint.uid) == PLANTED
    until(lambda: site.found() >= FOUND, f"findings: {site.found()}", 120)
    say(f"{verdict.agents} agents, {verdict.rows_kept} rows of the fleet, equal to the truth: {told['seconds']} s")
