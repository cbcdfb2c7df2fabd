"""Reports by e-mail, as a reviewer sets them up with a browser, and as others may not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector import accounts
from aimscope_collector.store import accounts as store
from aimscope_collector.store import audit, schedules
from aimscope_collector.store.database import writing
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.browser import PASSWORD, Browser
from tests.collector.fleet.planted import NOW, Planted

HOSTILE = "<script>alert(1)</script>\"'>{{7*7}}"
NEW = {"what": "executive-summary html", "every": "quarter", "hour": "7", "destination": "mail", "unit": ""}


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    planted = Planted(database)
    planted.agent("h1", "emea/sales")
    made = Api(database)
    made.app.state.given = msgspec.structs.replace(made.app.state.given, mail=lambda: ["mail"])
    with made.client:
        yield made


@pytest.fixture
def somebody(api: Api) -> Callable[..., Browser]:
    hashed = accounts.hash_password(PASSWORD)

    def made(name: str, *roles: str, units: tuple[str, ...] = ()) -> Browser:
        with writing(api.engine) as connection:
            account = store.create(connection, name=name, roles=roles, hashed=hashed, by="init", at=NOW, units=units)
            store.set_password(connection, account=account.id, hashed=hashed, by=name, at=NOW)
        browser = Browser(api)
        browser.log_in(name, PASSWORD)
        return browser

    return made


def kept(api: Api) -> list[schedules.Schedule]:
    with api.engine.connect() as connection:
        return schedules.every_one(connection)


def test_a_report_is_scheduled_sent_now_and_removed(api: Api, somebody: Callable[..., Browser]) -> None:
    rev = somebody("rev", "reviewer")
    assert 'href="/reports/schedules"' in rev.open("/reports")
    assert "No report is sent by e-mail yet" in rev.open("/reports/schedules")
    assert "will be sent" in rev.send("/reports/schedules", name=HOSTILE, **NEW)
    assert "<script>alert(1)" not in rev.text
    (one,) = kept(api)
    assert (one.name, one.report, one.form, one.every, one.hour, one.made_by) == (
        *(HOSTILE, "executive-summary", "html", "quarter", 7),
        "rev",
    )
    assert "sent within a minute" in rev.send(f"/reports/schedules/{one.id}/run")
    assert kept(api)[0].next_at == NOW < one.next_at
    rev.send(f"/reports/schedules/{one.id}/remove")
    assert kept(api) == []
    with api.engine.connect() as connection:
        said = [entry.action for entry in audit.entries(connection, limit=50) if entry.actor == "rev"]
    assert {"schedule.made", "schedule.run", "schedule.removed"} <= set(said)


def test_what_cannot_be_sent_is_said_and_what_was_entered_stays(api: Api, somebody: Callable[..., Browser]) -> None:
    rev = somebody("rev", "reviewer")
    rev.open("/reports/schedules")
    rev.send("/reports/schedules", name="board", **{**NEW, "destination": "nowhere"})
    assert (rev.status, kept(api)) == (422, [])
    assert "nowhere is no destination for e-mail" in rev.text
    assert 'value="board"' in rev.text
    rev.send("/reports/schedules", name="board", **{**NEW, "hour": "25"})
    assert (rev.status, kept(api)) == (400, [])


def test_limits_of_accounts_hold(api: Api, somebody: Callable[..., Browser]) -> None:
    here = somebody("here", "reviewer", units=("emea",))
    here.open("/reports/schedules")
    assert "name a unit" in here.send("/reports/schedules", name="all", **NEW)
    here.open("/reports/schedules")
    here.send("/reports/schedules", name="ours", **{**NEW, "unit": "emea/sales"})
    assert [one.name for one in kept(api)] == ["ours"]
    there = somebody("there", "reviewer", units=("apac",))
    assert "ours" not in there.open("/reports/schedules")
    viewer = somebody("vic", "viewer")
    assert "/reports/schedules" not in viewer.open("/reports")
    viewer.open("/reports/schedules")
    assert viewer.status == 403


def test_without_a_mail_server_the_page_says_where_to_name_one(api: Api, somebody: Callable[..., Browser]) -> None:
    api.app.state.given = msgspec.structs.replace(api.app.state.given, mail=tuple)
    assert "no destination for e-mail yet" in somebody("rev", "reviewer").open("/reports/schedules")


def test_the_audit_page_says_days_and_not_seconds(api: Api, somebody: Callable[..., Browser]) -> None:
    admin = somebody("adm", "admin")
    admin.open("/reports/executive-summary/file?form=html&from=2026-10-01&to=2026-10-31")
    page = admin.open("/audit?action=report")
    assert "report.made" in page
    assert re.search(r"from: <time[^>]*>2026-10-01", page)
    assert "1790812800" not in page
