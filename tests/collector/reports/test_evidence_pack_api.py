"""Reports by the API: listed, made, refused with a reason, and noted in the audit log; cells and periods by rule."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.reports import Refused
from aimscope_collector.reports.cells import BEGIN_FORMULAS, LONGEST, csv_bytes, safe
from aimscope_collector.reports.period import as_of, period_of
from aimscope_collector.reports.verify import verify
from aimscope_collector.store import audit
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, NOW
from tests.collector.reports.evidence_planted import plant

PATH = "/api/v1/reports/evidence-pack"
TODAY = datetime.date(2026, 11, 23)


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    with made.client:
        yield made


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("aimscope-report-*"))


def test_a_report_is_sent_as_a_file_that_verifies_and_is_noted(api: Api, tmp_path: Path) -> None:
    plant(api.engine)
    before = folders()
    who = api.key("auditor")
    params = {"from": "2026-10-01", "to": "2026-11-23", "as_of": "2026-11-08", "option": ["pdf=no"]}
    answer = api.client.get(PATH, headers=who, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert "evidence-pack.zip" in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    (tmp_path / "p.zip").write_bytes(answer.content)
    assert verify(tmp_path / "p.zip").whole
    with api.engine.connect() as connection:
        (entry,) = audit.entries(connection, actions=("report.made",))
    assert (entry.about, entry.facts["sha256"]) == ("evidence-pack", hashlib.sha256(answer.content).hexdigest())
    assert entry.facts["as_of"] == int(datetime.datetime(2026, 11, 9, tzinfo=datetime.UTC).timestamp()) - 1
    assert folders() == before


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"form": "docx"}, 422, "no form docx"),
        ({"unit": "nowhere"}, 422, "no unit nowhere"),
        ({"option": "pdf"}, 422, "NAME=VALUE"),
        ({"option": "pdf=maybe"}, 422, "one of yes, no"),
        ({"from": "2026-11-20", "to": "2026-11-01"}, 422, "ends before it begins"),
        ({"from": "2027-01-01"}, 422, "in the future"),
        ({"as_of": "2027-01-01"}, 422, "not known"),
        ({"from": "1999-13-01"}, 400, ""),
    ],
)
def test_what_cannot_be_made_is_refused_with_what_to_do(
    api: Api, params: dict[str, str], status: int, words: str
) -> None:
    before = folders()
    answer = api.client.get(PATH, headers=api.key("auditor"), params=params)
    assert answer.status_code == status
    assert words in answer.text
    assert folders() == before
    with api.engine.connect() as connection:
        assert audit.entries(connection, actions=("report.made",)) == []


def test_the_list_says_what_each_can_be_told(api: Api) -> None:
    listed = {one["name"]: one for one in api.get("/reports", api.key("viewer"))["items"]}
    assert listed["evidence-pack"]["takes"] == ["as_of", "period", "unit"]
    assert listed["evidence-pack"]["forms"] == ["zip"]
    assert api.client.get("/api/v1/reports/none", headers=api.key("viewer")).status_code == 404
    assert api.client.get("/api/v1/reports", headers=api.key("privacy")).status_code == 403


@given(st.text(max_size=40))
def test_no_text_is_taken_for_a_formula_and_none_is_lost(text: str) -> None:
    cell = safe(text)
    assert isinstance(cell, str)
    assert not cell.startswith(BEGIN_FORMULAS)
    rows = list(csv.reader(io.StringIO(csv_bytes(["a"], [[text]]).decode("utf-8-sig"), newline="")))
    assert rows[1:] == [[cell]]
    kept = all(character.isprintable() for character in text)
    if kept and not text.startswith(BEGIN_FORMULAS):
        assert cell == text


@pytest.mark.parametrize("begin", BEGIN_FORMULAS)
def test_each_beginning_of_a_formula_gets_an_apostrophe(begin: str) -> None:
    assert safe(f"{begin}1+1") == f"'{begin}1+1"
    assert safe(f"x{begin}1") == f"x{begin}1"


def test_numbers_stay_numbers_and_long_texts_are_cut_where_workbooks_end() -> None:
    assert (safe(-1), safe(-1.5), safe(True), safe(None), safe("")) == (-1, -1.5, "yes", None, "")
    long = safe("x" * 40_000)
    assert isinstance(long, str)
    assert (len(long), long[-1]) == (LONGEST, "…")


def test_a_period_is_whole_days_and_today_where_nothing_is_said() -> None:
    midnight = NOW // DAY * DAY
    assert period_of(None, None, now=NOW) == (midnight - 89 * DAY, midnight + DAY)
    assert period_of(TODAY, TODAY, now=NOW) == (midnight, midnight + DAY)
    assert as_of(None, until=midnight + DAY, now=NOW) == NOW
    assert as_of(None, until=midnight - DAY, now=NOW) == midnight - DAY - 1
    assert as_of(datetime.date(2026, 11, 1), until=midnight, now=NOW) == midnight - 21 * DAY - 1
    with pytest.raises(Refused, match="longer than"):
        period_of(datetime.date(1990, 1, 1), TODAY, now=NOW)
