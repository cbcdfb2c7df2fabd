"""The audit log as a page: filters left empty are none, and one that is no day is said so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from aimscope_collector.store import audit
from aimscope_collector.store.database import writing
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, NOW


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    with writing(database) as connection:
        audit.record(connection, at=NOW - 2 * DAY, actor="ann", action="policy.changed", about="old", facts={})
        audit.record(connection, at=NOW, actor="bob", action="login.done", about="new", facts={})
    with made.client:
        yield made


def _page(api: Api, query: str) -> tuple[int, str]:
    answer = api.client.get(f"/audit?{query}", headers=api.key("auditor"))
    return answer.status_code, answer.text


def test_empty_filters_are_none(api: Api) -> None:
    status, page = _page(api, "actor=&action=&from=&to=")
    assert (status, ">old<" in page, ">new<" in page) == (200, True, True)


def test_filters_leave_out_what_does_not_fit(api: Api) -> None:
    assert [word in _page(api, "actor=ann")[1] for word in (">old<", ">new<")] == [True, False]
    assert [word in _page(api, "action=login")[1] for word in (">old<", ">new<")] == [False, True]
    assert [word in _page(api, "from=2026-11-23")[1] for word in (">old<", ">new<")] == [False, True]


def test_what_is_no_day_is_said(api: Api) -> None:
    status, page = _page(api, "from=yesterday")
    assert status == 400
    assert "from: yesterday is no day" in page


def test_a_chain_that_is_broken_is_shown_as_broken(api: Api) -> None:
    assert "Whole" in api.client.get("/audit/verify", headers=api.key("auditor")).text
    with writing(api.engine) as connection:
        connection.exec_driver_sql("update audit set actor = 'eve' where actor = 'ann'")
    page = api.client.get("/audit/verify", headers=api.key("auditor")).text
    assert "Broken at entry" in page
