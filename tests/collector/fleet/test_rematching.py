"""A new catalogue meets old evidence: what changes hands, what is withdrawn, and what stays as agents say."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aimscope_collector.rematching import Again, rematch
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING
from aimscope_signatures.catalogue import Catalogue, compiled
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.schema import parse
from tests.collector.fleet.planted import NOW, Planted

SIGNATURE = """
id: {id}
name: {id}
vendor: V
category: assistant
surface: [web]
homepage: https://v.example
summary: "A service."
maturity: sandbox
{more}
"""


def matcher(version: str = "2", **services: str) -> Matcher:
    """A catalogue of services (``_`` for ``-``), each with some more lines of YAML."""
    entries = [
        compiled(parse(SIGNATURE.format(id=name.replace("_", "-"), more=more).encode(), name))
        for name, more in services.items()
    ]
    return Matcher(Catalogue(entries, version))


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    return Planted(database)


def services(fleet: Planted) -> list[tuple[str, str | None, bool]]:
    with fleet.engine.connect() as connection:
        query = sa.select(EVIDENCE.c.service, EVIDENCE.c.said, EVIDENCE.c.withdrawn).order_by(EVIDENCE.c.id)
        return [tuple(row) for row in connection.execute(query)]


def test_what_no_catalogue_knew_becomes_a_service_with_its_totals(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "", "mcp_server", client="c", name="crm", package="npm:crm-mcp", count=7, identity="medium")
    fleet.reconcile()
    assert rematch(fleet.engine, matcher(cursor='packages: ["npm:crm-mcp"]')) == {"", "cursor"}
    assert services(fleet) == [("cursor", "", False)]
    fleet.reconcile()
    found = fleet.findings()
    assert {key[0] for key in found} == {"cursor"}
    assert found["cursor", "", ""].count == 7


def test_agents_that_go_on_saying_the_old_name_count_once(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "old", "dns.query", name="x.example", count=7)
    rematch(fleet.engine, matcher(cursor="domains: [x.example]"))
    with fleet.engine.begin() as connection:  # the total grows, under the key it always had
        connection.execute(SIGHTING.update().values(count=9))
    fleet.reconcile()
    assert fleet.findings()["cursor", "", ""].count == 9


def test_a_total_known_under_both_names_counts_once(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "old", "dns.query", name="x.example", count=7)
    fleet.saw(agent, "cursor", "dns.query", name="x.example", count=7)
    rematch(fleet.engine, matcher(cursor="domains: [x.example]"))
    fleet.reconcile()
    assert services(fleet) == [("old", None, True), ("cursor", None, False)]
    assert fleet.findings()["cursor", "", ""].count == 7


def test_an_older_and_a_newer_agent_are_one_finding(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a"), "old", "dns.query", name="x.example", count=7)
    fleet.saw(fleet.agent("b"), "cursor", "dns.query", name="x.example", count=5)
    rematch(fleet.engine, matcher(cursor="domains: [x.example]"))
    fleet.reconcile()
    row = fleet.findings()["cursor", "", ""]
    assert (row.count, row.assets) == (12, 2)


def test_a_name_that_was_a_wrong_detection_no_longer_counts(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a"), "cursor", "dns.query", name="x.example")
    rematch(fleet.engine, matcher(cursor="domains: [other.example]"))
    fleet.reconcile()
    assert fleet.findings() == {}
    rematch(fleet.engine, matcher("3", cursor="domains: [x.example]"))
    fleet.reconcile()
    assert set(fleet.findings()) == {("cursor", "", "")}


def test_what_only_the_agent_can_see_stays_as_it_says() -> None:
    clause = 'clauses: {own: {kind: process, all: {signer: {equals: ["V"]}}, identity: certain}}'
    again = Again(matcher(cursor=clause, other="processes: [thing]"))
    told = again.ask("cursor", "process", [("name", "thing")])
    assert (told.service, told.confirmed, told.withdrawn) == ("cursor", False, False)


def test_evidence_is_asked_once_for_each_version(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a"), "", "model", id="acme/x", at=NOW)
    assert rematch(fleet.engine, matcher(cursor="model_ids: [acme/*]")) == {"", "cursor"}
    assert rematch(fleet.engine, matcher(cursor="model_ids: [acme/*]")) == frozenset()
    assert rematch(fleet.engine, matcher("3", cursor="model_ids: [other/*]")) == {"", "cursor"}
    assert services(fleet) == [("", None, False)]


def test_what_ingest_met_under_an_old_name_is_asked_too(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a"), "old", "dns.query", name="x.example")
    with fleet.engine.begin() as connection:  # as ingest leaves it: this catalogue was asked, and did not confirm it
        connection.execute(EVIDENCE.update().values(catalogue="2", confirmed=False))
    assert rematch(fleet.engine, matcher(cursor="domains: [x.example]")) == {"old", "cursor"}


def test_evidence_of_which_only_the_kind_was_kept_disproves_nothing() -> None:
    told = Again(matcher(cursor="domains: [x.example]")).ask("cursor", "dns.query", [])
    assert (told.service, told.withdrawn) == ("cursor", False)
