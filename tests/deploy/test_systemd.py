"""The units: hardened, free of mistakes systemd sees, and starting commands that exist."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.commands import refuse_unknown

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service")) + sorted(FOLDER.glob("*.timer"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictNamespaces": "yes",
    "LockPersonality": "yes",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
}
MOST_CAPABILITIES = {
    "aimscope-collector": set[str](),
    "aimscope-gateway": {"CAP_NET_RAW"},
    "aimscope-agent": {"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"},
    "aimscope-scan": {"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"},
}
EXPOSURE = {"aimscope-collector": 20, "aimscope-gateway": 25, "aimscope-agent": 35, "aimscope-scan": 35}
"""Tenths, as ``systemd-analyze security`` counts: 100 is a service without any protection."""


def entries(unit: Path) -> list[tuple[str, str]]:
    lines = [line.strip() for line in unit.read_text("utf-8").splitlines()]
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return [(name, value) for name, _, value in pairs]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_that_exists(unit: Path) -> None:
    started = [value for name, value in entries(unit) if name == "ExecStart"]
    assert len(started) == 1
    program, *words = shlex.split(started[0])
    assert program == "/opt/aimscope/bin/aimscope"
    refuse_unknown(words)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_unit_is_hardened(unit: Path) -> None:
    found = dict(entries(unit))
    assert {name: found.get(name) for name in HARDENED} == HARDENED
    assert set(found["CapabilityBoundingSet"].split()) == MOST_CAPABILITIES[unit.stem]
    assert found["ProtectHome"] in {"yes", "read-only"}


def test_every_unit_has_its_capabilities_stated() -> None:
    assert {unit.stem for unit in SERVICES} == MOST_CAPABILITIES.keys()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_no_mistake(tmp_path: Path) -> None:
    for unit in UNITS:
        # the program is not installed where tests run
        text = unit.read_text("utf-8").replace("/opt/aimscope/bin/aimscope", "/bin/true")
        (tmp_path / unit.name).write_text(text, "utf-8")
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_exposure_stays_low(unit: Path) -> None:
    limit = EXPOSURE[unit.stem]
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={limit}", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]
