"""The inventory and the scope register as a reviewer, a viewer and an auditor use them."""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Callable, Iterator

import msgspec
import pytest
import sqlalchemy as sa
from openpyxl import Workbook

from aimscope_collector import accounts
from aimscope_collector.inventory.model import AuthorisedUse, Inventory
from aimscope_collector.store import accounts as store
from aimscope_collector.store import audit, inventories, scope
from aimscope_collector.store.database import writing
from tests.collector.example import inventory, use
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.browser import HEADERS, PASSWORD, Browser
from tests.collector.fleet.planted import NOW, Planted

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
def somebody(api: Api, hashed: str) -> Callable[..., Browser]:
    def made(name: str, *roles: str, units: tuple[str, ...] = ()) -> Browser:
        with writing(api.engine) as connection:
            account = store.create(connection, name=name, roles=roles, hashed=hashed, by="init", at=NOW, units=units)
            store.set_password(connection, account=account.id, hashed=hashed, by=name, at=NOW)
        browser = Browser(api)
        browser.log_in(name, PASSWORD)
        return browser

    return made


def keep(api: Api, *systems: AuthorisedUse, effective_from: int = NOW - 10) -> Inventory:
    """An inventory in force."""
    made = inventory(*systems)
    with writing(api.engine) as connection:
        inventories.keep(
            connection, inventory=made, author="t", note="first", effective_from=effective_from, now=NOW - 10
        )
    return made


def newest(api: Api) -> tuple[int, Inventory | None]:
    """The latest version's number and content."""
    with api.engine.connect() as connection:
        version = inventories.version(connection, number=None)
        return (version.number, inventories.content_of(connection, version.number)) if version else (0, None)


def names(page: str) -> list[str]:
    return re.findall(r'<a href="/inventory/entry\?row=[^"]*">([^<]*)</a>', page)


SYSTEMS = (
    use(id="R-1", name="Cursor", owner="Ann", units=("emea",)),
    use(id="R-2", name="ChatGPT", status="prohibited", owner="Bo"),
    use(id="R-3", name="Old", status="approved", next_review="2026-01-01", expiry="2026-02-01"),
    use(name="Nobody knows it", status="proposed"),
)


@pytest.fixture
def rows() -> tuple[AuthorisedUse, ...]:
    """Four entries; days as the model has them."""
    return tuple(msgspec.convert(msgspec.to_builtins(one), AuthorisedUse) for one in SYSTEMS)


def test_before_there_is_any_the_page_says_what_to_do(api: Api, somebody: Callable[..., Browser]) -> None:
    assert "Import the list that you have" in somebody("ann", "reviewer").open("/inventory")
    assert 'href="/inventory/import"' not in somebody("vic", "viewer").open("/inventory")


