"""The way of each role through findings and inventory, in Chromium: with keys, with the mouse, and without a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.store import decisions, inventories
from aimscope_collector.store.database import connect
from aimscope_collector.store.tables import METADATA
from aimscope_collector.store.tables.review import FINDING
from tests.collector.example import inventory, use
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.end_to_end.browser import Visitor, chromium

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def api(tmp_path: Any) -> Iterator[Api]:
    """A collector with two units that use Cursor, one that uses ChatGPT, and an inventory without either."""
    engine = connect(str(tmp_path / "collector.db"))
    METADATA.create_all(engine)
    made = Api(engine)
    planted = Planted(engine)
    for unit in ("emea/sales", "apac"):
        for number in range(6):
            agent = planted.agent(f"{unit}-{number}", unit)
            seen = {"subject": f"{unit}-{number}", "presence": "used", "first": NOW - 3 * DAY}
            planted.saw(agent, "cursor", "application", id="dpkg:cursor", **seen)  # type: ignore[arg-type]
    planted.saw(agent, "chatgpt", "dns.query", name="chatgpt.com", subject="sue", presence="used")
    planted.reconcile(inventory(use(id="R-1", name="Otter", services=("otter",))))
    with made.client:
        yield made
    engine.dispose()


@pytest.fixture
def visitor(api: Api, browser: Any) -> Iterator[Callable[..., Visitor]]:
    """Somebody of these roles, with a browser."""
    contexts = []

    def made(*roles: str, script: bool = True) -> Visitor:
        context = browser.new_context(java_script_enabled=script)
        contexts.append(context)
        return Visitor(context, api, api.key(*roles))

    yield made
    for context in contexts:
        context.close()


def states(api: Api) -> dict[tuple[str, str], str]:
    with api.engine.connect() as connection:
        found = decisions.standings(connection, now=api.now)
        rows = connection.execute(sa.select(FINDING.c.id, FINDING.c.service, FINDING.c.unit)).all()
        return {(row.service, row.unit): found[row.id].state for row in rows}


def test_a_viewer_reads_and_decides_nothing(api: Api, visitor: Callable[..., Visitor]) -> None:
    vic = visitor("viewer")
    assert vic.see("/findings?text=cursor&unit=apac") == 200
    page = vic.page
    assert page.locator("input[name=finding]").count() == 0
    page.click("tr[data-row] a")
    assert "6 people in apac used Cursor on 6 computers" in page.inner_text("main")
    assert page.locator("input[name=action]").count() == 0
    assert "Your role sees counts" in page.inner_text("main")
    assert vic.executed() == []


def test_a_reviewer_decides_one_for_the_whole_organisation(api: Api, visitor: Callable[..., Visitor]) -> None:
    ann = visitor("reviewer")
    ann.see("/findings?text=cursor&unit=emea")
    page = ann.page
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/findings/f-*")
    assert not page.locator("#f-question").is_visible()
    page.check("#f-action-escalate")
    assert page.locator("#f-question").is_visible()  # fields that only this decision needs
    page.check("#f-action-prohibit")
    assert not page.locator("#f-question").is_visible()
    page.fill("#f-reason", "There is no contract.")
    page.click("section[aria-labelledby=decide] button")
    page.wait_for_selector("text=Your decision is kept.")
    assert states(api) == {
        ("cursor", "emea/sales"): "prohibited",
        ("cursor", "apac"): "prohibited",
        ("chatgpt", "apac"): "unreviewed",
    }
    assert "There is no contract." in page.inner_text(".timeline")
    assert ann.executed() == []


def test_a_reviewer_decides_in_bulk_with_the_keyboard_alone(api: Api, visitor: Callable[..., Visitor]) -> None:
    ann = visitor("reviewer")
    ann.see("/findings?text=cursor&order=name")
    page = ann.page
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    assert page.inner_text("[data-count=finding]") == "2"
    page.focus("#bulk > summary")
    page.keyboard.press("Enter")
    page.focus("#f-action-register")
    page.keyboard.press("Space")
    page.focus("#f-reason")
    page.keyboard.type("Contract 12, jkx/?")  # the letters of keys are letters in a field
    page.focus("#bulk button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Decided about 2 findings.")
    found = states(api)
    assert {found["cursor", "emea/sales"], found["cursor", "apac"]} == {"registered"}
    assert found["chatgpt", "apac"] == "unreviewed"


def test_a_question_is_escalated_and_answered(api: Api, visitor: Callable[..., Visitor]) -> None:
    ann = visitor("reviewer")
    ann.see("/findings?text=chatgpt")
    page = ann.page
    page.click("tr[data-row] a")
    page.check("#f-action-escalate")
    page.fill("#f-reason", "A grey area.")
    page.fill("#f-question", "May sales use it for drafts?")
    page.click("section[aria-labelledby=decide] button")
    page.wait_for_selector("text=May sales use it for drafts?")
    assert states(api)["chatgpt", "apac"] == "escalated"
    page.check("#f-action-tolerate")
    page.fill("#f-reason", "For drafts, without customers' data.")
    page.fill("#f-until", "2027-03-31")
    page.click("section[aria-labelledby=decide] button")
    page.wait_for_selector("text=tolerated until 31 March 2027")
    with api.engine.connect() as connection:
        (_, answer), (_, asked) = decisions.recent(connection)
    assert answer.facts.answers == asked.uid


def test_without_a_script_a_decision_is_taken_all_the_same(api: Api, visitor: Callable[..., Visitor]) -> None:
    ann = visitor("reviewer", script=False)
    ann.see("/findings?text=chatgpt")
    page = ann.page
    page.click("tr[data-row] a")
    assert page.locator("#f-question").is_visible()
    page.check("#f-action-dismiss")
    page.fill("#f-reason", "A test of ours.")
    page.click("section[aria-labelledby=decide] button")
    assert states(api)["chatgpt", "apac"] == "dismissed"


def test_an_auditor_reads_everything_and_decides_nothing(api: Api, visitor: Callable[..., Visitor]) -> None:
    reviewer = api.key("reviewer")
    id_ = api.get("/findings", reviewer, text="chatgpt")["items"][0]["id"]
    decided = {"action": "prohibit", "reason": "No contract.", "everywhere": True}
    api.send(f"/findings/{id_}/decisions", reviewer, decided)
    udo = visitor("auditor")
    udo.see(f"/findings/{id_}")
    said = udo.page.inner_text("main")
    assert "No contract." in said
    assert "A name that was asked for" in said
    assert "Reviewers decide." in said
    assert udo.page.locator("main form[method=post]").count() == 0
    for path in ("/inventory", "/inventory/versions", "/scope"):
        assert udo.see(path) == 200
        assert udo.page.locator("main form[method=post]").count() == 0


def test_a_finding_becomes_an_entry_of_the_inventory(api: Api, visitor: Callable[..., Visitor]) -> None:
    ann = visitor("reviewer")
    ann.see("/findings?text=cursor&unit=emea")
    page = ann.page
    page.click("tr[data-row] a")
    page.click("summary:has-text('A row for the inventory')")
    page.click("text='Add it to the inventory'")
    page.select_option("#f-status", "approved")
    page.fill("#f-owner", "Ann Example")
    page.fill("#f-note", "From a finding.")
    page.click("text='Keep as a new version'")
    page.wait_for_selector("text=The entry is kept")
    with api.engine.connect() as connection:
        kept = inventories.in_force(connection, at=api.now)
    assert kept is not None
    assert [(one.name, one.status, one.units) for one in kept.systems] == [("Cursor", "approved", ("emea/sales",))]
