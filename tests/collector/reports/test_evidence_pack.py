"""The evidence pack: what is in it is what the database says, and what cannot be shown is said."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
import pypdf
import pytest
import sqlalchemy as sa

from aimscope_collector.reports import Refused, report_named
from aimscope_collector.reports.cells import BEGIN_FORMULAS
from aimscope_collector.reports.controls import by_id, mapping
from aimscope_collector.reports.evidence_pack import TABLES
from aimscope_collector.standing import NOTHING_TO_SAY, SETTLED, SHADOW
from aimscope_collector.store import feeds, inventories
from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.tables import METADATA
from aimscope_collector.store.tables.people import AUDIT
from aimscope_collector.store.tables.review import FINDING
from aimscope_signatures import bundle
from aimscope_signatures.catalogue import Catalogue
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import DAY, DOOR, NOW
from tests.collector.reports.evidence_planted import AUDITOR, FORMULA, SCRIPT, Opened, pack, plant
from tests.collector.reports.made import VIEWER, whom


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> sa.Engine:
    """The fleet with a past, in SQLite; nobody changes it."""
    found = connect(str(tmp_path_factory.mktemp("evidence") / "collector.db"))
    METADATA.create_all(found)
    plant(found)
    return found


@pytest.fixture(scope="module")
def opened(engine: sa.Engine, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """The auditor's pack of it."""
    return Opened(pack(engine, tmp_path_factory.mktemp("pack") / "pack.zip", pdf="yes"))


def test_all_thirteen_items_have_a_table_and_each_table_is_mapped_to_a_requirement(opened: Opened) -> None:
    assert {table.item for _, table in TABLES} == set(range(14))
    assert [one["id"] for one in opened.about["tables"]] == [id_ for id_, _ in TABLES]
    for id_, table in TABLES:
        assert set(table.controls) <= set(by_id()), id_
        assert table.controls or table.item == 0, id_
        assert len({column.name for column in table.columns}) == len(table.columns), id_
        assert table.columns[0].name == "id", id_


def test_the_same_database_at_the_same_moment_gives_the_same_bytes(engine: sa.Engine, tmp_path: Path) -> None:
    one, other = (pack(engine, tmp_path / name, pdf="yes").read_bytes() for name in ("one.zip", "other.zip"))
    assert one == other


def test_rows_have_ids_of_their_own_and_nothing_is_blank_without_being_said(opened: Opened) -> None:
    for id_, table in TABLES:
        found = opened.table(table.name)
        assert found["table"] == id_
        ids = [row["id"] for row in found["rows"]]
        assert len(set(ids)) == len(ids) == found["count"], id_
        lines = list(csv.reader(io.StringIO(opened.csv(table.name), newline="")))
        assert lines[0] == [column.title for column in table.columns]
        assert len(lines) == found["count"] + 1
        assert all(cell != "" for line in lines for cell in line), id_


def test_use_is_held_against_the_inventory_as_it_stood(engine: sa.Engine, opened: Opened, tmp_path: Path) -> None:
    now = {row["id"]: row for row in opened.rows("reconciliation")}
    assert now["cursor@emea/sales"]["result"] == "prohibited, in use"
    assert (now["row:AI-2 (Otter)"]["result"], now["row:AI-2 (Otter)"]["last"]) == ("registered, not seen", None)
    assert now["chatgpt@apac"]["result"] == "unregistered, in use"
    assert (now["chatgpt@apac"]["state"], now["chatgpt@apac"]["devices"]) == ("tolerated", 1)
    before = Opened(pack(engine, tmp_path / "then.zip", as_of=NOW - 15 * DAY))
    then = {row["id"]: row for row in before.rows("reconciliation")}
    assert then["cursor@emea/sales"]["result"] == "registered, in use"
    assert then["cursor@emea/sales"]["owner"] == "Ann"
    assert [row["number"] for row in before.rows("inventory-versions") if row["used"]] == [1]
    earlier = Opened(pack(engine, tmp_path / "earlier.zip", as_of=NOW - 31 * DAY))
    known = {row["result"] for row in earlier.rows("reconciliation") if row["service"] is not None}
    assert known == {"in use, no inventory"}
    assert "no inventory was in force" in earlier.page


