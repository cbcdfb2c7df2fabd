"""Whole recorded projects: exactly what is expected is observed, and the catalogue says which services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors.code import SENSOR
from aimscope_signatures.bundle import shipped
from aimscope_signatures.kinds import IDENTITIES
from aimscope_signatures.matcher import Matcher

PROJECTS = Path(__file__).parents[3] / "_data" / "projects"
NAMES = sorted(path.parent.name for path in PROJECTS.glob("*/expected.json"))


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    observations: list[dict[str, Any]]
    gaps: list[dict[str, str]]
    services: list[str]


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(shipped())


def looked_at(name: str, matcher: Matcher) -> ScanResult:
    interests = matcher.catalogue.interests
    return scan(OfflineHost(PROJECTS / name), [SENSOR], interests, Options(projects=("/root",)), now=1)


def expected(name: str) -> Expected:
    return msgspec.json.decode((PROJECTS / name / "expected.json").read_bytes(), type=Expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_project_shows_exactly_what_is_expected(name: str, matcher: Matcher) -> None:
    result = looked_at(name, matcher)
    seen = {(one.kind, tuple(sorted(one.fields.items()))) for one in result.observations["code"]}
    wanted = {(one["kind"], tuple(sorted(one["fields"].items()))) for one in expected(name).observations}
    assert sorted(map(str, seen - wanted)) == [], "observed, and not expected"
    assert sorted(map(str, wanted - seen)) == [], "expected, and not observed"
    assert [msgspec.to_builtins(gap) for part in result.coverage for gap in part.gaps] == expected(name).gaps


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_recognises_the_services_of_a_recorded_project(name: str, matcher: Matcher) -> None:
    found = {
        detection.service
        for observation in looked_at(name, matcher).observations["code"]
        for detection in matcher.match(observation)
        if IDENTITIES.index(detection.identity) >= IDENTITIES.index("medium")
    }
    assert sorted(found) == expected(name).services


def test_one_recorded_project_is_quiet() -> None:
    assert [name for name in NAMES if not expected(name).services] == ["quiet-web-shop"]
