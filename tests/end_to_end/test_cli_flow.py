"""What a person does with the program, command by command, on a machine of its own."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.end_to_end.machine import Machine
from tests.end_to_end.person import Person
from tests.end_to_end.program import services, told

REPOSITORY = Path(__file__).parents[2]
SCAN_SCHEMA = REPOSITORY / "docs" / "reference" / "scan.schema.json"
SARIF_SCHEMA = REPOSITORY / "tests" / "_data" / "schemas" / "sarif-schema-2.1.0.json"


class Desk:
    """The person, the machine, and the folder the commands are typed in."""

    def __init__(self, person: Person, machine: Machine) -> None:
        self.person = person
        self.machine = machine

    def types(self, *arguments: str | Path, status: int = 0) -> tuple[str, str]:
        """Run a command; what it prints and what it hints. Its exit status must be the one that is documented."""
        done = self.machine.aimscope(*arguments, folder=self.machine.folder)
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout, done.stderr

    def scans(self, *arguments: str | Path, status: int = 0) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.types("scan", "--json", *arguments, status=status)[0])
        return report

    @property
    def inventory(self) -> Path:
        return self.machine.folder / "inventory.yaml"

    def decides(self, **decision: str) -> None:
        """Write the decision into every system of the inventory that is but proposed."""
        content = yaml.safe_load(self.inventory.read_text())
        for system in content["systems"]:
            if system["status"] == "proposed":
                system.update(decision)
        self.inventory.write_text(yaml.safe_dump(content))


@pytest.fixture
def desk(tmp_path: Path, private_machine: Callable[[Path], Machine]) -> Desk:
    person = Person(tmp_path / "home")
    return Desk(person, private_machine(person.home))


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {row["service"]: row["verdict"] for row in report["findings"]}


def changes(report: dict[str, Any]) -> dict[str, str]:
    return {row["service"]: row.get("change", "") for row in report["findings"]}


def test_from_the_first_scan_to_an_inventory_that_holds(desk: Desk) -> None:
    desk.person.install("openai")

    said, hinted = desk.types("scan")
    assert "1 AI service found, no inventory yet" in said
    assert "aimscope inventory init --from-scan" in hinted

    desk.types("inventory", "init", "--from-scan")
    assert "openai-api" in desk.inventory.read_text()
    assert "exists already" in desk.types("inventory", "init", "--from-scan", status=2)[1]
    desk.types("inventory", "check")

    assert verdicts(desk.scans(status=3)) == {"openai-api": "unregistered"}

    desk.decides(status="approved", owner="Ann Example", purpose="Answers customers")
    desk.types("inventory", "check")
    report = desk.scans()
    assert verdicts(report) == {"openai-api": "authorised"}
    assert report["inventory"]["systems"] == 1

    desk.inventory.write_text(desk.inventory.read_text().replace("status: approved", "status: aproved"))
    line = next(n for n, text in enumerate(desk.inventory.read_text().splitlines(), 1) if "aproved" in text)
    said, _ = desk.types("inventory", "check", status=1)
    assert f"inventory.yaml:{line}" in said
    assert "status" in said
    assert "cannot be used" in desk.types("scan", status=2)[1]


def test_what_comes_and_what_goes(desk: Desk) -> None:
    desk.person.install("openai")
    assert "compared" not in desk.scans()
    assert "compared" not in desk.scans("--no-store")
    assert changes(desk.scans()) == {"openai-api": "unchanged"}

    desk.person.install("anthropic")
    report = desk.scans()
    assert changes(report) == {"openai-api": "unchanged", "anthropic-api": "new"}
    assert changes(desk.scans())["anthropic-api"] == "unchanged"

    desk.person.uninstall("openai")
    report = desk.scans()
    assert services(report) == {"anthropic-api"}
    assert report["gone"] == ["OpenAI API"]
    assert "gone" not in desk.scans()


def test_a_prohibited_service_is_told_even_where_others_are_approved(desk: Desk) -> None:
    desk.person.install("openai")
    desk.scans()
    desk.types("inventory", "init", "--from-scan")
    desk.decides(status="prohibited", owner="Ann Example", purpose="None")
    said, _ = desk.types("scan", status=3)
    assert "Prohibited, and found (1)" in said


def test_a_wrong_detection_is_ignored_until_a_day(desk: Desk) -> None:
    desk.person.install("anthropic")
    desk.types("inventory", "init")
    assert verdicts(desk.scans(status=3)) == {"anthropic-api": "unregistered"}

    assert "needs a reason" in desk.types("ignore", "anthropic-api", status=2)[1]
    desk.types("ignore", "anthropic-api", "--reason", "Our own package of that name", "--until", "2999-12-31")
    report = desk.scans()
    assert services(report) == set()
    assert report["ignored"] == 1
    assert "Our own package of that name" in desk.types("ignore")[0]


def test_the_report_in_every_form(desk: Desk) -> None:
    desk.person.install("openai")
    folder = desk.machine.folder
    for form in ("json", "csv", "sarif"):
        said, _ = desk.types("scan", f"--{form}", "--output", f"result.{form}", "--html", f"{form}.html")
        assert "OpenAI API" in said, "a person still reads the result where the document goes to a file"

    report = json.loads((folder / "result.json").read_text())
    jsonschema.validate(report, json.loads(SCAN_SCHEMA.read_text()))
    assert services(report) == {"openai-api"}

    sarif = json.loads((folder / "result.sarif").read_text())
    jsonschema.validate(sarif, json.loads(SARIF_SCHEMA.read_text()))
    assert {result["ruleId"] for result in sarif["runs"][0]["results"]} == {"aimscope/openai-api"}

    with (folder / "result.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["service"] for row in rows} == {"openai-api"}
    assert {row["kind"] for row in rows} == {"package"}

    page = (folder / "json.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "OpenAI API" in page
    for name in ("result.json", "result.csv", "result.sarif", "json.html"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, "a report names people"


def test_combinations_that_cannot_be_meant_are_refused(desk: Desk) -> None:
    assert "at a time" in desk.types("scan", "--json", "--csv", status=2)[1]
    assert "--output needs" in desk.types("scan", "--output", "x.json", status=2)[1]
    assert "no sensor" in desk.types("scan", "--sensor", "nonsense", status=2)[1]
    assert "cannot be written" in desk.types("scan", "--json", "--output", "nowhere/x.json", status=2)[1]


def test_the_machine_comes_before_a_tree_that_is_asked_for(desk: Desk, tmp_path: Path) -> None:
    """A scan of a tree is kept nowhere: it says nothing about this machine."""
    desk.person.install("openai")
    desk.scans()
    empty = tmp_path / "empty"
    (empty / "home" / "eve").mkdir(parents=True)
    report = told(desk.machine.aimscope("scan", "--root", empty, "--json"))
    assert services(report) == set()
    assert "gone" not in report
    assert changes(desk.scans()) == {"openai-api": "unchanged"}
