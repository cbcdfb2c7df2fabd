"""An agent as a gateway: traffic, syslog and a network scan, in a namespace of networks of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.agent.at_work import Agent

from aimscope_signatures.model import Status

SCENE = Path(__file__).with_name("gateway_scene.py")


@pytest.fixture
def apart() -> list[str]:
    """What runs a command in a namespace of its own."""
    pytest.importorskip("pcapy")
    user = [] if sys.platform != "win32" and os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--net"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not permitted here")
    return command


def test_traffic_syslog_and_networks_are_looked_at(tmp_path: Path, apart: list[str]) -> None:
    agent = Agent(tmp_path)
    agent.config |= {
        "endpoint": {"enabled": False},
        "gateway": {"interfaces": ["lo"]},
        "logs": {"syslog": ["udp://127.0.0.1:5514"]},
        "network": {"ranges": ["127.0.0.1"], "ports": ["11434"], "on_battery": True},
    }
    status = agent.state / "agent" / "status.json"
    command = [*apart, sys.executable, str(SCENE), str(status), *agent.command("run", "--config", agent.config_file)]
    done = subprocess.run(
        command, env=agent.env, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    with agent.ledger() as ledger:
        found = ledger.sightings()
        report = ledger.pending(0)
    asked = {dict(total.evidence)["name"]: total for total in found if total.kind == "dns.query"}
    assert asked["api.anthropic.com"].count == 3
    assert asked["chat.openai.com"].count == 6
    assert asked["chat.openai.com"].asset == "10.0.0.5"
    assert "example.org" not in asked
    assert any(total.service == "ollama" and total.asset == "127.0.0.1" for total in found)
    assert report is not None
    looks = {look.sensor: look for look in report.report.looks if not look.source}
    assert looks.keys() >= {"packets", "syslog", "network"}
    assert looks["network"].status is Status.COMPLETE
    assert {run.mode for run in report.report.runs} == {"gateway", "logs", "network"}