def test_without_an_inventory_nothing_is_called_weak_evidence(database: sa.Engine, tmp_path: Path) -> None:
    plant(database)
    with database.begin() as connection:  # findings are younger than the period
        connection.execute(sa.update(FINDING).values(opened_at=NOW + 2 * DAY))
    found = Opened(pack(database, tmp_path / "pack.zip", as_of=NOW - 31 * DAY))
    assert {row["result"] for row in found.rows("reconciliation")} == {"in use, no inventory"}


def test_a_version_that_was_kept_later_does_not_change_the_past(database: sa.Engine, tmp_path: Path) -> None:
    plant(database)
    with writing(database) as connection:
        late = inventory(use(id="LATE", services=("cursor", "chatgpt")))
        inventories.keep(connection, inventory=late, author="mal", note="", effective_from=NOW - 60 * DAY, now=NOW - 60)
    with database.connect() as connection:
        assert inventories.in_force(connection, at=NOW - 15 * DAY) == late
    found = Opened(pack(database, tmp_path / "pack.zip", as_of=NOW - 15 * DAY))
    rows = {row["id"]: row["row"] for row in found.rows("reconciliation")}
    assert rows["cursor@emea/sales"] == "AI-1 (Cursor)"
    assert rows["chatgpt@apac"] is None


def test_the_life_of_a_finding_runs_from_detection_to_decision(opened: Opened) -> None:
    found = {(row["service"], row["unit"]): row for row in opened.rows("findings")}
    tolerated = found["chatgpt", "apac"]
    assert (tolerated["state"], tolerated["decided_by"], tolerated["hours_to_decision"]) == ("tolerated", "rev", 24.0)
    cursor = found["cursor", "emea/sales"]
    assert (cursor["verdict"], cursor["corrective"], cursor["first_decision"]) == ("prohibited", "open", None)
    assert [row["id"] for row in opened.rows("decisions")] == ["d-1"]
    ends = {row["kind"]: row for row in opened.rows("exceptions")}
    assert ends["decision"]["standing"] == "in force, 30 days left"
    assert (ends["inventory row"]["name"], ends["inventory row"]["until"]) == ("Otter", None)
    assert "no end is set" in opened.csv("exceptions")


def test_coverage_has_a_denominator_only_where_a_list_was_imported(
    opened: Opened, database: sa.Engine, tmp_path: Path
) -> None:
    units = {row["unit"]: row for row in opened.rows("coverage")}
    assert (units["emea/sales"]["devices"], units["emea/sales"]["looked_at"]) == (8, 6)
    assert units["emea/sales"]["share"] == "75.0 %"
    plant(database, listing=False)
    without = Opened(pack(database, tmp_path / "pack.zip"))
    assert {(row["devices"], row["share"]) for row in without.rows("coverage")} == {(None, None)}
    assert "not imported: no denominator" in without.csv("coverage")
    assert "no list of the devices there should be was imported" in without.page
    assert any(row["status"] == "denied" for row in without.rows("blind-spots"))


def test_measures_and_figures_count_what_tables_list(opened: Opened) -> None:
    months = {row["month"]: row for row in opened.rows("measures")}
    november = months["2026-11"]
    assert (november["uses"], november["unregistered"], november["shadow_ratio"]) == (3, 2, "66.7 %")
    assert (november["raised"], november["decisions"], november["median_hours_to_decision"]) == (3, 1, 24.0)
    assert months["2026-09"]["shadow_ratio"] is None
    figures = {row["id"]: row["value"] for row in opened.rows("figures")}
    assert figures["F01"] == len({row["service"] for row in opened.rows("reconciliation") if "@" in row["id"]})
    counts = {row["result"]: row["rows"] for row in opened.rows("reconciliation-summary")}
    assert counts == {"prohibited, in use": 1, "unregistered, in use": 2, "registered, not seen": 1}
    assert figures["F02"] == "2 of 3 (66.7 %)"
    rows = [row for row in opened.rows("reconciliation") if row["result"] != "registered, not seen"]
    shadow = [row for row in rows if row["verdict"] in SHADOW and row["state"] not in SETTLED]
    told = f"{len({row['name'] for row in shadow})} of {len({row['name'] for row in rows})} "
    assert figures["F02"].startswith(told), "services as the overview counts them"
    assert figures["F04"] == "7 of 9 (77.8 %)"
    assert figures["F07"] == "24"
    assert figures["F08"] == "nothing was registered by a decision in the period"
    undecided = {"unreviewed", "under_review", "escalated"}
    rows = [row for row in opened.rows("findings") if row["present"] and row["state"] in undecided]
    rows = [row for row in rows if row["verdict"] not in NOTHING_TO_SAY]
    assert figures["F05"] == len(rows)


