"""Rules for all units at once: found by walking a folder, independent of each other, documented."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from aimscope_agent import sensors as sensor_folder
from aimscope_agent.intake.netsurvey import EMITS as NETWORK
from aimscope_agent.logs.registry import built_in
from aimscope_agent.registry import sensors
from aimscope_agent.sources._registry import sources
from aimscope_agent.traffic.coverage import EMITS as PACKETS
from aimscope_signatures.kinds import KINDS

FOLDER = Path(sensor_folder.__path__[0])
MODULES = sorted(path for path in FOLDER.rglob("*.py") if path != FOLDER / "__init__.py")
LONGEST = 400
NAMES = ("dns.alias",)  # observed by `scan names`


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def unit_of(path: Path) -> str:
    """`applications` for `applications.py`, `_applications_linux.py` and `applications/linux.py`."""
    first = path.relative_to(FOLDER).parts[0].removesuffix(".py")
    units = sorted((sensor.name for sensor in sensors()), key=len, reverse=True)
    return next((unit for unit in units if first == unit or first.startswith(f"_{unit}_")), first)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_sensors_do_not_know_each_other(path: Path) -> None:
    prefix = f"{sensor_folder.__name__}."
    for name in imported(path):
        if name.startswith(prefix):
            other = name.removeprefix(prefix).split(".")[0]
            assert unit_of(FOLDER / other) == unit_of(path), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_sensors_see_a_machine_only_through_their_look(path: Path) -> None:
    banned = {"os", "socket", "subprocess", "sqlite3", "pathlib", "psutil", "http", "httpx", "time", "winreg"}
    assert sorted(name for name in imported(path) if name.split(".")[0] in banned) == []
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in {"open", "print", "eval"}]


def test_a_sensor_declares_known_kinds_and_says_what_it_does() -> None:
    for sensor in sensors():
        assert set(sensor.emits) <= set(KINDS), sensor.name
        assert sensor.doc.endswith("."), sensor.name
        assert sensor.privacy or not sensor.opt_in, f"{sensor.name} is off by default and does not say why"


def test_every_kind_is_observed_by_somebody() -> None:
    observed = {kind for sensor in sensors() for kind in sensor.emits}
    observed |= {record.kind for form in built_in().values() for record in form.map.records}
    observed |= {kind for source in sources().values() for kind in source.emits}
    observed |= {*PACKETS, *(kind for kinds in NETWORK.values() for kind in kinds), *NAMES}
    assert sorted(set(KINDS) - observed) == []


def test_evidence_fields_are_fields_and_hold_nothing_personal() -> None:
    for kind in KINDS.values():
        assert set(kind.evidence) <= set(kind.fields), kind.name
        assert not [name for name in kind.evidence if kind.fields[name].personal or kind.fields[name].local], kind.name
        assert not {"version", "pid", "subject"} & set(kind.evidence), kind.name


def test_no_file_asks_to_be_split() -> None:
    packages = Path(__file__).parents[2]
    long = [
        f"{path.relative_to(packages)}: {lines}"
        for package in ("agent", "collector", "signatures", "cli")
        for path in sorted((packages / package).rglob("*.py"))
        if "migrations" not in path.parts  # written once, by a program, and never changed
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    assert long == []
