"""The service as a real process, with real children and a real collector on loopback."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.agent.at_work import Agent, Enrolling
from tests.agent.collector_at import served

from aimscope_agent import identity
from aimscope_agent.ledger.sent import SentLog
from aimscope_signatures import signed, wire
from aimscope_signatures.model import Status

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
LINE = (
    '{{"ts":"2026-11-0{day}T10:00:00Z","uid":"C{n}","id.orig_h":"10.0.0.{n}","id.orig_p":1,"id.resp_h":"1.2.3.4",'
    '"id.resp_p":443,"version":"TLSv13","server_name":"api.anthropic.com","established":true}}\n'
)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


@pytest.fixture
def collector() -> Iterator[Enrolling]:
    one = Enrolling()
    with served(one):
        yield one


def point(agent: Agent, collector: Enrolling) -> None:
    token = agent.folder / "token"
    token.write_text("let-me-in\n")
    agent.config["collector"] = {"url": collector.url, "token_file": str(token)}


def log_lines(first: int, count: int) -> str:
    return "".join(LINE.format(day=1 + n % 8, n=n % 200) for n in range(first, first + count))


def logged(agent: Agent) -> int:
    """Lines of the log that the ledger has counted."""
    with agent.ledger() as ledger:
        return sum(total.count for total in ledger.sightings() if total.kind == "tls.client_hello")


def test_it_enrols_scans_and_reports(agent: Agent, collector: Enrolling) -> None:
    collector.pace = wire.Pace(next_check_in=1)
    point(agent, collector)
    with agent.running() as process:
        agent.until(lambda: agent.scanned() and collector.model.cells and not agent.status().get("pending"))
        assert agent.status()["last_contact"]
        assert agent.stop(process) == 0
    with agent.ledger() as ledger:
        assert {total.service for total in ledger.sightings()} >= {"claude-code", "aichat"}
        assert len(collector.model.cells) == len(ledger.sightings())
        assert ledger.waiting() == 0
    (run,) = collector.model.runs.values()
    assert (run.mode, run.complete) == ("schedule", all_fine(collector))
    assert run.sightings == len(collector.model.cells)
    assert {look.sensor for look in collector.model.looks.values()} >= {"mcp", "models", "processes", "feeds"}
    assert all(look.emits for look in collector.model.looks.values() if look.sensor == "mcp" and not look.source)


def all_fine(collector: Enrolling) -> bool:
    fine = {Status.COMPLETE, Status.OFF, Status.UNSUPPORTED}
    return all(one.status in fine for one in collector.model.looks.values() if not one.source and one.sensor != "feeds")


def test_what_left_the_machine_is_what_is_shown(agent: Agent, collector: Enrolling) -> None:
    point(agent, collector)
    done = agent.do("once", "--config", agent.config_file)
    assert (done.returncode, "Reported" in done.stdout) == (0, True), done.stderr
    shown = [(entry.route, bytes(entry.body)) for entry in SentLog(agent.state / "agent/sent.jsonl").entries()]
    sent = [(path, body.replace(b"let-me-in", "…".encode())) for path, body in collector.asked]
    assert shown == sent
    printed = agent.do("show-sent", "--json")
    assert [json.loads(line)["body"] for line in printed.stdout.splitlines()] == [json.loads(body) for _, body in sent]
    secret = identity.load(agent.state / "agent/identity.json")
    assert secret is not None
    assert secret.secret not in printed.stdout + agent.do("status", "--json").stdout + agent.do("doctor").stdout


def test_offline_it_keeps_and_reports_later(agent: Agent, collector: Enrolling) -> None:
    point(agent, collector)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        free = nobody.getsockname()[1]
    agent.environment["AIMSCOPE_COLLECTOR_PROXY"] = f"http://127.0.0.1:{free}"  # the way there is cut
    done = agent.do("once", "--config", agent.config_file)
    assert done.returncode == 0
    assert "Kept" in done.stdout
    assert agent.do("once", "--config", agent.config_file, "--require-sent").returncode == 1
    del agent.environment["AIMSCOPE_COLLECTOR_PROXY"]
    again = agent.do("once", "--config", agent.config_file, "--require-sent")
    assert again.returncode == 0, again.stderr
    with agent.ledger() as ledger:
        assert len(collector.model.cells) == len(ledger.sightings()) > 10
    assert len(collector.model.runs) == 3


def test_a_token_that_is_not_valid_is_said(agent: Agent, collector: Enrolling) -> None:
    point(agent, collector)
    (agent.folder / "token").write_text("wrong")
    done = agent.do("once", "--config", agent.config_file)
    assert done.returncode == 0
    assert "this token is not valid" in done.stderr
    assert not collector.model.cells


def test_killed_at_any_time_it_loses_and_doubles_nothing(agent: Agent, collector: Enrolling) -> None:
    """kill -9 of the agent at random moments, while a log grows: each line is counted once, here and there."""
    collector.pace = wire.Pace(next_check_in=1)
    point(agent, collector)
    log = agent.folder / "ssl.log"
    log.write_text("")
    agent.config |= {"logs": {"paths": [str(log)]}, "endpoint": {"enabled": False}}
    chance = random.Random(7)
    written = 0
    for _ in range(6):
        with log.open("a") as file:
            file.write(log_lines(written, 400))
        written += 400
        with agent.running() as process:
            time.sleep(0.6 + chance.random() * 1.5)
            process.kill()
            process.wait()
    with agent.running() as process:
        agent.until(lambda: "logs" in agent.status().get("running", ()))
        children = psutil.Process(process.pid).children()
        agent.until(lambda: quiet(children))
        agent.until(lambda: reported(collector) == written)
        assert agent.stop(process) == 0
    assert logged(agent) == written


def reported(collector: Enrolling) -> int:
    """Lines of the log that the collector has counted."""
    return sum(cell.count for (_, key), cell in list(collector.model.cells.items()) if key[1] == "tls.client_hello")


def quiet(processes: list[psutil.Process]) -> bool:
    """They have had nothing to do for a second."""
    before = [one.cpu_times().user for one in processes]
    time.sleep(1.0)
    return [one.cpu_times().user for one in processes] == before


def test_a_killed_agent_leaves_no_child_behind(agent: Agent) -> None:
    agent.config["limits"]["cpu_percent"] = 5
    agent.misbehave(spins="while True: pass")
    with agent.running() as process:
        watched = psutil.Process(process.pid)
        agent.until(lambda: any(one.status() == psutil.STATUS_STOPPED for one in watched.children()))
        children = watched.children()
        process.kill()  # while a child is held to its share
        process.wait()
        gone, alive = psutil.wait_procs(children, timeout=30)
        assert gone
        assert not alive


def test_a_killed_scan_is_made_again(agent: Agent) -> None:
    agent.misbehave(waits="time.sleep(600)")
    with agent.running() as process:
        agent.until(lambda: psutil.Process(process.pid).children())
        process.kill()
        process.wait()
    assert not agent.scanned()
    agent.environment.clear()
    with agent.running() as process:
        agent.until(agent.scanned)
        assert agent.stop(process) == 0
    assert ("mcp", "") in agent.looks()


def test_a_sensor_that_runs_away_is_stopped_and_the_others_go_on(agent: Agent) -> None:
    agent.config["limits"] |= {"seconds": 3, "memory_mb": 300}
    agent.misbehave(
        spins="while True: pass",
        grows="held = []\n    while True: held.append(bytearray(10_000_000)); time.sleep(0.02)",
    )
    done = agent.do("once", "--config", agent.config_file)
    assert done.returncode == 0, done.stderr
    looks = agent.looks()
    assert looks["spins", ""].status is Status.FAILED
    assert "3 s" in looks["spins", "spins"].reason
    assert "limits" in looks["spins", "spins"].remedy
    assert looks["grows", ""].status is Status.FAILED
    assert looks["services", ""].status is not Status.FAILED
    assert any("spins" in notice for notice in agent.status()["notices"])
    with agent.ledger() as ledger:
        assert len(ledger.sightings()) > 10


def test_a_crashing_child_is_a_gap_and_tried_again_later(agent: Agent) -> None:
    agent.misbehave(dies="import os; os._exit(9)")
    done = agent.do("once", "--config", agent.config_file)
    assert done.returncode == 1
    assert "status 9" in done.stderr
    assert agent.looks()["endpoint", ""].status is Status.FAILED


def test_sensors_are_switched_off_and_on(agent: Agent) -> None:
    agent.config["endpoint"] |= {"off": ["models"], "opt_in": ["shell_history"]}
    assert agent.do("once", "--config", agent.config_file).returncode == 0
    looks = agent.looks()
    assert looks["models", ""].status is Status.OFF
    assert looks["shell_history", ""].status is not Status.OFF
    assert looks["browser_history", ""].status is Status.OFF


def test_what_privacy_forbids_never_enters_the_ledger(agent: Agent) -> None:
    assert agent.do("once", "--config", agent.config_file).returncode == 0
    with agent.ledger() as ledger:
        people = {total.subject for total in ledger.sightings()} - {""}
    assert people
    agent.state = agent.folder / "other"
    agent.config["privacy"] = {"users": "drop"}
    assert agent.do("once", "--config", agent.config_file).returncode == 0
    with agent.ledger() as ledger:
        assert {total.subject for total in ledger.sightings()} == {""}


def test_a_damaged_ledger_is_set_aside_and_everything_scanned_anew(agent: Agent) -> None:
    assert agent.do("once", "--config", agent.config_file).returncode == 0
    path = agent.state / "agent" / "ledger.db"
    before = agent.status()["epoch"]
    data = bytearray(path.read_bytes())
    data[200:6_000] = os.urandom(5_800)
    path.write_bytes(data)
    with agent.running() as process:
        agent.until(lambda: agent.status().get("epoch") != before and agent.status().get("pending", 0) > 10)
        assert agent.stop(process) == 0
    assert any("set aside" in notice for notice in agent.status()["notices"])


def test_the_configuration_is_read_again(agent: Agent) -> None:
    agent.config["endpoint"]["enabled"] = False
    with agent.running() as process:
        agent.until(agent.status)
        agent.config["endpoint"]["enabled"] = True
        _ = agent.config_file
        process.send_signal(signal.SIGHUP)
        agent.until(agent.scanned)
        agent.config["endpoint"]["every"] = "nonsense"
        _ = agent.config_file
        process.send_signal(signal.SIGHUP)
        agent.until(lambda: any("not read anew" in notice for notice in agent.status().get("notices", ())))
        assert agent.stop(process) == 0


def test_there_is_one_agent_at_a_time(agent: Agent) -> None:
    agent.config["endpoint"]["enabled"] = False
    with agent.running() as process:
        agent.until(agent.status)
        done = agent.do("once", "--config", agent.config_file)
        assert done.returncode == 2
        assert "runs already" in done.stderr
        assert agent.stop(process) == 0


def test_it_stops_while_it_waits_for_an_answer(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        agent.config["collector"] = {
            "url": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "token_file": str(agent.folder / "t"),
        }
        (agent.folder / "t").write_text("let-me-in")
        agent.config["endpoint"]["enabled"] = False
        with agent.running() as process:
            connection, _ = silent.accept()
            began = time.monotonic()
            assert agent.stop(process) == 0
            assert time.monotonic() - began < 20  # not the 30 s of the request
            connection.close()


def test_a_copy_of_the_disk_does_not_report_as_the_first(agent: Agent, collector: Enrolling) -> None:
    point(agent, collector)
    assert agent.do("once", "--config", agent.config_file).returncode == 0
    path = agent.state / "agent" / "identity.json"
    first = identity.load(path)
    assert first is not None
    identity.keep(path, msgspec.structs.replace(first, machine="0" * 64))
    del agent.config["collector"]["token_file"]
    before = len(collector.asked)
    done = agent.do("once", "--config", agent.config_file)
    assert "another machine" in done.stderr
    assert len(collector.asked) == before
    agent.config["collector"]["token_file"] = str(agent.folder / "token")
    assert agent.do("once", "--config", agent.config_file).returncode == 0
    second = identity.load(path)
    assert second is not None
    assert second.uid != first.uid
    assert {epoch for epoch, _ in collector.model.cells} > {agent.status()["epoch"]}


def test_a_signed_policy_takes_effect_within_what_the_owner_allows(agent: Agent, collector: Enrolling) -> None:
    said = {"schema": 1, "endpoint": {"off": ["models"], "opt_in": ["shell_history", "browser_history"]}}
    offer(collector, policy=json.dumps(said | {"privacy": {"users": "drop"}}).encode())
    agent.config["endpoint"]["may_opt_in"] = ["shell_history"]
    point(agent, collector)
    assert agent.do("once", "--config", agent.config_file).returncode == 0  # it learns of the policy
    agent.state.joinpath("agent/ledger.db").unlink()
    assert agent.do("once", "--config", agent.config_file).returncode == 0
    assert collector.check_ins[-1].acknowledges_policy == 1
    looks = {sensor: look for (_, sensor, source, _), look in collector.model.looks.items() if not source}
    assert looks["models"].status is Status.OFF
    assert looks["browser_history"].status is Status.OFF
    assert looks["shell_history"].status is not Status.OFF
    with agent.ledger() as ledger:
        assert {total.subject for total in ledger.sightings()} == {""}


def test_a_policy_that_nobody_signed_changes_nothing(agent: Agent, collector: Enrolling) -> None:
    offer(collector, policy=b'{"schema": 1, "endpoint": {"enabled": false}}')
    collector.root = ""  # no root of trust to believe it by
    point(agent, collector)
    assert agent.do("once", "--config", agent.config_file).returncode == 0
    done = agent.do("once", "--config", agent.config_file)
    assert done.returncode == 0
    assert any("policy version 1 was refused" in notice for notice in agent.status()["notices"])
    assert len(collector.model.runs) == 2


def offer(collector: Enrolling, **bodies: bytes) -> None:
    """Have the collector offer feeds, signed, with a root that vouches for them."""
    key = Ed25519PrivateKey.generate()
    public, now = signed.public_of(key), int(time.time())
    roles: dict[signed.Role, signed.Keepers] = dict.fromkeys(signed.ROLES, signed.Keepers((signed.key_id(public),)))
    root = signed.root([public], roles, version=1, issued=now, expires=now + 86_400)
    collector.root = signed.sign(root, [key])
    feeds = {}
    for role, body in bodies.items():
        statement = signed.vouch(msgspec.convert(role, signed.Role), body, version=1, issued=now, expires=now + 86_400)
        collector.bodies[f"/v1/{role}/{statement.sha256}"] = body
        feeds[role] = wire.Feed(1, statement.sha256, signed.sign(statement, [key]))
    collector.pace = msgspec.structs.replace(collector.pace, feeds=feeds)


def test_what_cannot_be_looked_at_is_a_gap_and_a_notice(agent: Agent, tmp_path: Path) -> None:
    agent.config["endpoint"]["enabled"] = False
    agent.config["gateway"] = {"interfaces": ["no-such-interface"]}
    agent.config["logs"] = {"paths": [str(tmp_path)], "format": "no-such-format"}
    with agent.running() as process:
        agent.until(lambda: len(agent.status().get("notices", ())) == 2)
        assert agent.stop(process) == 0
    looks = agent.looks()
    assert looks["packets", ""].status is looks["logs", ""].status is Status.FAILED
    assert "no-such-format" in looks["logs", "logs"].reason
    assert {notice.partition(":")[0] for notice in agent.status()["notices"]} == {"traffic", "logs"}
