"""An agent that reaches its collector through a proxy alone: a real squid, and TLS from end to end within CONNECT."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.machine import Machine
from tests.end_to_end.namespaces import needs, open_folder, private_network, squid
from tests.end_to_end.site import ADDRESS, PLANTED, PORT, Resident, Site, planted

_NO_NAMES = "dns_timeout 1 second"
"""There is no resolver here, and an address has no name."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A collector that runs, in a network of its own."""
    if os.geteuid() != 0:
        pytest.skip("cables between networks can be laid by root alone")
    needs("ip", "curl", "nsenter", "squid")
    with private_network() as space:
        yield Site(tmp_path, space, "")


def _tunnels(log: Path) -> int:
    """Tunnels to the collector that the proxy wrote down."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(f" CONNECT {ADDRESS}:{PORT} " in line and "TCP_TUNNEL/200" in line for line in lines)


def test_everything_goes_through_the_proxy(
    site: Site, tmp_path: Path, private_machine: Callable[[Path], Machine]
) -> None:
    planted(tmp_path / "home")
    agent = Resident(private_machine(tmp_path / "home"))
    near = site.cable(agent.machine, routed=False)
    proxy = f"http://{near}:3128"
    with open_folder("proxy") as folder:
        server = squid(site.space, folder, f"http_port {near}:3128\n{_NO_NAMES}")

        enrol = ("agent", "enrol", "--collector", f"https://{ADDRESS}:{PORT}", "--ca", site.authority.file)
        without = agent.machine.aimscope(*enrol, "--token-file", site.token(1), "--proxy", "none")
        assert without.returncode != 0, "the collector can be reached without the proxy: nothing is shown"
        assert _tunnels(server.log) == 0

        agent.enrols(site, site.token(1), "--proxy", proxy)
        enrolled = _tunnels(server.log)
        assert enrolled > 0
        agent.does("once", "--require-sent")
        assert _tunnels(server.log) > enrolled
        assert site.rows(agent.uid) == PLANTED
        content = server.log.read_text()
        assert "/v1/" not in content, "the proxy saw what was asked"


def test_a_proxy_of_the_environment_is_used(
    site: Site, tmp_path: Path, private_machine: Callable[[Path], Machine]
) -> None:
    planted(tmp_path / "home")
    agent = Resident(private_machine(tmp_path / "home"))
    near = site.cable(agent.machine, routed=False)
    with open_folder("proxy") as folder:
        server = squid(site.space, folder, f"http_port {near}:3128\n{_NO_NAMES}")
        agent.environ = {"HTTPS_PROXY": f"http://{near}:3128"}
        agent.enrols(site, site.token(1))
        agent.does("once", "--require-sent")
        assert _tunnels(server.log) > 1
        assert site.rows(agent.uid) == PLANTED

        agent.environ = {}
        done = agent.machine.aimscope("agent", "once", "--require-sent", "--config", agent.config)
        assert done.returncode == 1, "it reports without the proxy: nothing is shown"
