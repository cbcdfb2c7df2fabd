"""New, gone, unchanged, and what could not be told."""

from __future__ import annotations

import pytest

from aimscope_collector.store.compare import Scan, compare
from aimscope_signatures.model import Coverage, Sighting, Status
from tests.collector.example import see

EMITS = {"applications": ("application",), "packages": ("package",), "containers": ("package", "container")}
CURSOR = see("cursor", "application", id="dpkg:cursor")
OPENAI = see("openai-api", "package", package="pypi:openai")


def scan(*sightings: Sighting, carried: tuple[Sighting, ...] = (), changed: dict[str, Status] | None = None) -> Scan:
    looks = {"applications": Status.COMPLETE, "packages": Status.COMPLETE, "containers": Status.COMPLETE}
    return Scan(
        at=1_790_000_000,
        host="laptop-7",
        scope="host",
        sightings=sightings,
        coverage=tuple(Coverage(sensor, one) for sensor, one in (looks | (changed or {})).items()),
        emits=EMITS,
        carried=carried,
    )


def test_new_gone_unchanged() -> None:
    later = see("cursor", "application", id="dpkg:cursor", last=1_790_100_000, subject="ann", details={"version": "2"})
    ollama = see("ollama", "application", id="dpkg:ollama")
    result = compare(scan(CURSOR, OPENAI), scan(later, ollama))
    assert (result.new, result.gone, result.unchanged, result.unsure) == ((ollama,), (OPENAI,), (later,), ())
    assert result.since == 1_790_000_000


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.COMPLETE])
@pytest.mark.parametrize("sensor", ["packages", "containers"])
def test_gone_takes_a_complete_look_by_every_sensor_of_the_kind(sensor: str, status: Status) -> None:
    result = compare(scan(OPENAI), scan(changed={sensor: status}))
    assert (result.gone, result.unsure) == ((), (OPENAI,))


def test_other_sensors_do_not_matter() -> None:
    assert compare(scan(OPENAI), scan(changed={"applications": Status.DENIED})).gone == (OPENAI,)


def test_a_kind_that_no_sensor_of_this_scan_observes_is_not_gone() -> None:
    visit = see("chatgpt", "browser.visit", host="chatgpt.com")
    assert compare(scan(visit), scan()).unsure == (visit,)


def test_what_was_carried_over_is_neither_new_nor_forgotten() -> None:
    before = scan(carried=(OPENAI,))
    assert compare(before, scan(OPENAI)).unchanged == (OPENAI,)
    assert compare(before, scan()).gone == (OPENAI,)
    assert compare(before, scan(changed={"packages": Status.PARTIAL})).unsure == (OPENAI,)


def test_one_piece_of_evidence_of_two_people_is_one() -> None:
    ann, bob = (see("cursor", "application", id="dpkg:cursor", subject=name) for name in ("ann", "bob"))
    result = compare(scan(ann), scan(ann, bob))
    assert (result.new, len(result.unchanged)) == ((), 1)