def test_entries_are_filtered_and_marked(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    keep(api, *rows)
    ann = somebody("ann", "reviewer")
    assert names(ann.open("/inventory")) == ["ChatGPT", "Cursor", "Nobody knows it", "Old"]
    assert names(ann.open("/inventory?text=ANN&status=&unit=")) == ["Cursor"]
    assert names(ann.open("/inventory?status=prohibited")) == ["ChatGPT"]
    assert names(ann.open("/inventory?marked=overdue")) == ["Old"]
    assert names(ann.open("/inventory?marked=expired")) == ["Old"]
    assert names(ann.open("/inventory?marked=unmatched")) == ["Nobody knows it", "Old"]
    assert "Take a filter away" in ann.open("/inventory?text=none-such")
    ann.open("/inventory?marked=nice")
    assert ann.status == 400


def test_an_entry_says_what_it_was_matched_with_and_what_it_decided(api: Api, somebody: Callable[..., Browser]) -> None:
    planted = Planted(api.engine)
    agent = planted.agent("h", "emea/sales")
    planted.saw(agent, "cursor", "application", id="dpkg:cursor")
    other = planted.agent("o", "apac")
    planted.saw(other, "cursor", "application", id="dpkg:cursor")
    planted.reconcile(keep(api, use(id="R-1", units=("emea",))))
    said = somebody("ann", "reviewer").open("/inventory/entry?row=R-1")
    assert "by its name" in said
    assert "Cursor, emea/sales" in said
    assert "Cursor, apac" in said
    assert names(somebody("vic", "viewer").open("/inventory")) == ["Cursor"]


def test_an_entry_that_is_none_is_not_found(api: Api, somebody: Callable[..., Browser]) -> None:
    keep(api, use(id="R-1"))
    ann = somebody("ann", "reviewer")
    for path in ("/inventory/entry?row=R-9", "/inventory/entry", "/inventory/edit?row=R-9"):
        ann.open(path)
        assert ann.status == 404


def test_an_entry_is_changed_by_form_as_a_new_version_and_the_others_stay(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    before = keep(api, *rows)
    ann = somebody("ann", "reviewer")
    ann.open("/inventory/edit?row=R-1")
    entered = {"id": "R-1", "name": "Cursor", "status": "restricted", "owner": "Cy", "units": "emea\r\napac\r\n"}
    ann.send("/inventory/entry", **entered, next_review="2027-06-30", note="After the audit.")
    assert "The entry is kept" in ann.text
    number, after = newest(api)
    assert after is not None
    assert number == 2
    assert after.systems[0] == use(
        id="R-1",
        status="restricted",
        owner="Cy",
        units=("emea", "apac"),
        next_review=datetime.date(2027, 6, 30),
    )
    assert after.systems[1:] == before.systems[1:]
    assert after.organisation == before.organisation
    assert api.touched == [None]
    said = ann.open("/inventory/versions")
    assert "After the audit." in said
    assert ann.open("/inventory/diff?older=1&newer=2").count("R-1") >= 3


def test_nothing_changed_is_no_new_version(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    keep(api, *rows)
    ann = somebody("ann", "reviewer")
    page = ann.open("/inventory/edit?row=R-2")
    assert 'value="Bo"' in page
    ann.send("/inventory/entry", id="R-2", name="ChatGPT", status="prohibited", owner="Bo")
    assert newest(api)[0] == 1


def test_an_entry_is_added_from_a_finding(api: Api, somebody: Callable[..., Browser]) -> None:
    planted = Planted(api.engine)
    planted.saw(planted.agent("h", "emea/sales"), "cursor", "application", id="dpkg:cursor")
    planted.reconcile()
    (id_,) = (row.id for row in planted.findings().values())
    ann = somebody("ann", "reviewer")
    page = ann.open(f"/inventory/new?finding={id_}")
    assert 'value="Anysphere"' in page
    assert "emea/sales" in page
    ann.send("/inventory/entry", name="Cursor", status="approved", services="cursor", units="emea", owner="Ann")
    number, after = newest(api)
    assert after is not None
    assert (number, [one.services for one in after.systems]) == (1, [("cursor",)])


def test_an_entry_is_taken_out_in_a_new_version(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    keep(api, *rows)
    ann = somebody("ann", "reviewer")
    ann.open("/inventory/edit?row=R-2")
    ann.send("/inventory/entry", remove="yes")
    after = newest(api)[1]
    assert after is not None
    assert [one.id or one.name for one in after.systems] == ["R-1", "R-3", "Nobody knows it"]


def test_a_change_over_somebody_elses_is_shown_and_not_kept(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    keep(api, *rows)
    ann, bo = somebody("ann", "reviewer"), somebody("bo", "reviewer")
    ann.open("/inventory/edit?row=R-1")
    bo.open("/inventory/edit?row=R-2")
    bo.send("/inventory/entry", id="R-2", name="ChatGPT", status="approved", owner="Bo")
    ann.send("/inventory/entry", id="R-1", name="Cursor", status="retired", owner="Eve Typed This")
    assert ann.status == 409
    assert "changed meanwhile" in ann.text
    assert "Eve Typed This" in ann.text
    assert newest(api)[0] == 2


def test_a_change_while_a_later_version_waits_waits_with_it(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    keep(api, *rows)
    later = NOW + 30 * 86_400
    keep(api, *rows, use(id="R-9", name="To come"), effective_from=later)
    ann = somebody("ann", "reviewer")
    assert "To come" not in names(ann.open("/inventory"))
    assert "Version 2 waits" in ann.text
    ann.open("/inventory/edit?row=R-1")
    ann.send("/inventory/entry", id="R-1", name="Cursor", status="retired")
    with api.engine.connect() as connection:
        version = inventories.version(connection, number=None)
        now = inventories.in_force(connection, at=NOW)
    assert version is not None
    assert now is not None
    assert version.effective_from == later
    assert now.systems[0].status == "approved"


@pytest.mark.parametrize(
    "entered",
    [
        {"name": "X", "status": "nice"},
        {"name": "X", "status": "approved", "expiry": "soon"},
        {"status": "approved"},
        {"name": "X", "status": "approved", "allowed_domains": "not a domain!"},
    ],
)
def test_a_form_that_does_not_fit_is_shown_again(
    api: Api, somebody: Callable[..., Browser], entered: dict[str, str]
) -> None:
    ann = somebody("ann", "reviewer")
    ann.open("/inventory/new")
    ann.send("/inventory/entry", **entered, owner="Typed already")
    assert ann.status in (400, 422)
    assert 'role="alert"' in ann.text
    assert "Typed already" in ann.text
    assert newest(api) == (0, None)


def upload(browser: Browser, name: str, content: bytes) -> None:
    """Choose a file on the page and send it."""
    page = browser.open("/inventory/import")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf
    browser._read(  # a form with a file is the one thing it cannot send itself
        browser.client.post(
            "/inventory/import", data={"csrf": csrf[1]}, files={"file": (name, content)}, headers=HEADERS
        )
    )


def test_a_file_is_looked_at_before_it_is_kept(api: Api, somebody: Callable[..., Browser]) -> None:
    planted = Planted(api.engine)
    planted.saw(planted.agent("h", "emea/sales"), "cursor", "application", id="dpkg:cursor")
    planted.reconcile(keep(api, use(id="R-1", owner="Ann")))
    ann = somebody("ann", "reviewer")
    sheet = Workbook()
    assert sheet.active is not None
    sheet.active.append(["Ref", "Tool name", "Approval status", "Owner"])
    sheet.active.append(["R-1", "Cursor", "prohibited", HOSTILE])
    sheet.active.append(["R-2", "ChatGPT", "approved", "Bo"])
    file = io.BytesIO()
    sheet.save(file)
    upload(ann, "list.xlsx", file.getvalue())
    assert ann.status == 200, ann.text
    assert "One entry added" in ann.text
    assert "One entry changed" in ann.text
    assert "<script>alert" not in ann.text
    assert "would be judged otherwise" in ann.text
    assert newest(api)[0] == 1
    ann.send("/inventory/keep", note="The committee's list.")
    assert "Version 2 is kept." in ann.text
    after = newest(api)[1]
    assert after is not None
    assert [(one.id, one.status) for one in after.systems] == [("R-1", "prohibited"), ("R-2", "approved")]
    assert after.systems[0].owner == HOSTILE
    assert after.organisation == inventory().organisation  # a spreadsheet says nothing of it, and takes nothing away


def test_a_file_counts_from_the_day_that_was_given(api: Api, somebody: Callable[..., Browser]) -> None:
    ann = somebody("ann", "reviewer")
    upload(ann, "list.yaml", b"aimscope_inventory: 1\nsystems: [{name: Cursor, status: approved}]\n")
    ann.send("/inventory/keep", note="", effective_from="2027-01-01")
    assert "to come" in ann.text
    with api.engine.connect() as connection:
        assert inventories.in_force(connection, at=NOW) is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("list.yaml", b"aimscope_inventory: 1\nsystems: [{name: X, status: nice}]\n", "status"),
        ("list.txt", b"x", "ends in none of"),
        ("list.xlsx", b"PK\x03\x04 broken", "cannot be used"),
        ("list.json", b"", "Choose a file"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    api: Api, somebody: Callable[..., Browser], name: str, content: bytes, said: str
) -> None:
    ann = somebody("ann", "reviewer")
    upload(ann, name, content)
    assert ann.status in (400, 422)
    assert said in ann.text
    assert newest(api) == (0, None)


def test_who_only_reads_is_offered_no_change_and_may_not_send_one(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    keep(api, *rows)
    for name, role in (("vic", "viewer"), ("udo", "auditor")):
        browser = somebody(name, role)
        for path in ("/inventory", "/inventory/entry?row=R-1", "/inventory/versions", "/scope"):
            page = browser.open(path)
            assert browser.status == 200
            assert "/inventory/edit" not in page
            assert 'action="/scope"' not in page
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)
        assert csrf
        for path in ("/inventory/entry", "/inventory/keep", "/inventory/import", "/scope"):
            answer = browser.client.post(path, data={"csrf": csrf[1], "remove": "yes", "row": "R-1"}, headers=HEADERS)
            assert answer.status_code == 403
    assert newest(api)[0] == 1


def test_a_reviewer_of_one_unit_does_not_change_the_organisations_inventory(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    keep(api, *rows)
    eve = somebody("eve", "reviewer", units=("emea",))
    assert "/inventory/edit" not in eve.open("/inventory/entry?row=R-1")
    eve.open("/inventory/edit?row=R-1")
    eve.send("/inventory/entry", remove="yes")
    assert eve.status == 403
    assert newest(api)[0] == 1


def test_what_an_inventory_says_is_text(api: Api, somebody: Callable[..., Browser]) -> None:
    keep(api, use(id=HOSTILE, name=HOSTILE, owner=HOSTILE, units=(HOSTILE,), vendor=HOSTILE, purpose=HOSTILE))
    ann = somebody("ann", "reviewer")
    page = ann.open("/inventory")
    entry = re.search(r'href="(/inventory/entry\?row=[^"]+)"', page)
    assert entry
    for path in ("/inventory", entry[1], entry[1].replace("entry", "edit"), "/scope"):
        page = ann.open(path)
        assert ann.status == 200
        assert "alert(1)" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_the_scope_is_decided_with_a_reason_and_what_was_before_stays(
    api: Api, rows: tuple[AuthorisedUse, ...], somebody: Callable[..., Browser]
) -> None:
    keep(api, *rows)
    ann, bo = somebody("ann", "reviewer"), somebody("bo", "reviewer")
    ann.open("/scope")
    ann.send("/scope", what="unit", name="emea", place="in", justification=" ")
    assert ann.status == 422
    ann.send("/scope", what="unit", name="emea", place="not_yet", justification="After the pilot.")
    assert "The scope is on record" in ann.text
    bo.open("/scope")
    bo.send("/scope", what="unit", name="EMEA", place="in", justification=f"The pilot went well. {HOSTILE}")
    with api.engine.connect() as connection:
        (counts,) = scope.register(connection)
        assert [one.place for one in scope.history(connection)] == ["in", "not_yet"]
        said = audit.entries(connection, actions=("scope.decided",))
    assert (counts.place, counts.by) == ("in", "bo")
    assert [one.actor for one in said] == ["ann", "bo"]
    page = somebody("udo", "auditor").open("/scope")
    assert "After the pilot." in page
    assert "The pilot went well." in page
    assert "<script>alert" not in page
