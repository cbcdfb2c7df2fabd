"""The container files: nobody is root, nothing floats, and the commands exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.commands import refuse_unknown

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "docker"
FILES = sorted(FOLDER.glob("*.Dockerfile"))
INSTRUCTIONS = {
    *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL"),
    *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
}


def instructions(path: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", path.read_text("utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))["services"]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_runs_a_command_that_exists_as_somebody_else_than_root(path: Path) -> None:
    found = instructions(path)
    assert {word for word, _ in found} <= INSTRUCTIONS
    last = dict(found)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last["USER"])
    assert json.loads(last["ENTRYPOINT"]) == ["aimscope"]
    refuse_unknown(json.loads(last["CMD"]))
    if "HEALTHCHECK" in last:
        command = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
        if command[0] == "python":
            compile(command[2], "HEALTHCHECK", "exec")
            assert "/api/v1/health" in command[2]
        else:
            refuse_unknown(command[1:])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_installs_what_was_tested(path: Path) -> None:
    found = instructions(path)
    bases = [rest.split()[0] for word, rest in found if word == "FROM"]
    assert bases
    assert all(re.search(r":\d", base) for base in bases)
    installs = [rest for word, rest in found if word == "RUN" and "pip install" in rest]
    assert installs
    assert all("--constraint constraints.txt" in rest for rest in installs)
    extras = {extra for rest in installs for extra in re.search(r"'\.\[(.+)\]'", rest)[1].split(",")}  # type: ignore[index]
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert all(f"\n{extra} = [" in text for extra in extras)


def test_the_collectors_image_has_what_draws_a_pdf() -> None:
    """WeasyPrint loads these by name when it is imported; without a font it draws boxes."""
    last = (FOLDER / "collector.Dockerfile").read_text("utf-8").rpartition("\nFROM ")[2]
    assert {"libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-dejavu-core"} <= set(last.split())


@pytest.mark.parametrize("name", ["collector", "gateway"])
def test_our_services_hold_no_privilege_they_do_not_need(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_RAW"] if name == "gateway" else [])
    assert "no-new-privileges:true" in service["security_opt"]
    assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_the_database_is_not_reachable_from_outside() -> None:
    assert "ports" not in services()["database"]
    assert services()["database"]["networks"] == ["inside"]


def test_no_password_is_written_down() -> None:
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or name.endswith("_FILE"), (name, value)
