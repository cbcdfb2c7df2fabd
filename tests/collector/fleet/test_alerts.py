"""What is told, what is not, and that it is told once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector import alerts
from aimscope_collector.alerts import RULES, Alert, AlertPolicy, Reporter, Use
from aimscope_collector.store import alerts as store
from aimscope_collector.store import audit, outbox
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.sending import ALERT, OUTBOX

DAY = 86_400
NOW = 1_000 * DAY


def use(finding: str = "f-1", **more: Any) -> Use:
    known: dict[str, Any] = {
        "id": finding,
        "service": "chatgpt",
        "unit": "emea",
        "name": "ChatGPT",
        "verdict": "unregistered",
    }
    return Use(**known | more)


def rules(before: list[Use] | None, *after: Use) -> list[str]:
    known = None if before is None else {one.id: one for one in before}
    return [alert.rule for alert in alerts.about_uses(known, after, now=NOW)]


def test_a_new_service_and_a_new_unit_are_told_once() -> None:
    before = [use()]
    assert rules(before, use()) == []
    assert rules(before, use(), use("f-2", unit="apac")) == ["new_unit"]
    assert rules(before, use(), use("f-2", service="cursor"), use("f-3", service="cursor", unit="apac")) == [
        "new_service",
        "new_unit",
    ]
    assert rules(before, use("f-2", service="")) == ["new_service"]
    assert rules(None, use(), use("f-2", service="cursor")) == [], "the first look"
    assert rules([], use()) == ["new_service"]


def test_what_is_dormant_or_dismissed_is_not_new() -> None:
    assert rules([use()], use("f-2", service="cursor", verdict="dormant")) == []
    assert rules([use()], use("f-2", service="cursor", state="dismissed")) == []
    assert rules([use(), use("f-2", service="cursor", verdict="dormant")], use("f-2", service="cursor")) == [
        "new_service"
    ]


def test_a_prohibited_use_is_told_when_it_happens_and_when_it_happens_again() -> None:
    bad = use(verdict="prohibited", active=True, last=5)
    assert rules([use()], bad) == ["prohibited_use"]
    assert rules(None, bad) == ["prohibited_use"]
    assert rules([use()], use(state="prohibited", active=True)) == ["prohibited_use"]
    assert rules([bad], bad) == []
    assert rules([bad], msgspec.structs.replace(bad, last=6)) == ["prohibited_use"]
    assert rules([use()], use(verdict="prohibited", active=False)) == [], "installed, and not used"
    assert rules([use()], use(verdict="prohibited", state="dismissed", active=True)) == []


def test_a_personal_account_and_a_volume() -> None:
    account = use("f-2", condition="personal_account", verdict="condition_unmet")
    assert rules([use()], account) == ["personal_account"]
    assert rules([use(), account], account) == []
    assert rules([use()], use("f-2", condition="model x: personal_account")) == ["personal_account"]
    assert rules([use()], use("f-2", condition="no_remote_mcp")) == []
    sent = use(bytes_out=5)
    assert rules([sent], use(bytes_out=100_000_005)) == ["volume"]
    assert rules([sent], use(bytes_out=100_000_004)) == []
    assert rules([use()], use("f-2", unit="emea", bytes_out=10**9)) == [], "no earlier look to compare with"


def test_silent_agents_are_told_by_unit() -> None:
    agents = [Reporter("a", "emea", NOW), Reporter("b", "emea", NOW - 2 * DAY), Reporter("c", "", NOW - 9 * DAY)]
    agents.append(Reporter("d", "apac", NOW - 2 * DAY + 1))
    nowhere, emea = alerts.silent_agents(agents, now=NOW)
    assert (nowhere.key, nowhere.facts["silent"]) == ("", 1)
    assert emea.text == "1 of 2 agents of emea have not reported for 48 hours."


def test_coverage_that_is_lost() -> None:
    def lost(before: dict[str, int], after: dict[str, int]) -> list[str]:
        return [alert.key for alert in alerts.coverage_loss(before, after, now=NOW)]

    assert lost({"processes": 100}, {"processes": 80}) == ["processes"]
    assert lost({"processes": 100}, {"processes": 81}) == []
    assert lost({"processes": 2}, {}) == []
    assert lost({"processes": 3}, {}) == ["processes"]
    assert lost({}, {"processes": 3}) == []


def test_clones_and_explosions() -> None:
    assert alerts.clone("a1", now=NOW).severity == "critical"
    assert alerts.explosion("a1", 7, now=NOW).facts == {"agent": "a1", "collapsed": 7}


@given(
    st.lists(st.tuples(st.sampled_from(list(RULES)), st.integers(0, 30)), max_size=60),
    st.integers(1, 5),
    st.dictionaries(st.sampled_from(list(RULES)), st.integers(0, 6)),
)
def test_no_more_is_told_than_the_cap_and_nothing_twice(
    wanted: list[tuple[Any, int]], cap: int, today: dict[str, int]
) -> None:
    policy = AlertPolicy(daily_cap=cap)
    candidates = [Alert(rule=rule, key=str(key), at=NOW, severity="info", text="", facts={}) for rule, key in wanted]
    chosen = alerts.choose(candidates, told={}, today=today, policy=policy, now=NOW)
    assert len({(alert.rule, alert.key) for alert in chosen}) == len(chosen)
    for rule in RULES:
        ours = [alert for alert in chosen if alert.rule == rule]
        assert len(ours) <= max(0, cap - today.get(rule, 0)) + 1
    assert len({alert.event for alert in chosen}) == len(chosen)


def test_rules_can_be_switched_off_and_the_severe_comes_first() -> None:
    candidates = [*alerts.about_uses({"x": use("x")}, [use("f-2", service="cursor")], now=NOW)]
    candidates.append(alerts.clone("a", now=NOW))
    policy = AlertPolicy(rules=frozenset({"clone", "new_service"}))
    arguments: dict[str, Any] = {"told": {}, "today": {}, "now": NOW}
    assert [one.rule for one in alerts.choose(candidates, policy=policy, **arguments)] == ["clone", "new_service"]
    policy = AlertPolicy(rules=frozenset({"clone"}))
    assert [one.rule for one in alerts.choose(candidates, policy=policy, **arguments)] == ["clone"]


def tell(database: sa.Engine, *candidates: Alert, now: int = NOW) -> list[Alert]:
    with writing(database) as connection:
        return store.tell(connection, candidates, now=now, destinations=["mail", "hook"])


def test_alerts_wait_for_every_destination_and_cool_down(database: sa.Engine) -> None:
    first = alerts.clone("a", now=NOW)
    assert tell(database, first) == [first]
    assert tell(database, first, alerts.clone("a", now=NOW + 1), now=NOW + 1) == []
    assert tell(database, alerts.clone("b", now=NOW + 1), now=NOW + 1) != []
    later = NOW + 7 * DAY
    assert tell(database, alerts.clone("a", now=later), now=later) != []
    with database.connect() as connection:
        assert [alert.key for _, alert in store.told(connection)] == ["a", "b", "a"]
        waiting = connection.execute(sa.select(OUTBOX.c.event, OUTBOX.c.destination)).all()
        assert len(set(waiting)) == 6
        assert (first.event, "mail") in waiting
        assert {one.destination: one.waiting for one in outbox.status(connection)} == {"hook": 3, "mail": 3}


def test_the_cap_holds_for_the_day_and_is_told(database: sa.Engine) -> None:
    with writing(database) as connection:
        store.set_policy(connection, AlertPolicy(daily_cap=2), by="root", at=NOW)
        assert store.policy(connection) == AlertPolicy(daily_cap=2)
        assert [entry.action for entry in audit.entries(connection)] == ["alerts.changed"]
    told = tell(database, *(alerts.clone(f"a{number}", now=NOW) for number in range(5)))
    assert len(told) == 3
    assert "held back" in told[-1].text
    assert tell(database, alerts.clone("x", now=NOW + 9), now=NOW + 9) == []
    assert len(tell(database, alerts.clone("x", now=NOW + DAY), now=NOW + DAY)) == 1


def test_two_collectors_tell_once(database: sa.Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: tell(database, alerts.clone("a", now=NOW + number), now=NOW + number), range(4)))
    with database.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(ALERT)).scalar_one() == 1


@pytest.mark.parametrize("hostile", ["\n\rX", "\x1b[31m", "\u202e"])
def test_hostile_names_are_kept_as_they_are(database: sa.Engine, hostile: str) -> None:
    [alert] = alerts.about_uses({"x": use("x")}, [use("f-2", service="s" + hostile, name=hostile)], now=NOW)
    assert tell(database, alert) == [alert]
    with database.connect() as connection:
        assert store.told(connection)[0][1] == alert
