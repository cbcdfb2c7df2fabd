"""The queue and one finding as a viewer, a reviewer, an auditor and IT security use them."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from aimscope_collector import accounts
from aimscope_collector.store import accounts as store
from aimscope_collector.store import actions, audit, decisions, overrides, reveals
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.review import FINDING
from tests.collector.example import inventory, use
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.browser import PASSWORD, Browser
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture(scope="module")
def hashed() -> str:
    return accounts.hash_password(PASSWORD)


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    with made.client:
        yield made


@pytest.fixture
def fleet(api: Api) -> Planted:
    """Six devices in emea/sales, one in apac; one AI that is in no catalogue."""
    planted = Planted(api.engine)
    for number in range(6):
        agent = planted.agent(f"h{number}", "emea/sales")
        planted.saw(
            agent,
            "cursor",
            "application",
            id="dpkg:cursor",
            subject=f"p{number}",
            presence="used",
            first=NOW - 3 * DAY,
            bytes_out=2_000_000,
        )
    agent = planted.agent("solo", "apac")
    planted.saw(agent, "cursor", "application", id="dpkg:cursor", subject="sue", at=NOW - 5 * DAY)
    planted.saw(agent, "", "dns.query", name="chat.acme.example", subject="sue", presence="used")
    planted.reconcile(inventory(use(name="ChatGPT", id="R-1", owner="Ann")))
    return planted


@pytest.fixture
def somebody(api: Api, hashed: str) -> Callable[..., Browser]:
    def made(name: str, *roles: str, units: tuple[str, ...] = ()) -> Browser:
        with writing(api.engine) as connection:
            account = store.create(connection, name=name, roles=roles, hashed=hashed, by="init", at=NOW, units=units)
            store.set_password(connection, account=account.id, hashed=hashed, by=name, at=NOW)
        browser = Browser(api)
        browser.log_in(name, PASSWORD)
        return browser

    return made


def finding(api: Api, unit: str = "emea/sales", service: str = "cursor") -> str:
    query = sa.select(FINDING.c.id).where(FINDING.c.unit == unit, FINDING.c.service == service)
    with api.engine.connect() as connection:
        return str(connection.execute(query).scalar_one())


def state(api: Api, id_: str) -> str:
    with api.engine.connect() as connection:
        return decisions.standings(connection, [id_], now=api.now)[id_].state


def listed(page: str) -> set[str]:
    """Findings that the queue shows."""
    return set(re.findall(r'<a href="/findings/(f-[0-9a-f]+)"', page))


def test_the_queue_shows_what_fits_and_says_what_to_do_where_nothing_does(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    ann = somebody("ann", "reviewer")
    everything = listed(ann.open("/findings"))
    assert everything >= {finding(api), finding(api, "apac"), finding(api, "apac", "")}
    assert listed(ann.open("/findings?unit=emea")) == {finding(api)}
    assert listed(ann.open("/findings?text=CURS")) == {finding(api), finding(api, "apac")}
    assert listed(ann.open("/findings?verdict=unknown_ai")) == {finding(api, "apac", "")}
    assert "Take a filter away" in ann.open("/findings?text=nothing-of-the-kind")
    # a form sends its empty fields, too
    assert listed(ann.open("/findings?text=&verdict=&risk=&unit=&days=&from=&to=&assignee=&category=")) == everything
    ann.open("/findings?verdict=nice")
    assert ann.status == 400
    ann.open("/findings?from=yesterday")
    assert ann.status == 400


def test_before_anything_is_found_the_page_says_how_to_begin(api: Api, somebody: Callable[..., Browser]) -> None:
    assert "Nothing was found yet" in somebody("ann", "reviewer").open("/findings")
    assert "Set up an agent" not in somebody("vic", "viewer").open("/findings")
    assert 'href="/fleet">Set up an agent' in somebody("sec", "security").open("/findings")


def test_the_file_has_what_the_queue_has(api: Api, fleet: Planted, somebody: Callable[..., Browser]) -> None:
    ann = somebody("ann", "reviewer")
    with writing(api.engine) as connection:
        connection.execute(FINDING.update().where(FINDING.c.id == finding(api)).values(name="=1+1"))
    rows = list(csv.DictReader(io.StringIO(ann.open("/findings.csv?unit=emea").removeprefix("\ufeff"))))
    assert [(row["id"], row["name"], row["devices"]) for row in rows] == [(finding(api), "'=1+1", "6")]


def test_a_viewer_sees_the_sentence_and_neither_devices_nor_forms(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    vic = somebody("vic", "viewer")
    said = vic.open(f"/findings/{finding(api)}")
    assert "6 people in emea/sales used Cursor on 6 computers" in said
    assert "nobody registered it" in said
    assert f'action="/findings/{finding(api)}/decide"' not in said
    for number in range(6):
        assert DOOR.asset(f"h{number}").pseudonym not in said
    small = vic.open(f"/findings/{finding(api, 'apac')}")
    assert "ewer than 5 computers" in small
    assert "1 computer" not in small
    queue = vic.open("/findings")
    assert 'name="finding"' not in queue
    assert "fewer than 5" in queue


def test_a_viewer_and_an_auditor_cannot_decide_by_sending_the_form_anyway(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    reviewer, auditor = somebody("ann", "reviewer"), somebody("udo", "auditor")
    id_ = finding(api)
    assert "Reviewers decide" in auditor.open(f"/findings/{id_}")
    form = reviewer.open(f"/findings/{id_}")
    csrf = re.search(r'name="csrf" value="([^"]+)"', auditor.open("/findings"))
    assert csrf
    assert 'name="version"' in form
    for path in (f"/findings/{id_}/decide", "/findings/decide", f"/findings/{id_}/comment"):
        sent = {"csrf": csrf[1], "finding": id_, "action": "prohibit", "reason": "x", "where": "unit", "text": "x"}
        answer = auditor.client.post(path, data=sent, headers={"sec-fetch-site": "same-origin"})
        assert answer.status_code == 403
    assert state(api, id_) == "unreviewed"


def test_evidence_is_told_in_words_with_the_test_that_held(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    said = somebody("ann", "reviewer").open(f"/findings/{finding(api)}")
    assert "An installed program" in said
    assert "dpkg:cursor" in said
    assert DOOR.asset("h0").pseudonym in said
    assert "This finding" in said  # its place in the matrix
    assert "12.0 MB" in said


def test_a_decision_for_the_organisation_covers_other_units_without_exceptions(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    ann = somebody("ann", "reviewer")
    sales, apac = finding(api), finding(api, "apac")
    ann.open(f"/findings/{sales}")
    ann.send(f"/findings/{sales}/decide", action="prohibit", reason="No contract.", where="everywhere")
    assert ann.path == f"/findings/{sales}?done=decided"
    assert "No contract." in ann.text
    assert (state(api, sales), state(api, apac)) == ("prohibited", "prohibited")
    assert "a corrective action" in ann.text.casefold()
    ann.send(
        f"/findings/{sales}/decide",
        action="tolerate",
        reason="A trial.",
        until="2026-12-24",
        where="everywhere",
        except_units="apac\n",
    )
    assert (state(api, sales), state(api, apac)) == ("tolerated", "under_review")
    assert "except apac" in ann.text
    assert "24 December" in ann.text


def test_a_decision_for_the_unit_leaves_others_alone(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    ann = somebody("ann", "reviewer")
    sales = finding(api)
    ann.open(f"/findings/{sales}")
    ann.send(f"/findings/{sales}/decide", action="register", reason="Contract 12.", where="unit", row="R-2")
    assert (state(api, sales), state(api, finding(api, "apac"))) == ("registered", "unreviewed")


def test_what_was_decided_meanwhile_is_shown_and_nothing_is_typed_twice(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    ann, bo = somebody("ann", "reviewer"), somebody("bo", "reviewer")
    id_ = finding(api)
    ann.open(f"/findings/{id_}")
    bo.open(f"/findings/{id_}")
    bo.send(f"/findings/{id_}/decide", action="register", reason="It is fine.", where="unit")
    ann.send(f"/findings/{id_}/decide", action="prohibit", reason="It is not fine.", where="unit")
    assert ann.status == 409
    assert "registered by bo" in ann.text
    assert "It is not fine." in ann.text
    assert state(api, id_) == "registered"
    ann.send(f"/findings/{id_}/decide", action="prohibit", reason="It is not fine.", where="unit")
    assert state(api, id_) == "prohibited"  # having seen it, one may decide otherwise


@pytest.mark.parametrize(
    ("entered", "said"),
    [
        ({"action": "prohibit", "where": "unit"}, "A reason is needed"),
        ({"action": "tolerate", "reason": "A trial.", "where": "unit"}, "give the day"),
        ({"action": "escalate", "reason": "A case.", "where": "unit"}, "puts a question"),
        ({"action": "register", "reason": "x", "until": "soon", "where": "unit"}, "soon is no day"),
        ({"reason": "x"}, "Choose what to decide"),
    ],
)
def test_a_decision_that_lacks_something_says_what(
    api: Api, fleet: Planted, somebody: Callable[..., Browser], entered: dict[str, str], said: str
) -> None:
    ann = somebody("ann", "reviewer")
    id_ = finding(api)
    ann.open(f"/findings/{id_}")
    ann.send(f"/findings/{id_}/decide", **entered)
    assert ann.status == 422
    assert said in ann.text
    assert state(api, id_) == "unreviewed"


def test_a_wrong_detection_becomes_an_override_of_that_evidence(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    ann = somebody("ann", "reviewer")
    id_ = finding(api)
    said = ann.open(f"/findings/{id_}")
    chosen = re.search(r'<option value="(\d+)">Yes: dpkg:cursor', said)
    assert chosen
    ann.send(
        f"/findings/{id_}/decide",
        action="dismiss",
        reason="Our own program.",
        where="everywhere",
        wrong=chosen[1],
        until="2027-01-31",
    )
    assert ann.status == 200
    with api.engine.connect() as connection:
        (one,) = overrides.overrides(connection, now=NOW)
    assert (one.service, one.kind, one.evidence) == ("cursor", "application", {"id": "dpkg:cursor"})


def test_several_are_decided_at_once_or_none(api: Api, fleet: Planted, somebody: Callable[..., Browser]) -> None:
    ann = somebody("ann", "reviewer")
    both = [finding(api), finding(api, "apac")]
    ann.open("/findings?text=cursor")
    ann.send("/findings/decide", finding=both, action="prohibit", where="unit")
    assert (ann.status, {state(api, id_) for id_ in both}) == (422, {"unreviewed"})
    ann.open("/findings?text=cursor")
    ann.send("/findings/decide", action="prohibit", reason="x", where="unit")
    assert "Nothing is ticked" in ann.text
    ann.open("/findings?text=cursor")
    ann.send(
        "/findings/decide",
        **{"finding": both, "action": "prohibit", "reason": "No.", "where": "unit", "back-text": "cursor"},
    )
    assert "Decided about 2 findings." in ann.text
    assert ann.path.startswith("/findings?text=cursor")
    assert {state(api, id_) for id_ in both} == {"prohibited"}
    assert state(api, finding(api, "apac", "")) == "unreviewed"


def test_what_was_decided_meanwhile_stops_a_decision_about_several(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    ann, bo = somebody("ann", "reviewer"), somebody("bo", "reviewer")
    ticked = re.findall(r'name="finding" value="([^"]+)"', ann.open("/findings?text=cursor"))
    assert {one.partition(" ")[0] for one in ticked} == {finding(api), finding(api, "apac")}
    bo.open(f"/findings/{finding(api)}")
    bo.send(f"/findings/{finding(api)}/decide", action="register", reason="It is fine.", where="unit")
    ann.send("/findings/decide", finding=ticked, action="prohibit", reason="No.", where="unit")
    assert ann.status == 409
    assert "registered by bo" in ann.text
    assert (state(api, finding(api)), state(api, finding(api, "apac"))) == ("registered", "unreviewed")


def test_a_reviewer_of_one_unit_decides_for_it_alone(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    eve = somebody("eve", "reviewer", units=("emea",))
    assert listed(eve.open("/findings")) == {finding(api)}
    said = eve.open(f"/findings/{finding(api)}")
    assert 'value="everywhere"' not in said
    eve.send(f"/findings/{finding(api)}/decide", action="prohibit", reason="x", where="everywhere")
    assert eve.status == 403
    eve.open(f"/findings/{finding(api, 'apac')}")
    assert eve.status == 404


def test_comments_and_corrective_actions_to_their_end(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    ann = somebody("ann", "reviewer")
    id_ = finding(api)
    ann.open(f"/findings/{id_}")
    ann.send(f"/findings/{id_}/comment", text=HOSTILE)
    assert HOSTILE not in ann.text
    assert "&lt;script&gt;alert(1)" in ann.text
    entered = {"cause": "Nobody knew.", "correction": "Remove it.", "owner": "IT", "done_by": "2026-12-31"}
    ann.send(f"/findings/{id_}/actions", **(entered | {"done_by": "2026-01-01"}))
    assert ann.status == 422
    assert "Remove it." in ann.text  # what was entered is still there
    ann.send(f"/findings/{id_}/actions", **entered)
    with api.engine.connect() as connection:
        (action,) = actions.actions(connection, finding=id_)
    ann.send(f"/findings/{id_}/actions/{action.id}")
    assert "done, not yet checked" in ann.text
    ann.send(f"/findings/{id_}/actions/{action.id}", effective="yes", check="Looked at ten machines.")
    with api.engine.connect() as connection:
        (action,) = actions.actions(connection, finding=id_)
    assert (action.effective, action.check, action.checked_by) == (True, "Looked at ten machines.", "ann")


def test_a_name_takes_role_reason_and_leaves_a_trace(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    sec = somebody("sec", "security")
    id_ = finding(api)
    sec.open(f"/findings/{id_}")
    device = f"device {DOOR.asset('h0').pseudonym}"
    sec.send(f"/findings/{id_}/reveal", whom=device, role="security", why="")
    assert sec.status == 422
    sec.send(f"/findings/{id_}/reveal", whom=device, role="admin", why="Ticket 7.")
    assert sec.status == 422
    with api.engine.connect() as connection:
        assert reveals.reveals(connection) == []
    sec.send(f"/findings/{id_}/reveal", whom=device, role="security", why="Ticket 7.")
    with api.engine.connect() as connection:
        (asked,) = reveals.reveals(connection)
        assert [one.action for one in audit.entries(connection, actions=("reveal.asked",))]
    assert (asked.reason, asked.asked_by, asked.what) == ("Ticket 7.", "sec", "device")
    if asked.second_needed:
        assert "waits for a second person" in sec.text
        other = somebody("two", "security")
        other.open(f"/findings/{id_}")
        other.send(f"/findings/{id_}/reveals/{asked.id}/answer", answer="agree")
        sec.open(f"/findings/{id_}")
    sec.send(f"/findings/{id_}/reveals/{asked.id}/open")
    assert "The name" in sec.text


def test_a_reviewer_is_offered_no_names(api: Api, fleet: Planted, somebody: Callable[..., Browser]) -> None:
    ann = somebody("ann", "reviewer")
    assert "Ask for a name" not in ann.open(f"/findings/{finding(api)}")
    csrf = re.search(r'name="csrf" value="([^"]+)"', ann.text)
    assert csrf
    answer = ann.client.post(
        f"/findings/{finding(api)}/reveal",
        data={"csrf": csrf[1], "whom": f"device {DOOR.asset('h0').pseudonym}", "role": "reviewer", "why": "x"},
        headers={"sec-fetch-site": "same-origin"},
    )
    assert answer.status_code == 403


def test_views_are_kept_shared_and_removed_by_their_owner(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    ann, vic = somebody("ann", "reviewer"), somebody("vic", "viewer")
    ann.open("/findings?unit=emea&order=name")
    ann.send("/views", **{"name": f"Mine {HOSTILE[:30]}", "back-unit": "emea", "back-order": "name"})
    assert ann.path.startswith("/findings?unit=emea&order=name")
    assert HOSTILE[:30] not in ann.text
    ann.send("/views", **{"name": "For all", "shared": "yes", "back-verdict": "unknown_ai"})
    assert 'href="/findings?verdict=unknown_ai">For all' in vic.open("/findings?unit=emea")
    assert "Mine" not in vic.text
    assert "/remove" not in vic.text
    vic.send("/views", **{"name": "x", "shared": "yes", "back-unit": "emea"})
    assert vic.status == 403
    for path in re.findall(r'action="(/views/\d+/remove)"', ann.open("/findings")):
        ann.send(path)
        ann.open("/findings")
    assert "For all" not in ann.text


def test_what_strangers_said_is_text_everywhere(api: Api, fleet: Planted, somebody: Callable[..., Browser]) -> None:
    id_ = finding(api)
    with writing(api.engine) as connection:
        said = {"name": HOSTILE, "vendor": HOSTILE, "category": HOSTILE, "unit": HOSTILE}
        connection.execute(FINDING.update().where(FINDING.c.id == id_).values(said))
    ann = somebody("ann", "reviewer")
    for path in ("/findings", f"/findings/{id_}"):
        page = ann.open(path)
        assert ann.status == 200
        assert "alert(1)" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_each_number_of_the_overview_is_the_one_of_its_list(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    rev = somebody("rev", "reviewer")
    first = finding(api)
    rev.open(f"/findings/{first}")
    assigned = {"action": "assign", "assignee": "rev", "reason": "Please look.", "due": "2026-11-20"}
    rev.send(f"/findings/{first}/decide", **assigned)
    overview = rev.open("/")
    links = re.findall(r'<a href="(/findings[^"]*)">\s*<b>([^<]+)</b>', overview)
    numbers = {html.unescape(path): number for path, number in links}
    assert len(numbers) == 5
    listed = {}
    for path, number in numbers.items():
        page = rev.open(path)
        rows = len(set(re.findall(r'href="/findings/(f-[0-9a-f]+)"', page)))
        listed[path.partition("?")[2]] = rows
        if "shadow" not in path:
            assert number == str(rows), path
    assert listed["overdue=true"] == 1, "the others are not in the list"
    services = rev.open("/findings?shadow=true")
    said = re.search(r"about (\w+) services?", services)
    assert said is not None
    assert f"{said[1]} services nobody decided about" in overview
    assert "without anybody" in services
    assert 'name="shadow" value="true"' in services, "another filter keeps this one"
    used = re.search(r'href="/services\?in_use=true">\s*<b>(\d+)</b>', overview)
    page = rev.open("/services?in_use=true")
    assert used is not None
    assert int(used[1]) == len(set(re.findall(r'href="/services/([\w-]+)"', page))) + 1
    assert "One more is in use that no catalogue knows" in page
    assert "no catalogue knows" not in rev.open("/services")


def test_a_bulk_decision_for_the_whole_organisation_says_what_else_it_covers(
    api: Api, fleet: Planted, somebody: Callable[..., Browser]
) -> None:
    rev = somebody("rev", "reviewer")
    page = rev.open("/findings")
    ticked = re.search(rf'name="finding" value="({finding(api)} [^"]*)"', page)
    assert ticked is not None
    said = rev.send("/findings/decide", finding=[ticked[1]], action="prohibit", reason="No.", where="everywhere")
    assert "and about one more finding of the same services" in said
    assert state(api, finding(api, "apac")) == "prohibited"
