"""Decisions are kept, derived for many findings at once, and taken once however often they are asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector.corrective import CorrectiveAction
from aimscope_collector.review import Act, Decision, Facts, Refused, Wrong
from aimscope_collector.store import actions, audit, decisions, overrides
from aimscope_collector.store.database import writing
from aimscope_collector.store.decisions import Conflict
from aimscope_collector.store.tables.review import FINDING

DAY = 86_400
NOW = 1_000 * DAY


def finding(name: str, service: str = "chatgpt", unit: str = "emea", **more: Any) -> dict[str, Any]:
    row = {
        "id": name,
        "service": service,
        "unit": unit,
        "condition": "",
        "verdict": "unregistered",
        "name": service,
        "vendor": "",
        "category": "",
        "row": "",
        "reasons": "[]",
        "presence": 4,
        "assets": 10,
        "subjects": 1,
        "agents": 1,
        "count": 1,
        "last": NOW,
        "opened_at": 1,
        "changed_at": 1,
        "present": 1,
    }
    return row | more


def found(database: sa.Engine, *rows: dict[str, Any]) -> None:
    with writing(database) as connection:
        connection.execute(FINDING.insert(), list(rows))


def changed(database: sa.Engine, name: str, **values: Any) -> list[Decision]:
    with writing(database) as connection:
        connection.execute(FINDING.update().where(FINDING.c.id == name).values(**values))
        return decisions.reconsider(connection, now=NOW, findings=[name])


def decision(uid: str, action: Act, unit: str | None = None, **more: Any) -> Decision:
    return Decision(
        **{"uid": uid, "service": "chatgpt", "unit": unit, "action": action, "reason": "Why.", "by": "ann", "at": NOW}
        | more
    )


def take(database: sa.Engine, *several: Decision, **more: Any) -> Any:
    with writing(database) as connection:
        return decisions.decide(connection, several, **{"now": NOW} | more)


def states(database: sa.Engine) -> dict[str, str]:
    with database.connect() as connection:
        return {row.id: row.state for row in connection.execute(sa.select(FINDING.c.id, FINDING.c.state))}


def test_a_decision_is_kept_derived_and_audited(database: sa.Engine) -> None:
    found(database, finding("f-1"), finding("f-2", unit="apac"), finding("f-3", service="cursor"))
    given = decision("d1", "prohibit", "emea", review_on=NOW + DAY, facts=Facts(approver="bob"))
    result = take(database, given)
    assert result["f-1"].state == "prohibited"
    assert states(database) == {"f-1": "prohibited", "f-2": "unreviewed", "f-3": "unreviewed"}
    with database.connect() as connection:
        kept = decisions.decision(connection, "d1")
        assert kept is not None
        assert kept.facts.seen["emea"].assets == 10
        assert msgspec.structs.replace(kept, facts=given.facts) == given
        assert decisions.decision(connection, "d2") is None
        [entry] = audit.entries(connection)
        assert (entry.actor, entry.action, entry.about) == ("ann", "decision.prohibit", "d1")
        assert entry.facts["reason"] == "Why."
        assert audit.verify(connection) is None


def test_the_same_decision_twice_is_one_and_another_with_its_id_is_refused(database: sa.Engine) -> None:
    found(database, finding("f-1"))
    given = decision("d1", "prohibit")
    take(database, given, given)
    again = take(database, given, expected={"f-1": "seen before it was taken"})
    assert again["f-1"].state == "prohibited"
    take(database, msgspec.structs.replace(given, at=NOW + 5))
    with pytest.raises(Refused, match="this id"):
        take(database, msgspec.structs.replace(given, reason="Another."))
    with database.connect() as connection:
        assert len(decisions.recent(connection)) == 1
        assert len(audit.entries(connection)) == 1


def test_a_reviewer_who_saw_an_older_standing_is_told_so(database: sa.Engine) -> None:
    found(database, finding("f-1"), finding("f-2", unit="apac"))
    with database.connect() as connection:
        seen = {name: one.version for name, one in decisions.standings(connection, now=NOW).items()}
    take(database, decision("d1", "register", "emea", by="bob"), expected=seen)
    with pytest.raises(Conflict, match="registered by bob") as raised:
        take(database, decision("d2", "prohibit", "emea"), decision("d3", "prohibit", "apac"), expected=seen)
    assert raised.value.finding == "f-1"
    assert states(database) == {"f-1": "registered", "f-2": "unreviewed"}, "all or none"
    take(database, decision("d3", "prohibit", "apac"), expected={"f-2": seen["f-2"]})


def test_of_two_reviewers_at_once_one_is_told(database: sa.Engine) -> None:
    found(database, finding("f-1"))
    with database.connect() as connection:
        seen = {name: one.version for name, one in decisions.standings(connection, now=NOW).items()}

    def attempt(number: int) -> bool:
        try:
            take(database, decision(f"d{number}", "prohibit"), expected=seen)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]


def test_who_judges_and_who_decides_at_once_do_not_wait_crosswise(database: sa.Engine) -> None:
    found(database, finding("f-1"))

    def judge(number: int) -> None:
        with writing(database) as connection:
            decisions.hold(connection)
            connection.execute(FINDING.update().where(FINDING.c.id == "f-1").values(count=number))
            decisions.reconsider(connection, now=NOW, findings=["f-1"])

    with ThreadPoolExecutor(4) as pool:
        judging = [pool.submit(judge, number) for number in range(20)]
        deciding = [pool.submit(take, database, decision(f"d{number}", "prohibit")) for number in range(20)]
        for each in (*judging, *deciding):
            each.result()
    assert states(database) == {"f-1": "prohibited"}


def test_a_finding_of_a_future_unit_inherits(database: sa.Engine) -> None:
    take(database, decision("d1", "prohibit", except_units=("apac",)))
    found(database, finding("f-1", unit="new/unit", presence=2), finding("f-2", unit="apac/x"))
    with writing(database) as connection:
        assert decisions.reconsider(connection, now=NOW) == []
    assert states(database) == {"f-1": "prohibited", "f-2": "unreviewed"}


def test_time_reopens(database: sa.Engine) -> None:
    found(database, finding("f-1"), finding("f-2", unit="apac"))
    take(database, decision("d1", "tolerate", until=NOW + DAY))
    take(database, decision("d2", "tolerate", "apac", until=NOW + 3 * DAY))
    with writing(database) as connection:
        assert decisions.reconsider(connection, now=NOW + 2 * DAY) == []
    assert states(database) == {"f-1": "under_review", "f-2": "tolerated"}


def test_a_change_reopens_once_and_for_good(database: sa.Engine) -> None:
    found(database, finding("f-1"), finding("f-2", unit="apac"))
    take(database, decision("d1", "tolerate", until=NOW + DAY))
    assert changed(database, "f-1", verdict="unregistered") == []
    [taken] = changed(database, "f-1", verdict="prohibited")
    assert (taken.by, taken.unit) == ("rule:verdict", "emea")
    assert changed(database, "f-1", verdict="prohibited") == []
    assert changed(database, "f-1", verdict="unregistered") == [], "and does not silently become tolerated again"
    assert states(database) == {"f-1": "under_review", "f-2": "tolerated"}
    with database.connect() as connection:
        assert [one.uid for one in decisions.history(connection, service="chatgpt", condition="", unit="emea")] == [
            "d1",
            taken.uid,
        ]
        assert [entry.actor for entry in audit.entries(connection)] == ["ann", "rule:verdict"]
    take(database, decision("d3", "prohibit", "emea"))
    assert states(database)["f-1"] == "prohibited"


def test_a_condition_that_breaks_reopens_the_use(database: sa.Engine) -> None:
    found(database, finding("f-1", verdict="authorised"))
    take(database, decision("d1", "register"))
    found(database, finding("f-2", condition="personal_account", verdict="condition_unmet"))
    with writing(database) as connection:
        [taken] = decisions.reconsider(connection, now=NOW)
    assert taken.by == "rule:condition"
    assert states(database) == {"f-1": "under_review", "f-2": "unreviewed"}


def test_a_prohibited_use_after_its_correction_reopens(database: sa.Engine) -> None:
    found(database, finding("f-1"))
    take(database, decision("d1", "prohibit"))
    with writing(database) as connection:
        number = actions.open_action(
            connection,
            CorrectiveAction(
                finding="f-1", cause="c", action="a", owner="o", due=NOW + DAY, opened_by="ann", opened_at=NOW
            ),
        )
        actions.finish_action(connection, action=number, by="ann", at=NOW + 10)
    assert changed(database, "f-1", last=NOW + 9) == []
    [taken] = changed(database, "f-1", last=NOW + 11)
    assert taken.by == "rule:seen_again"


def test_assignment_and_due_day_are_kept_for_queries(database: sa.Engine) -> None:
    found(database, finding("f-1"))
    take(database, decision("d1", "assign", facts=Facts(assignee="bob", due=NOW + DAY)))
    with database.connect() as connection:
        row = connection.execute(sa.select(FINDING.c.state, FINDING.c.assignee, FINDING.c.due)).one()
    assert tuple(row) == ("under_review", "bob", NOW + DAY)


def test_a_wrong_detection_becomes_an_override_until_decided_otherwise(database: sa.Engine) -> None:
    found(database, finding("f-1"))
    wrong = Facts(wrong=Wrong("process", {"exe": "cursorgen"}))
    take(database, decision("d1", "dismiss", until=NOW + DAY, facts=wrong))
    take(database, decision("d2", "dismiss", "emea", until=NOW + 2 * DAY, facts=wrong))
    with database.connect() as connection:
        everywhere, emea = overrides.overrides(connection, now=NOW)
        assert (everywhere.unit, emea.unit) == (None, "emea")
        ignore = everywhere.ignore()
        assert (ignore.service, ignore.kind, ignore.evidence) == ("chatgpt", "process", {"exe": "cursorgen"})
        assert ignore.expiry.isoformat() == "1972-09-27", "the last day it is left out"
        assert overrides.overrides(connection, now=NOW + DAY) == [emea]
    take(database, decision("d3", "assign", facts=Facts(assignee="bob")))
    take(database, decision("d4", "review"))
    with database.connect() as connection:
        assert overrides.overrides(connection, now=NOW) == [emea]
        assert len(overrides.overrides(connection, now=NOW, ended=True)) == 2


def test_of_several_decisions_in_one_go_only_the_last_override_stays(database: sa.Engine) -> None:
    wrong = Facts(wrong=Wrong("process"))
    take(
        database,
        decision("d1", "dismiss", until=NOW + DAY, facts=wrong),
        decision("d2", "dismiss", until=NOW + 2 * DAY, facts=wrong),
    )
    with database.connect() as connection:
        assert [one.decision for one in overrides.overrides(connection, now=NOW)] == ["d2"]


def test_nothing_is_kept_of_what_is_refused(database: sa.Engine) -> None:
    for bad in (decision("d1", "prohibit", reason=""), decision("d2", "prohibit", reason="a\0b")):
        with pytest.raises(Refused):
            take(database, decision("d0", "prohibit"), bad)
    with pytest.raises(Refused, match="in parts"):
        take(database, *[decision("d1", "prohibit")] * 10_001)
    with database.connect() as connection:
        assert decisions.recent(connection) == []
        assert audit.entries(connection) == []


def test_ten_thousand_findings_in_a_few_statements(database: sa.Engine) -> None:
    statements: list[str] = []
    rows = [finding(f"f-{number}", service=f"s{number % 20}", unit=f"u{number // 20}") for number in range(10_000)]
    found(database, *rows)
    several = [decision(f"d{number}", "prohibit", f"u{number}", service="s1") for number in range(500)]
    sa.event.listen(database, "before_cursor_execute", lambda *said: statements.append(said[2]))
    take(database, *several, decision("org", "register", service="s2"))
    with writing(database) as connection:
        decisions.reconsider(connection, now=NOW)
    assert sum(state != "unreviewed" for state in states(database).values()) == 1_000
    assert len(statements) < 60
    with database.connect() as connection:
        assert len(decisions.recent(connection, limit=400)) == 400
        last = decisions.recent(connection, limit=400)[-1][0]
        assert len(decisions.recent(connection, limit=400, before=last)) == 101


def test_comments_and_corrective_actions(database: sa.Engine) -> None:
    found(database, finding("f-1"))
    plan = CorrectiveAction(
        finding="f-1", cause="c", action="a", owner="o", due=NOW + DAY, opened_by="ann", opened_at=NOW
    )
    with writing(database) as connection:
        actions.comment(connection, finding="f-1", by="ann", at=NOW, text="Asked the team.")
        number = actions.open_action(connection, plan)
        with pytest.raises(Refused, match="not done"):
            actions.check_action(connection, action=number, by="bob", at=NOW, effective=True, check="Looked.")
        actions.finish_action(connection, action=number, by="ann", at=NOW + 1)
        with pytest.raises(Refused, match="already"):
            actions.finish_action(connection, action=number, by="ann", at=NOW + 1)
        with pytest.raises(Refused, match="how"):
            actions.check_action(connection, action=number, by="bob", at=NOW, effective=True, check=" ")
        assert len(actions.actions(connection, unfinished=True)) == 1
        actions.check_action(connection, action=number, by="bob", at=NOW + 2, effective=False, check="Looked.")
        with pytest.raises(Refused, match="already"):
            actions.check_action(connection, action=number, by="bob", at=NOW, effective=True, check="Again.")
        for call in (
            lambda: actions.comment(connection, finding="f-2", by="ann", at=NOW, text="x"),
            lambda: actions.open_action(connection, msgspec.structs.replace(plan, finding="f-2")),
            lambda: actions.finish_action(connection, action=99, by="ann", at=NOW),
            lambda: actions.comment(connection, finding="f-1", by="ann", at=NOW, text=" "),
        ):
            with pytest.raises(Refused):
                call()
    with database.connect() as connection:
        [kept] = actions.actions(connection, finding="f-1")
        assert kept.stage(NOW) == "ineffective"
        assert actions.actions(connection, unfinished=True) == []
        assert [one.text for one in actions.comments(connection, finding="f-1")] == ["Asked the team."]
        said = [entry.action for entry in audit.entries(connection)]
    assert said == ["finding.commented", "corrective.opened", "corrective.done", "corrective.checked"]
