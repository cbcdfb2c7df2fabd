"""Scheduled reports: when they are due, of which period, as whom they are made, and what the mail holds."""

from __future__ import annotations

import datetime
import email
import email.policy
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.accounts import hash_password
from aimscope_collector.deliver.smtp import Mail
from aimscope_collector.http.api.schedules import ROUTES
from aimscope_collector.reports import Refused
from aimscope_collector.reports.making import Source
from aimscope_collector.reports.scheduled import check_schedule, next_due, period, send_due, sender
from aimscope_collector.store import accounts, audit, outbox, schedules
from aimscope_collector.store.database import writing
from aimscope_collector.store.schedules import AGAIN, Every, Schedule, Taken
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, NOW, Planted

EVERY: tuple[Every, ...] = ("day", "week", "month", "quarter")
MAIL = Mail(host="mail.example", sender="aimscope@corp.example", to=("board@corp.example",))


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp())


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("day", "2026-11-24T06:00"),
        ("week", "2026-11-30T06:00"),
        ("month", "2026-12-01T06:00"),
        ("quarter", "2027-01-01T06:00"),
    ],
)
def test_each_is_due_when_its_period_is_over(every: Every, expected: str) -> None:
    assert next_due(every, 6, after=NOW) == at(expected)  # NOW is Monday noon


def test_before_its_hour_it_is_due_on_the_same_day() -> None:
    assert next_due("week", 18, after=NOW) == at("2026-11-23T18:00")


@pytest.mark.parametrize(
    ("every", "first", "last"),
    [
        ("day", "2026-11-22", "2026-11-22"),
        ("week", "2026-11-16", "2026-11-22"),
        ("month", "2026-10-01", "2026-10-31"),
        ("quarter", "2026-07-01", "2026-09-30"),
    ],
)
def test_the_period_is_the_last_whole_one(every: Every, first: str, last: str) -> None:
    assert period(every, due_at=NOW) == (at(first), at(last) + DAY)


@given(st.sampled_from(EVERY), st.integers(0, 23), st.integers(0, 4_000_000_000))
def test_periods_follow_each_other_without_gap_or_overlap(every: Every, hour: int, now: int) -> None:
    one = next_due(every, hour, after=now)
    other = next_due(every, hour, after=one)
    assert now < one < other
    assert period(every, due_at=one)[1] == period(every, due_at=other)[0]


def schedule(**fields: Any) -> Schedule:
    values: dict[str, Any] = {
        "name": "weekly",
        "report": "findings",
        "form": "csv",
        "every": "week",
        "hour": 6,
        "destination": "mail",
    }
    values |= {"account": None, "made_by": "ann", "made_at": NOW, "due_at": NOW, "next_at": NOW}
    return Schedule(**(values | fields))


def source(engine: sa.Engine, now: int = NOW) -> Callable[[], Source]:
    return lambda: Source(
        engine=engine,
        now=now,
        services={one.id: one for one in SERVICES},
        catalogue="c",
        version="0",
        sign=lambda _: (b"", b""),
    )


@pytest.fixture
def told(database: sa.Engine) -> sa.Engine:
    planted = Planted(database)
    last_week = NOW - 5 * DAY
    for unit in ("sales", "legal"):
        agent = planted.agent(unit, unit)
        planted.saw(agent, "chatgpt", "dns.query", presence="used", name="chatgpt.com", at=last_week, subject=unit)
    planted.reconcile(inventory(use(services=("cursor",))))
    with writing(database) as connection:
        connection.execute(sa.text(f"update finding set opened_at = {last_week}"))
    return database


def waiting(engine: sa.Engine, now: int = NOW) -> list[outbox.Item]:
    with writing(engine) as connection:
        return outbox.claim(connection, now=now, destinations=["mail"])


def add(engine: sa.Engine, one: Schedule) -> Schedule:
    with writing(engine) as connection:
        return schedules.add(connection, one)


def attachment(item: outbox.Item) -> tuple[str, bytes, str]:
    message = email.message_from_bytes(MAIL.message(item, NOW).as_bytes(), policy=email.policy.default)
    (part,) = message.iter_attachments()
    content = part.get_payload(decode=True)
    body = message.get_body()
    assert isinstance(content, bytes)
    assert body is not None
    return part.get_filename() or "", content, body.get_content()


def test_what_is_due_is_mailed_once_and_then_waits_for_its_next_period(told: sa.Engine) -> None:
    add(told, schedule())
    assert send_due(told, source(told)) == 1
    assert send_due(told, source(told)) == 0
    (item,) = waiting(told)
    name, content, body = attachment(item)
    assert name == "findings.csv"
    assert b"ChatGPT" in content
    assert "Findings, 2026-11-16 to 2026-11-22" in body
    assert "sha256: " in body
    with told.connect() as connection:
        (kept,) = schedules.every_one(connection)
        assert (kept.sent_at, kept.due_at, kept.next_at) == (NOW, at("2026-11-30T06:00"), at("2026-11-30T06:00"))
        (entry,) = audit.entries(connection, actions=("report.sent",), limit=10)
        assert str(entry.facts["sha256"]) in body


def test_a_pdf_arrives_as_it_was_made(told: sa.Engine) -> None:
    add(told, schedule(report="executive-summary", form="pdf"))
    assert send_due(told, source(told)) == 1
    (item,) = waiting(told)
    name, content, body = attachment(item)
    assert name == "executive-summary.pdf"
    assert content.startswith(b"%PDF")
    assert hashlib.sha256(content).hexdigest() in body


