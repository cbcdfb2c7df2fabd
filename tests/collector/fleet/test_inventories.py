"""Versions of the inventory: what counts when, what changed, and files that misbehave."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory_diff import Diff, diff
from aimscope_collector.parsing import Limits, parse_apart
from aimscope_collector.store import audit, inventories
from aimscope_collector.store.database import writing
from tests.collector.example import inventory, use

CSV = b"Tool,Status,Owner\nCursor,approved,Ann\nOtter,prohibited,Bob\n"
YAML = b"aimscope_inventory: 1\nsystems:\n  - {name: Cursor, status: approved}\n"


def keep(engine: sa.Engine, what: Inventory, *, now: int, effective_from: int | None = None) -> inventories.Kept:
    with writing(engine) as connection:
        start = now if effective_from is None else effective_from
        return inventories.keep(connection, inventory=what, author="ann", note="", effective_from=start, now=now)


def test_a_version_counts_from_its_day_on(database: sa.Engine) -> None:
    keep(database, inventory(use()), now=100)
    keep(database, inventory(use(status="retired")), now=200, effective_from=1_000)
    with database.connect() as connection:
        assert inventories.in_force(connection, at=99) is None
        assert inventories.in_force(connection, at=500) == inventory(use())
        assert inventories.next_change(connection, after=500) == 1_000
        assert inventories.in_force(connection, at=1_000) == inventory(use(status="retired"))
        assert [each.number for each in inventories.versions(connection)] == [2, 1]


def test_a_version_made_later_replaces_one_that_was_to_count(database: sa.Engine) -> None:
    keep(database, inventory(use()), now=100, effective_from=1_000)
    keep(database, inventory(use(status="restricted")), now=200)
    with database.connect() as connection:
        assert inventories.in_force(connection, at=2_000) == inventory(use(status="restricted"))


def test_the_same_again_is_no_new_version(database: sa.Engine) -> None:
    first = keep(database, inventory(use()), now=100)
    again = keep(database, inventory(use()), now=200)
    assert (again.is_new, again.version, again.diff) == (False, first.version, Diff())


def test_each_version_is_audited_with_its_author(database: sa.Engine) -> None:
    keep(database, inventory(use()), now=100)
    with database.connect() as connection:
        (entry,) = audit.entries(connection)
    assert (entry.actor, entry.action, entry.facts["added"]) == ("ann", "inventory.kept", 1)


def test_a_diff_names_rows_and_fields() -> None:
    before = inventory(use(id="A", owner="Ann"), use(id="B"), domains=("a.example",))
    after = inventory(use(id="A", owner="Bob", units=("emea",)), use(id="C"), domains=("b.example",))
    found = diff(before, after)
    assert (found.added, found.removed) == (("C",), ("B",))
    assert found.changed[0].fields == {"owner": ("Ann", "Bob"), "units": (None, ("emea",))}
    assert found.other[0].fields == {"domains": (("a.example",), ("b.example",))}


def test_two_rows_of_one_name_are_two_rows() -> None:
    both = inventory(use(), use(units=("emea",)))
    assert diff(both, both).is_empty
    assert diff(inventory(use()), both).added == ("Cursor (number 2)",)


@pytest.mark.parametrize(("data", "file"), [(CSV, "list.csv"), (YAML, "i.yaml")])
def test_files_are_read_in_a_process_of_their_own(data: bytes, file: str) -> None:
    loaded = parse_apart(data, file)
    assert loaded.content is not None
    assert loaded.content.systems[0].name == "Cursor"


@pytest.mark.parametrize("data", [b"\xff" * 100, b"aimscope_inventory: 2", b"[" * 100_000, b"a: &x [1]\nb: *x", b""])
def test_what_cannot_be_read_says_why_and_leaves_the_last_one(data: bytes) -> None:
    loaded = parse_apart(data, "i.yaml")
    assert loaded.content is None
    assert loaded.errors


@pytest.mark.parametrize("limits", [Limits(memory=60_000_000), Limits(seconds=0)])
def test_a_file_that_takes_too_much_is_refused(limits: Limits) -> None:
    data = b"aimscope_inventory: 1\nsystems:\n" + b"  - {name: Cursor, status: approved}\n" * 100_000
    loaded = parse_apart(data, "i.yaml", limits=limits)
    assert "took more" in str(loaded.errors[0])