def test_a_finding_is_traced_down_to_the_cell_and_the_run(engine: sa.Engine, opened: Opened, tmp_path: Path) -> None:
    rows = [row for row in opened.rows("trace") if row["name"] == "Cursor"]
    assert rows[0]["fields"] == "id=dpkg:cursor"
    assert rows[0]["device"] == DOOR.asset(rows[0]["agent"].removeprefix("u-")).pseudonym
    assert rows[0]["run"] in {row["id"].partition("/")[2] for row in opened.rows("runs")}
    chosen = next(row["id"] for row in opened.rows("findings") if row["service"] == "chatgpt")
    only = Opened(pack(engine, tmp_path / "one.zip", options={"trace": f"{chosen}, {chosen}"}))
    assert {row["finding"] for row in only.rows("trace")} == {chosen}
    with pytest.raises(Refused, match="no finding f-nowhere"):
        pack(engine, tmp_path / "none.zip", options={"trace": "f-nowhere"})
    with pytest.raises(Refused, match="no option colour"):
        pack(engine, tmp_path / "none.zip", options={"colour": "red"})


def test_the_audit_log_goes_along_and_a_broken_chain_is_said(
    opened: Opened, database: sa.Engine, tmp_path: Path
) -> None:
    assert [row["result"] for row in opened.rows("audit-chain")] == ["whole"]
    assert "reveal.asked" in {row["action"] for row in opened.rows("audit-log")}
    assert [row["reason"] for row in opened.rows("reveals")] == ["an incident"]
    plant(database)
    with writing(database) as connection:
        connection.execute(AUDIT.update().where(AUDIT.c.sequence == 4).values(actor="nobody"))
    broken = Opened(pack(database, tmp_path / "pack.zip"))
    assert [row["result"] for row in broken.rows("audit-chain")] == ["broken at entry 4"]


def test_the_pages_can_be_read_and_nothing_in_them_runs(opened: Opened) -> None:
    pdf = pypdf.PdfReader(io.BytesIO(opened.files["evidence.pdf"]))
    text = " ".join(" ".join(page.extract_text() for page in pdf.pages).split())
    for words in ("evidence from discovery", "What this pack cannot show", "In use against registered", "75.0 %"):
        assert words in text
        assert words in opened.page
    assert "<script" not in opened.page
    assert "\u202e" not in opened.page
    assert "&lt;script&gt;alert(1)" in opened.page
    assert any(SCRIPT in row["fields"] for row in opened.rows("trace"))
    assert not any(word in opened.page for word in ('src="http', 'href="http', "@import", "url("))


def test_no_cell_of_any_csv_begins_a_formula_and_json_has_the_text_as_it_is(opened: Opened) -> None:
    cells = [
        cell
        for name, content in opened.files.items()
        if name.endswith(".csv")
        for line in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        for cell in line
    ]
    assert [cell for cell in cells if cell.startswith(BEGIN_FORMULAS) and not _is_number(cell)] == []
    assert f"'{FORMULA}" in cells
    assert [row["reason"] for row in opened.rows("decisions")] == [FORMULA]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_nobody_is_named_and_whoever_sees_counts_only_sees_no_small_group(
    engine: sa.Engine, opened: Opened, tmp_path: Path
) -> None:
    for content in opened.files.values():
        assert b"user3" not in content
        assert b"pc-3" not in content.replace(b"u-pc-3", b"")
    seen = Opened(pack(engine, tmp_path / "viewer.zip", who=VIEWER))
    rows = {row["id"]: row for row in seen.rows("reconciliation")}
    assert (rows["chatgpt@apac"]["devices"], rows["cursor@emea/sales"]["devices"]) == ("fewer than 5", 6)
    left_out = {one["name"] for one in seen.about["tables"] if one["left_out"]}
    assert left_out == {
        *("agents", "scope-changes", "decisions", "comments", "corrective-actions", "exceptions"),
        *("accounts", "audit-chain", "audit-log", "reveals", "trace"),
    }
    assert not any("decisions" in name or "audit-log" in name for name in seen.files)
    assert "it lacks audit:read" in seen.page
    assert DOOR.person("solo").pseudonym.encode() not in b"".join(seen.files.values())
    assert "1" not in {str(row["people"]) for row in seen.rows("awareness")}


