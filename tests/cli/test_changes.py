"""What a scan says of the one before it: new, unchanged, gone; AI in no catalogue by what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.sensor import Options
from aimscope_cli.report import Report
from aimscope_cli.scanning import Request, run


class Machine:
    """A home that changes between scans which are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "root" / "home" / "ann"
        self._home.mkdir(parents=True)
        self.denied: list[str] = []

    def servers(self, *names: str) -> None:
        path = self._home / ".cursor" / "mcp.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"mcpServers": {name: {"command": f"/opt/{name}"} for name in names}}))

    def without_cursor(self) -> None:
        (self._home / ".cursor" / "mcp.json").unlink()
        (self._home / ".cursor").rmdir()

    def scan(self) -> Report:
        about = {"platform": "linux", "hostname": "a", "now": 1_790_000_000, "denied": self.denied}
        (self._folder / "machine.json").write_text(json.dumps(about))
        host = OfflineHost(self._folder / "root", self._folder / "machine.json")
        request = Request(
            target="host",
            host=host,
            options=Options(),
            described="a machine",
            sensors=("mcp",),
            store=True,
            quiet=True,
        )
        return run(request)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("AIMSCOPE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("AIMSCOPE_SERVICES", str(tmp_path / "no-own-services"))
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path)


def changes(report: Report) -> dict[str, str]:
    return {row.name: row.change for row in report.findings}


def test_the_first_scan_has_nothing_to_compare_with(machine: Machine) -> None:
    machine.servers("crm")
    report = machine.scan()
    assert (report.compared, set(changes(report).values())) == (False, {""})


def test_ai_in_no_catalogue_is_new_and_gone_by_what_it_is(machine: Machine) -> None:
    machine.servers("crm")
    machine.scan()
    machine.servers("crm", "hr")
    second = machine.scan()
    assert changes(second) == {"Cursor": "unchanged", "MCP server crm": "unchanged", "MCP server hr": "new"}
    assert second.gone == ()
    machine.servers("hr")
    third = machine.scan()
    assert set(changes(third).values()) == {"unchanged"}
    assert third.gone == ("MCP server crm",)
    assert machine.scan().gone == ()


def test_a_service_is_gone_only_after_a_complete_look(machine: Machine) -> None:
    machine.servers("crm")
    machine.scan()
    machine.denied = ["/home/ann"]
    assert machine.scan().gone == ()
    machine.denied = []
    back = machine.scan()
    assert set(changes(back).values()) == {"unchanged"}
    machine.without_cursor()
    assert machine.scan().gone == ("Cursor", "MCP server crm")
