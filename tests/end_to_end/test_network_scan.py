"""A network scan of real servers in a network of its own, and names that a real name server answers for."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import program
from tests.end_to_end.environments import Environment, installed
from tests.end_to_end.machine import Machine
from tests.end_to_end.program import evidence, services, told
from tests.end_to_end.test_real_servers import GRADIO, MCP, RECIPE, SERVERS, YES_SAYER

SSE = MCP.replace("streamable_http_app()", "sse_app()").replace("8931", "8932").replace('"clock"', '"diary"')
DNSMASQ = """port=5335
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
no-daemon
cname=chat.corp.example,chat-app.azurewebsites.net
cname=llm.corp.example,assistant.corp.example
cname=assistant.corp.example,corp-llm.openai.azure.com
host-record=corp-llm.openai.azure.com,10.0.0.9
host-record=chat-app.azurewebsites.net,10.0.0.10
host-record=gpu-01.corp.example,127.0.0.1
"""


@pytest.fixture(scope="module")
def servers() -> Environment:
    return installed(RECIPE)


@pytest.fixture(scope="module")
def machine(servers: Environment, private_machine: Callable[[Path], Machine]) -> Machine:
    """All of them, running in a network where nothing else is."""
    machine = private_machine(servers.home)
    work = machine.folder / "work"
    work.mkdir()
    (work / "demo.py").write_text(GRADIO)
    (work / "clock.py").write_text(MCP)
    (work / "diary.py").write_text(SSE)
    (work / "yes.py").write_text(YES_SAYER.replace("8000", "8001"))
    running = []
    for server in SERVERS:
        command, *arguments = (part.replace("{work}", str(work)) for part in server.command)
        environ = {name: value.replace("{work}", str(work)) for name, value in server.environ.items()}
        log = work / f"{server.service}.log"
        process = machine.start([servers.home / command, *arguments], log, folder=work, environ=environ)
        running.append((server.port, process, log))
    python = servers.home / "apps/.venv/bin/python"
    for port, name in ((8932, "diary"), (8001, "yes")):
        log = work / f"{name}.log"
        running.append((port, machine.start([python, work / f"{name}.py"], log, folder=work), log))
    for port, process, log in running:
        machine.answers(f"http://127.0.0.1:{port}/", process, log)
    return machine


@pytest.fixture(scope="module")
def report(machine: Machine) -> dict[str, Any]:
    ports = (*(str(server.port) for server in SERVERS), "8932", "8001", "11434")
    done = machine.aimscope("scan", "net", "127.0.0.1", "127.0.0.2", "--ports", ",".join(ports), "--json")
    return told(done)


@pytest.mark.parametrize("server", SERVERS, ids=[server.service for server in SERVERS])
def test_a_server_on_the_network_is_told_by_its_answer(report: dict[str, Any], server: Any) -> None:
    kind = "mcp.handshake" if server.service == "mcp-http-server" else "http.response"
    found = evidence(report, server.service, kind)
    assert str(server.port) in {one["fields"]["port"] for one in found}
    assert "127.0.0.1" in {one["asset"] for one in found}


def test_versions_are_told(report: dict[str, Any]) -> None:
    stated = {"gradio": "6.31.0", "mlflow": "3.17.2", "jupyter": "2.21.1"}
    for service, version in stated.items():
        assert {one["details"].get("version") for one in evidence(report, service)} == {version}, service


def test_both_transports_of_mcp_give_the_servers_name(report: dict[str, Any]) -> None:
    found = {
        (one["fields"]["name"], one["details"]["transport"])
        for one in evidence(report, "mcp-http-server", "mcp.handshake")
    }
    assert found == {("clock", "streamable-http"), ("diary", "sse")}


def test_nothing_is_found_that_was_not_started(report: dict[str, Any]) -> None:
    # plain Jupyter is what Jupyter AI runs in
    assert services(report) == {server.service for server in SERVERS} | {"jupyter"}


def test_coverage_counts_add_up(report: dict[str, Any]) -> None:
    (coverage,) = report["coverage"]
    counts = coverage["counts"]
    assert counts["ports tried"] == 2 * (len(SERVERS) + 3)
    assert counts["ports tried"] == sum(counts[state] for state in ("open", "closed", "filtered", "unreachable"))
    assert counts["asked"] == counts["open"]


def test_stopped_by_hand_it_reports_what_it_has(machine: Machine) -> None:
    log = machine.folder / "stopped.json"
    scan = ["scan", "net", "127.0.0.0/20", "--rate", "300", "--ports", "4000,5000,7860", "--json", "-q"]
    process = machine.start([program.AIMSCOPE, *scan], log)
    while not (begun := [pid for pid in _below(process.pid) if _connects(pid)]):
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    time.sleep(2)
    os.kill(begun[0], signal.SIGINT)
    assert process.wait(60) in {0, 3}
    text = log.read_text()
    report = told(subprocess.CompletedProcess(scan, 0, stdout=text[text.index("{") : text.rindex("}") + 1], stderr=""))
    (coverage,) = report["coverage"]
    assert any("not tried" in gap["reason"] for gap in coverage["gaps"])
    assert 0 < coverage["counts"]["ports tried"] < 3 * 4_094


def _connects(pid: int) -> bool:
    """Whether a scan has begun: its event loop waits for connections. What it closes while we look is passed over."""
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    return any("eventpoll" in _aim(link) for link in links)


def _aim(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _below(pid: int) -> Iterator[int]:
    """The innermost processes that were started: the program itself."""
    import psutil

    children = psutil.Process(pid).children(recursive=True)
    yield from (child.pid for child in children if not child.children()) if children else (pid,)


# names


@pytest.fixture(scope="module")
def resolver(machine: Machine) -> str:
    config = machine.folder / "dnsmasq.conf"
    config.write_text(DNSMASQ)
    log = machine.folder / "dnsmasq.log"
    process = machine.start(["dnsmasq", f"--conf-file={config}", "--user=root"], log)
    time.sleep(1)
    assert process.poll() is None, log.read_text()
    return "127.0.0.1:5335"


def test_aliases_are_followed_to_where_they_end(machine: Machine, resolver: str) -> None:
    (machine.folder / "names.txt").write_text("chat.corp.example\nllm.corp.example\nwww.corp.example\n")
    done = machine.aimscope("scan", "names", machine.folder / "names.txt", "--resolver", resolver, "--json")
    report = told(done)
    assert services(report) == {"azure-openai"}
    assert {one["fields"]["name"] for one in evidence(report, "azure-openai")} == {"llm.corp.example"}


def test_devices_are_called_by_their_reverse_names(machine: Machine, resolver: str) -> None:
    done = machine.aimscope("scan", "net", "127.0.0.1", "--ports", "7860", "--resolver", resolver, "--json")
    assert {one["asset"] for one in evidence(told(done), "gradio")} == {"gpu-01.corp.example"}
