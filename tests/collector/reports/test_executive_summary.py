"""The executive summary: what a board reads, on six pages at most, and nothing that may not be told."""

from __future__ import annotations

import io
import re

import pypdf
import pytest
import sqlalchemy as sa

from aimscope_collector.reports.executive_summary import MOST_PAGES
from aimscope_collector.review import Decision, Facts
from aimscope_collector.rolling_up import roll_up_all
from aimscope_collector.store import decisions
from aimscope_collector.store.database import writing
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.collector.reports.made import VIEWER, made, whom

LONG = "A service with a name that somebody made far too long on purpose to see what it does to a page "


def _text(page: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode()))


def _summary(engine: sa.Engine, **options: object) -> str:
    return _text(made(engine, "executive-summary", "html", **options)["executive-summary.html"])  # type: ignore[arg-type]


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    """Seven computers of sales with ChatGPT, one of legal with Otter, and Cursor that is authorised."""
    planted = Planted(database)
    for number in range(7):
        agent = planted.agent(f"s{number}", "sales")
        planted.saw(agent, "chatgpt", "dns.query", presence="used", name="chatgpt.com", subject=f"p{number}")
        planted.looked(agent, "dns", "dns.query")
    legal = planted.agent("l1", "legal")
    planted.saw(legal, "otter", "dns.query", presence="used", name="otter.ai", subject="x")
    planted.saw(legal, "cursor", "application", id="dpkg:cursor")
    planted.reconcile(inventory(use(services=("cursor",))))
    _inventory(planted)
    roll_up_all(database)
    return planted


def _inventory(planted: Planted) -> None:
    from aimscope_collector.store import inventories

    with writing(planted.engine) as connection:
        inventories.keep(
            connection,
            inventory=inventory(use(services=("cursor",))),
            author="ann",
            note="",
            effective_from=NOW - DAY,
            now=NOW - DAY,
        )


def test_it_says_where_we_stand_and_what_is_asked(fleet: Planted) -> None:
    said = _summary(fleet.engine)
    assert "3 AI services were found in use or installed. 2 of them are without anybody's consent." in said
    assert "at Corp" in said
    assert "or prohibit what" in said
    assert "ChatGPT" in said
    assert "Otter" in said
    assert "Nothing: no decision is open" not in said
    assert "No list of the computers there should be was imported" in said


def test_groups_that_are_too_small_are_not_told_to_a_viewer(fleet: Planted) -> None:
    page = made(fleet.engine, "executive-summary", "html", who=VIEWER)["executive-summary.html"].decode()
    otter = page[page.index("Otter") :]
    assert "fewer than 5" in otter[:300]
    said = _summary(fleet.engine)
    assert "fewer than 5" not in said


def test_a_unit_sees_nothing_of_the_others(fleet: Planted) -> None:
    said = _summary(fleet.engine, who=whom("reviewer", units=("sales",)))
    assert "ChatGPT" in said
    assert "Otter" not in said
    assert "legal" not in said
    assert "for sales only" in said


def test_decisions_change_what_is_asked_and_a_viewer_does_not_see_the_log(fleet: Planted) -> None:
    with writing(fleet.engine) as connection:
        decisions.decide(
            connection,
            [
                Decision(uid="d1", service="chatgpt", action="prohibit", reason="No contract.", by="ann", at=NOW - 60),
                Decision(
                    uid="d2",
                    service="otter",
                    action="escalate",
                    reason="Unsure.",
                    by="ann",
                    at=NOW - 50,
                    facts=Facts(question="May legal record calls?"),
                ),
            ],
            now=NOW,
        )
    said = _summary(fleet.engine)
    assert "Say how prohibitions are enforced: ChatGPT is prohibited and seen." in said
    assert "May legal record calls?" in said
    assert "No contract." in said
    viewer = _summary(fleet.engine, who=VIEWER)
    assert "No contract." not in viewer
    assert "does not see the log of decisions" in viewer


def test_what_is_dismissed_is_no_longer_counted(fleet: Planted) -> None:
    with writing(fleet.engine) as connection:
        decisions.decide(
            connection,
            [Decision(uid="d1", service="otter", action="dismiss", reason="A test.", by="ann", at=NOW - 60)],
            now=NOW,
        )
    assert "2 AI services were found in use or installed. 1 of them is without" in _summary(fleet.engine)


def test_an_empty_collector_says_that_it_knows_nothing(database: sa.Engine) -> None:
    said = _summary(database)
    assert "No AI service was found. That is only worth as much as the coverage below." in said
    assert "Approve a first inventory" in said


def test_a_big_fleet_with_long_names_fits_on_six_pages(database: sa.Engine) -> None:
    planted = Planted(database)
    services = [one.id for one in SERVICES] + [f"own-{number}" for number in range(60)]
    for unit in range(40):
        path = f"group/{'region of the world ' * 2}{unit}/department of something {unit}"
        agent = planted.agent(f"a{unit}", path)
        planted.looked(agent, f"sensor{unit % 12}", "dns.query", status="denied")
        for number, service in enumerate(services[unit % 7 :: 3]):
            planted.saw(
                agent, service, "dns.query", presence="used", at=NOW - number % 80 * DAY, name=f"{service}.example"
            )
    for number in range(30):
        planted.saw(
            agent, "", "mcp_server", presence="configured", client="c", name=f"{LONG}{number}", package="", host=""
        )
    planted.reconcile(None)
    roll_up_all(database)
    with writing(database) as connection:
        several = [
            Decision(uid=f"d{n}", service=service, action="prohibit", reason=LONG * 20, by="ann", at=NOW - 90 + n)
            for n, service in enumerate(services)
        ]
        decisions.decide(connection, several, now=NOW)
    written = made(database, "executive-summary", "pdf", days=180)["executive-summary.pdf"]
    document = pypdf.PdfReader(io.BytesIO(written))
    assert 3 <= len(document.pages) <= MOST_PAGES
    text = " ".join(page.extract_text() for page in document.pages)
    assert "What we ask you to decide" in text
    assert str(document.root_object["/MarkInfo"]) == "{'/Marked': True}"  # for screen readers
    assert made(database, "executive-summary", "pdf", days=180)["executive-summary.pdf"] == written


def test_the_page_fetches_nothing_and_escapes_everything(database: sa.Engine) -> None:
    planted = Planted(database)
    agent = planted.agent("a", "<img src=x onerror=alert(1)>")
    planted.saw(agent, "", "mcp_server", presence="configured", client="c", name="<script>alert(1)</script>", host="")
    planted.reconcile(None)
    page = made(database, "executive-summary", "html")["executive-summary.html"].decode()
    assert "<script" not in page
    assert "<img" not in page
    assert not re.search(r"<[^>]*\s(src|href)=", page)
    assert not re.search(r"<[^>]*\sstyle=", page)