def test_an_account_with_limits_gets_its_units_and_nothing_beside(engine: sa.Engine, tmp_path: Path) -> None:
    limited = whom("auditor", units=("apac",))
    found = Opened(pack(engine, tmp_path / "apac.zip", who=limited))
    assert {row["unit"] for row in found.rows("coverage")} == {"apac"}
    for table in ("reconciliation", "findings"):
        assert not any("emea" in str(row) for row in found.rows(table))
    assert {row["agent"] for row in found.rows("runs")} == {"u-lone"}
    assert {one["name"] for one in found.about["tables"] if one["left_out"]} == {"accounts", "audit-log", "reveals"}
    assert "Anything outside of apac." in found.page
    with pytest.raises(Refused, match="does not reach the unit emea"):
        pack(engine, tmp_path / "no.zip", who=limited, unit="emea")
    with pytest.raises(Refused, match="no unit atlantis"):
        pack(engine, tmp_path / "no.zip", unit="atlantis")
    part = Opened(pack(engine, tmp_path / "emea.zip", unit="EMEA"))
    assert {row["unit"] for row in part.rows("coverage")} == {"emea/sales"}


def test_both_databases_say_the_same(database: sa.Engine, opened: Opened, tmp_path: Path) -> None:
    plant(database)
    found = Opened(pack(database, tmp_path / "pack.zip"))
    drawn = {"audit-log", "audit-chain"}  # order of units that one transaction makes is not what is tested here
    for _, table in TABLES:
        if table.name not in drawn:
            assert found.rows(table.name) == opened.rows(table.name), table.name


def test_an_empty_collector_makes_a_pack_that_says_that_there_is_nothing(database: sa.Engine, tmp_path: Path) -> None:
    found = Opened(pack(database, tmp_path / "pack.zip"))
    assert found.about["inventory_version"] is None
    assert "There is no managed device: nothing could be looked at." in found.page
    assert "No inventory was in force on that day." in found.page


def test_the_change_log_names_what_came_went_and_was_described_otherwise(database: sa.Engine, tmp_path: Path) -> None:
    one, two, three, *_ = bundle.shipped()
    renamed = msgspec.structs.replace(two, name="Renamed")
    versions = [Catalogue((one, two), "1"), Catalogue((renamed, three), "2")]
    bodies = [("catalogue", bundle.pack(version)) for version in versions]
    bodies += [("overlay", bundle.pack(versions[0])), ("overlay", b"of another format")]
    with writing(database) as connection:
        for number, (name, body) in enumerate(bodies, 1):
            feeds.publish(
                connection, name=name, version=number, envelope="e", body=body, now=NOW - DAY, expires_at=NOW + DAY
            )
    rows = Opened(pack(database, tmp_path / "pack.zip")).rows("catalogue-changes")
    said = {(row["feed"], row["version"], row["service"]): row["change"] for row in rows}
    assert said == {
        ("catalogue", 1, None): "2 services to begin with",
        ("catalogue", 2, one.id): "removed",
        ("catalogue", 2, two.id): "changed",
        ("catalogue", 2, three.id): "added",
        ("overlay", 3, None): "2 services to begin with",
        ("overlay", 4, None): "cannot be compared",
    }


def test_every_control_of_annex_a_is_in_the_statement_and_the_mapping_says_whose_it_is(opened: Opened) -> None:
    annex = [control for control in mapping().controls if control.id.startswith("42001:A.")]
    assert len(annex) == 38
    rows = {row["control"]: row for row in opened.rows("soa")}
    assert rows["A.10.3"]["tables"] == next(id_ for id_, table in TABLES if table.name == "suppliers")
    assert rows["A.7.6"]["tables"] is None
    assert {row["applies"] for row in rows.values()} == {None}
    assert all(also in by_id() for control in mapping().controls for also in control.also)
    assert "the reading of aimscope's authors" in opened.page.replace("&#39;", "'")


def test_it_is_found_by_walking() -> None:
    report = report_named("evidence-pack")
    assert (report.forms, report.takes) == (("zip",), frozenset({"period", "as_of", "unit"}))
    assert AUDITOR.may("reports:read")
    with pytest.raises(Refused, match="evidence-pack"):
        report_named("nothing")
