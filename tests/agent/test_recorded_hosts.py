"""Whole recorded hosts: exactly what is expected is observed, nothing more, and the catalogue says which services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.registry import sensors
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_signatures.bundle import shipped
from aimscope_signatures.kinds import IDENTITIES, KINDS
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation

HOSTS = Path(__file__).parents[1] / "_data" / "hosts"
NAMES = sorted(path.parent.name for path in HOSTS.glob("*/expected.json"))

# what a convention says is not compared: it varies with the run, or holds what is redacted
UNCOMPARED = {
    ("process", "command"), ("process", "pid"), ("process", "started"), ("service", "command"),
    ("scheduled_task", "command"), ("credential", "digest"), ("http.response", "headers"), ("http.response", "title"),
    ("http.response", "body"),
}  # fmt: skip

Row = tuple[str, str, str, tuple[tuple[str, str], ...]]


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    observations: list[dict[str, Any]]
    gaps: list[dict[str, str]]
    services: list[str]


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(shipped())


def looked_at(name: str, matcher: Matcher) -> ScanResult:
    folder = HOSTS / name
    machine = folder / "machine.json"
    allowed = folder / "options.json"
    options = msgspec.json.decode(allowed.read_bytes(), type=Options) if allowed.exists() else Options()
    host = OfflineHost(folder / "root", machine if machine.exists() else None)
    every = tuple(sensor for sensor in sensors() if sensor.target == "host")
    now = host.now or 1_790_000_000
    return scan(host, every, matcher.catalogue.interests, options, now=now, digest_key=b"k" * 32)


def row(sensor: str, kind: str, subject: str, fields: dict[str, Any]) -> Row:
    compared = {name: value for name, value in fields.items() if (kind, name) not in UNCOMPARED}
    # which of a service's patterns fits, and which paths a probe asks, are the catalogue's business
    if "key_pattern" in compared:
        compared["key_pattern"] = compared["key_pattern"].partition("#")[0]
    if kind == "http.response":
        compared = {name: value for name, value in compared.items() if name in {"port", "process"}}
    texts = ((name, str(sorted(v) if isinstance(v, tuple | list) else v)) for name, v in compared.items())
    return sensor, kind, subject, tuple(sorted(texts))


def expected(name: str) -> Expected:
    return msgspec.json.decode((HOSTS / name / "expected.json").read_bytes(), type=Expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_host_shows_exactly_what_is_expected(name: str, matcher: Matcher) -> None:
    result = looked_at(name, matcher)
    seen = {
        row(sensor, found.kind, found.subject, found.fields)
        for sensor, observations in result.observations.items()
        for found in observations
    }
    wanted = {
        row(one["sensor"], one["kind"], one.get("subject", ""), one["fields"]) for one in expected(name).observations
    }
    surplus = [one for one in seen - wanted if one[1] != "http.response"]  # an answer that proves nothing may be there
    assert sorted(surplus) == [], "observed, and not expected"
    assert sorted(wanted - seen) == [], "expected, and not observed"


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_host_shows_its_blind_spots(name: str, matcher: Matcher) -> None:
    result = looked_at(name, matcher)
    seen = {(part.sensor, gap.status.value, gap.source) for part in result.coverage for gap in part.gaps}
    wanted = {(gap["sensor"], gap["status"], gap["source"]) for gap in expected(name).gaps}
    assert sorted(seen ^ wanted) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_recognises_the_services_of_a_recorded_host(name: str, matcher: Matcher) -> None:
    found = {
        detection.service
        for observations in looked_at(name, matcher).observations.values()
        for observation in observations
        for detection in matcher.match(observation)
        if IDENTITIES.index(detection.identity) >= IDENTITIES.index("medium")
    }
    assert sorted(found) == sorted(expected(name).services)


@pytest.mark.parametrize("name", NAMES)
def test_no_recorded_secret_is_observed(name: str, matcher: Matcher) -> None:
    """Keys in recordings are made of EXAMPLE: no observation may hold one."""
    result = looked_at(name, matcher)
    said = msgspec.json.encode((list(result.observations.values()), result.coverage)).decode()
    assert "EXAMPLEEXAMPLE" not in said


def test_every_sensor_finds_ai_on_one_host_and_none_on_another(matcher: Matcher) -> None:
    found = {
        name: {
            one["sensor"]
            for one in expected(name).observations
            if matcher.match(Observation(one["kind"], one["fields"])) or one["kind"] in {"model", "account"}
        }
        for name in NAMES
    }
    for sensor in sensors():
        if sensor.target == "host" and not sensor.opt_in:
            speaking = [sensor.name in names for names in found.values()]
            assert any(speaking), f"no recorded host on which {sensor.name} finds AI: add one to tests/_data/hosts"
            assert not all(speaking), (
                f"no recorded host on which {sensor.name} finds none: add one to tests/_data/hosts"
            )


def test_expectations_use_declared_kinds_and_fields() -> None:
    for name in NAMES:
        for one in expected(name).observations:
            assert set(one["fields"]) <= set(KINDS[one["kind"]].fields), one
            Observation(one["kind"], one["fields"])


def test_there_are_three_hosts_of_each_platform_and_one_of_them_is_quiet() -> None:
    for platform in ("linux", "macos", "windows"):
        mine = [name for name in NAMES if name.startswith(platform)]
        assert len(mine) >= 3
        assert any(expected(name).services == [] for name in mine)
