"""`aimscope scan net`, as a person runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.agent.intake.net_servers import Page, site
from tests.cli.conftest import Run

OLLAMA = {
    "/": Page(200, "Ollama is running", {"Content-Type": "text/plain"}),
    "/api/version": Page(200, '{"version":"0.12.3"}', {"Content-Type": "application/json"}),
    "/api/tags": Page(200, '{"models":[{"name":"llama3.2:3b"}]}', {"Content-Type": "application/json"}),
}


def test_a_server_becomes_a_finding_with_its_device(aimscope: Run) -> None:
    with site(OLLAMA) as running:
        answer = aimscope("scan", "net", "127.0.0.1", "--ports", str(running.port), "--json", "-q")
    assert answer.exit_code == 0, answer.stderr
    report = json.loads(answer.stdout)
    (finding,) = report["findings"]
    assert finding["service"] == "ollama"
    (evidence,) = finding["evidence"]
    assert evidence["asset"] == "127.0.0.1"
    assert evidence["fields"] == {"port": str(running.port)}
    assert evidence["details"]["version"] == "0.12.3"
    assert evidence["details"]["models"] == "llama3.2:3b"
    (coverage,) = report["coverage"]
    assert coverage["sensor"] == "network"
    assert coverage["counts"]["recognised"] == 1
    assert report["complete"] is True


def test_against_an_inventory_it_is_unregistered(aimscope: Run, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text("aimscope_inventory: 1\nsystems:\n  - {name: Qdrant, services: [qdrant], status: approved}\n")
    with site(OLLAMA) as running:
        answer = aimscope("scan", "net", "127.0.0.1", "--ports", str(running.port), "--json", "-q")
    assert answer.exit_code == 3, answer.stdout + answer.stderr
    verdicts = {finding["service"]: finding["verdict"] for finding in json.loads(answer.stdout)["findings"]}
    assert verdicts["ollama"] == "unregistered"


def test_other_forms(aimscope: Run) -> None:
    with site(OLLAMA) as running:
        scan = ("scan", "net", "127.0.0.1", "--ports", str(running.port), "-q")
        table = aimscope(*scan, "--csv")
        text = aimscope(*scan, "--explain")
        sarif = aimscope(*scan, "--sarif")
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert [row["service"] for row in rows] == ["ollama"]
    assert "Ollama" in text.stdout
    assert "127.0.0.1" in text.stdout
    assert json.loads(sarif.stdout)["version"] == "2.1.0"


def test_a_locked_server_makes_coverage_incomplete(aimscope: Run) -> None:
    with site(lambda _: Page(401, "no", {"WWW-Authenticate": "Basic"})) as running:
        scan = ("scan", "net", "127.0.0.1", "--ports", str(running.port), "-q")
        assert aimscope(*scan).exit_code == 0
        strict = aimscope(*scan, "--strict-coverage", "--json")
    assert strict.exit_code == 4
    (gap,) = json.loads(strict.stdout)["coverage"][0]["gaps"]
    assert "credentials" in gap["reason"]


def test_targets_come_from_files_too(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "lab.txt").write_text("# the lab\n127.0.0.1\n127.0.0.3-5\n")
    answer = aimscope("scan", "net", "lab.txt", "localhost", "--exclude", "127.0.0.4", "--plan", "--json")
    planned = json.loads(answer.stdout)
    assert [each for each in planned["targets"] if ":" not in each] == ["127.0.0.1", "127.0.0.3", "127.0.0.5"]
    assert 11434 in planned["ports"]


@pytest.mark.parametrize("target", ["8.8.8.8", "2001:4860:4860::8888", "192.0.2.0/24"])
def test_public_addresses_are_refused_and_why(aimscope: Run, target: str) -> None:
    answer = aimscope("scan", "net", target)
    assert answer.exit_code == 2
    assert "public" in answer.stderr
    assert "--allow-public" in answer.stderr


def test_the_configuration_allows_and_excludes(aimscope: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("network: {allow: [192.0.2.0/29], exclude: [192.0.2.2-3], per_second: 50, at_once: 5}\n")
    answer = aimscope("scan", "net", "192.0.2.0/29", "--config", config, "--plan", "--json")
    planned = json.loads(answer.stdout)
    assert planned["targets"] == ["192.0.2.1", "192.0.2.4 to 192.0.2.6"]
    assert (planned["per_second"], planned["at_once"]) == (50, 5)
    faster = aimscope("scan", "net", "10.0.0.1", "--config", config, "--rate", "9", "--plan", "--json")
    assert json.loads(faster.stdout)["per_second"] == 9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["10.0.0.256"], "10.0.0.256"),
        (["10.0.0.0/8"], "too many"),
        (["10.0.0.1", "--ports", "http"], "--ports"),
        (["10.0.0.1", "--exclude", "10.0.0.0/24"], "no address is left"),
        (["no-such-host.invalid"], "no address is known"),
        (["10.0.0.1", "--resolver", "nonsense"], "resolver"),
        (["10.0.0.1", "--config", "missing.yaml"], "missing.yaml"),
    ],
)
def test_what_cannot_be_meant_is_said(aimscope: Run, arguments: list[str], said: str) -> None:
    answer = aimscope("scan", "net", *arguments)
    assert answer.exit_code == 2
    assert said in answer.stderr


def test_the_plan_connects_to_nothing(aimscope: Run) -> None:
    with site(OLLAMA) as running:
        answer = aimscope("scan", "net", "127.0.0.1", "--ports", str(running.port), "--plan")
    assert answer.exit_code == 0
    assert "1 addresses" in answer.stdout
    assert running.asked == []