def account(engine: sa.Engine, *roles: Any, units: tuple[str, ...] = ()) -> int:
    with writing(engine) as connection:
        return accounts.create(
            connection,
            name="eve",
            roles=roles,
            hashed=hash_password("a long enough password 7"),
            by="ann",
            at=NOW,
            units=units,
        ).id


def test_it_has_the_units_of_its_account_and_tells_no_small_group(told: sa.Engine) -> None:
    eve = account(told, "reviewer", units=("sales",))
    add(told, schedule(account=eve, unit="sales"))
    send_due(told, source(told))
    (item,) = waiting(told)
    _, content, _ = attachment(item)
    assert b"sales" in content
    assert b"legal" not in content
    assert b"fewer than 5" in content


def test_evidence_is_never_mailed_whoever_asks(told: sa.Engine) -> None:
    with told.connect() as connection, pytest.raises(Refused, match="sightings:read"):
        check_schedule(connection, schedule(report="bill-of-materials", form="json"), NOW)
    with told.connect() as connection:
        assert not sender(connection, schedule()).may("sightings:read")


def test_an_account_that_is_disabled_or_may_no_more_sends_nothing(told: sa.Engine) -> None:
    eve = account(told, "reviewer")
    one = add(told, schedule(account=eve))
    with writing(told) as connection:
        accounts.disable(connection, account=eve, by="ann", at=NOW)
    assert send_due(told, source(told)) == 0
    assert waiting(told) == []
    with told.connect() as connection:
        kept = schedules.get(connection, one.id)
    assert kept is not None
    assert "disabled" in kept.failure
    assert kept.next_at == NOW + AGAIN
    assert kept.due_at == one.due_at


def test_a_claimed_one_is_nobody_elses_until_the_lease_ends(told: sa.Engine) -> None:
    add(told, schedule())
    with writing(told) as connection:
        assert schedules.claim(connection, now=NOW) is not None
    with writing(told) as connection:
        assert schedules.claim(connection, now=NOW) is None
    with writing(told) as connection:
        assert schedules.claim(connection, now=NOW + schedules.LEASE) is not None


def test_a_name_is_taken_once(told: sa.Engine) -> None:
    add(told, schedule())
    with pytest.raises(Taken, match="already"):
        add(told, schedule())


def test_a_hostile_name_cannot_write_a_header(told: sa.Engine) -> None:
    payload = {
        "text": "a\r\nBcc: x@y",
        "attachments": [{"name": "a\r\nX: y.csv", "type": "text/csv; charset=utf-8", "base64": "YQ=="}],
    }
    item = outbox.Item(
        id=1, event="e", destination="mail", payload=msgspec.json.encode(payload).decode(), created_at=0, attempts=0
    )
    head, _, _ = MAIL.message(item, NOW).as_bytes().partition(b"\r\n\r\n")
    assert b"\r\nBcc:" not in head
    assert b"\r\nX:" not in MAIL.message(item, NOW).as_bytes()


@pytest.fixture
def api(told: sa.Engine) -> Api:
    made = Api(told)
    made.app.state.given = msgspec.structs.replace(made.app.state.given, mail=lambda: ["mail"])
    return made


NEW = {"name": "board", "report": "executive-summary", "form": "html", "every": "quarter", "destination": "mail"}


def test_the_api_keeps_lists_runs_and_removes_them(api: Api) -> None:
    who = api.key("reviewer")
    made = api.client.post("/api/v1/schedules", json=NEW, headers=who)
    assert made.status_code == 201, made.text
    assert made.json()["due_at"] == at("2027-01-01T06:00")
    listed = api.client.get("/api/v1/schedules", headers=who).json()
    assert [one["name"] for one in listed["items"]] == ["board"]
    assert listed["destinations"] == ["mail"]
    path = f"/api/v1/schedules/{made.json()['id']}"
    assert api.client.post(f"{path}/run", headers=who).status_code == 202
    assert send_due(api.engine, source(api.engine)) == 1
    assert api.client.delete(path, headers=who).status_code == 204
    assert api.client.delete(path, headers=who).status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"destination": "elsewhere"}, "no destination"),
        ({"report": "no-such"}, "no report"),
        ({"form": "docx"}, "no form"),
        ({"options": {"x": "y"}}, "no option"),
        ({"report": "block-lists", "form": "txt", "options": {"kind": "x"}}, "one of"),
    ],
)
def test_what_could_never_be_sent_is_refused_with_the_reason(api: Api, change: dict[str, Any], said: str) -> None:
    answer = api.client.post("/api/v1/schedules", json=NEW | change, headers=api.key("reviewer"))
    assert answer.status_code == 422
    assert said in answer.text


def test_units_limit_what_may_be_scheduled_and_seen(api: Api) -> None:
    limited = api.key("reviewer", units=("sales",))
    assert "name a unit" in api.client.post("/api/v1/schedules", json=NEW, headers=limited).text
    assert "does not reach" in api.client.post("/api/v1/schedules", json=NEW | {"unit": "legal"}, headers=limited).text
    assert api.client.post("/api/v1/schedules", json=NEW | {"unit": "sales"}, headers=limited).status_code == 201
    other = api.key("reviewer", units=("legal",))
    assert api.client.get("/api/v1/schedules", headers=other).json()["items"] == []
    assert api.client.post("/api/v1/schedules/1/run", headers=other).status_code == 404


def test_a_viewer_has_nothing_sent(api: Api) -> None:
    viewer = api.key("viewer")
    assert api.client.post("/api/v1/schedules", json=NEW, headers=viewer).status_code == 403
    assert api.client.get("/api/v1/schedules", headers=viewer).status_code == 403
    assert len(ROUTES) == 4
