"""The simulated fleet: the same for the same seed, believable, and its two ways of counting agree."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest

from aimscope_collector.simulate.days import events, ledger_of, reaches
from aimscope_collector.simulate.fleet import draw
from aimscope_collector.simulate.plan import DAY, Fleet, Plan
from aimscope_collector.simulate.totals import Book, Total, truth
from aimscope_signatures import bundle
from aimscope_signatures.model import Observation
from aimscope_signatures.unknown import candidate


@cache
def _fleet(seed: int = 7, hosts: int = 150, days: int = 40) -> Fleet:
    return draw(Plan(hosts=hosts, days=days, seed=seed), bundle.shipped())


def test_a_seed_is_a_fleet() -> None:
    one, other = _fleet(), draw(_fleet().plan, bundle.shipped())
    assert msgspec.json.encode(one.machines) == msgspec.json.encode(other.machines)
    assert list(events(one, one.machines[3])) == list(events(other, other.machines[3]))
    assert msgspec.json.encode(_fleet(8).machines) != msgspec.json.encode(one.machines)


def test_everything_that_can_happen_does() -> None:
    machines = _fleet().machines
    assert {one.role for one in machines} == {"host", "gateway", "image"}
    assert any(one.reinstalled for one in machines)
    assert any(one.born for one in machines)
    assert any(one.offline[1] for one in machines)
    assert any(abs(one.skew) > DAY / 2 for one in machines)
    assert any(one.copied for one in machines)
    facts = [fact for one in machines for fact in one.extras]
    assert any(fact.kind == "account" for fact in facts)
    assert any(not fact.service and fact.kind == "mcp_server" for fact in facts)
    assert any(tool.begins > 0 and tool.spreads for tool in _fleet().tools)
    assert any(not reaches(_fleet(), machines[0], day) for day in range(40))


def test_addresses_and_names_are_each_machines_own() -> None:
    machines = _fleet(7, 900, 3).machines
    assert len({one.address for one in machines}) == len(machines)
    assert len({one.name for one in machines}) == len(machines)
    assert len({one.number for one in machines}) == len(machines)


def test_facts_are_what_the_catalogue_sees() -> None:
    from aimscope_signatures.matcher import Matcher

    matcher = Matcher(bundle.shipped())
    for tool in _fleet().tools:
        for fact in tool.facts:
            found = matcher.match(Observation(fact.kind, dict(fact.fields)))
            assert tool.service in {each.service for each in found}
    own = next(fact for one in _fleet().machines for fact in one.extras if not fact.service)
    observation = Observation(own.kind, dict(own.fields))
    assert candidate(observation, matcher.match(observation)) is not None


@pytest.mark.parametrize("seed", range(3))
def test_running_totals_end_at_the_truth(seed: int) -> None:
    fleet = _fleet(seed, 60, 40)
    rows = 0
    for machine in fleet.machines:
        books = {0: Book("a"), 1: Book("b")}
        told: dict[tuple[int, int, str, object, str, str], Total] = {}
        for day, seen in events(fleet, machine):
            which = ledger_of(machine, day)
            books[which].add(seen)
            for report in books[which].reports(0):
                for cell in report.cells:
                    fact = report.facts[cell.fact]
                    key = (which, cell.month, fact.kind, (fact.service, fact.fields), cell.asset, cell.subject)
                    told[key] = Total(cell.count, cell.first, cell.last, cell.days, cell.bytes_out)
            books[which].settle()
        true = {
            (which, month, fact.kind, (fact.service, fact.fields), asset, subject): total
            for (which, (month, fact, asset, subject)), total in truth(fleet, machine).items()
        }
        assert told == true
        rows += len(true)
    assert rows > 500


def test_months_split_totals() -> None:
    fleet = _fleet(7, 60, 40)
    months = {month for one in fleet.machines for _, (month, *_) in truth(fleet, one)}
    assert len(months) >= 2
