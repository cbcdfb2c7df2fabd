"""Registered, and not seen."""

from __future__ import annotations

import pytest

from aimscope_collector.inventory.model import AuthorisedUse, Ignore
from aimscope_collector.reconcile import reconcile
from aimscope_signatures.model import Coverage, Status
from tests.collector.example import (
    COMPLETE,
    CURSOR,
    SERVICES,
    TODAY,
    YESTERDAY,
    inventory,
    judge,
    only,
    see,
    use,
)


@pytest.mark.parametrize(
    ("coverage", "dormant"),
    [
        (COMPLETE, True),
        ((*COMPLETE, Coverage("shell", Status.OFF)), True),  # cannot show the service
        ((COMPLETE[0], Coverage("mcp", Status.PARTIAL)), False),
        ((COMPLETE[0], Coverage("mcp", Status.DENIED)), False),
        ((COMPLETE[0], Coverage("mcp", Status.UNSUPPORTED)), False),
        ((COMPLETE[0], Coverage("mcp", Status.OFF)), False),
        (COMPLETE[:1], False),
        ((*COMPLETE, Coverage("mcp", Status.FAILED)), False),
        ((), False),
    ],
)
def test_dormant_takes_a_complete_look_by_every_sensor_that_could_see_it(
    coverage: tuple[Coverage, ...], dormant: bool
) -> None:
    result = judge(rows=(use(),), coverage=coverage)
    assert [finding.verdict for finding in result.findings] == (["dormant"] if dormant else [])


@pytest.mark.parametrize(
    "row",
    [
        use(name="ChatGPT"),  # a web site: a machine cannot prove that nobody uses it
        use(name="OpenAI API"),  # no sensor of this scan could see it
        use(status="prohibited"),
        use(status="proposed"),
        use(status="retired"),
        use(expiry=YESTERDAY),
        use(units=("sales",)),
        use(name="Everything", vendors=("Anysphere",)),
        use(name="Everything", categories=("coding-assistant",)),
        use(name="Something the catalogue does not know"),
    ],
)
def test_not_dormant(row: AuthorisedUse) -> None:
    assert judge(rows=(row,)).findings == ()


def test_weak_and_ignored_sightings_are_not_dormant() -> None:
    weak = see("cursor", "process", identity="low", name="main")
    assert judge(weak, rows=(use(),)).findings == ()
    ignore = Ignore(service="cursor", reason="Ours", expiry=TODAY)
    assert judge(CURSOR, rows=(use(),), ignores=(ignore,)).findings == ()


def test_a_row_of_which_one_service_is_seen_is_in_use() -> None:
    result = judge(CURSOR, rows=(use(name="Both", services=("cursor", "ollama")),))
    assert only(result).service == "cursor"


def test_without_knowing_the_sensors_every_one_has_to_be_complete() -> None:
    for status, expected in ((Status.COMPLETE, 1), (Status.OFF, 0)):
        coverage = (*COMPLETE, Coverage("shell", status))
        result = reconcile((), coverage, inventory(use()), SERVICES, unit="", host="h", today=TODAY)
        assert len(result.findings) == expected


def test_a_web_site_is_never_dormant_on_a_machine() -> None:
    result = reconcile((), COMPLETE, inventory(use(name="ChatGPT")), SERVICES, unit="", host="h", today=TODAY)
    assert result.findings == ()
