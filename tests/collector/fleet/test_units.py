"""The tree of units and the register of what the management system covers."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aimscope_collector.assets import UnitRule
from aimscope_collector.store import audit, units
from aimscope_collector.store.database import writing


def ensure(engine: sa.Engine, path: str) -> int:
    with writing(engine) as connection:
        return units.ensure(connection, path=path, actor="ann", now=1)


def declare(engine: sa.Engine, path: str, scope: units.Scope, why: str = "Why.", *, below: bool = True) -> int:
    with writing(engine) as connection:
        return units.set_scope(connection, path=path, scope=scope, justification=why, below=below, actor="ann", now=2)


def scopes(engine: sa.Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {path: unit.scope for path, unit in units.units(connection).items()}


def test_a_unit_comes_with_those_above_it_and_only_once(database: sa.Engine) -> None:
    assert ensure(database, "emea/sales/berlin") == ensure(database, " EMEA / Sales/berlin/ ")
    assert list(scopes(database)) == ["emea", "emea/sales", "emea/sales/berlin"]


@pytest.mark.parametrize("path", ["", "/", "a\nb", "x" * 201, "/".join("abcdefghi")])
def test_what_is_no_path_is_refused(database: sa.Engine, path: str) -> None:
    with pytest.raises(units.Refused):
        ensure(database, path)


def test_scope_goes_down_and_units_made_later_have_it(database: sa.Engine) -> None:
    ensure(database, "emea/sales")
    ensure(database, "emeasouth")
    assert declare(database, "emea", "not_yet") == 2
    assert declare(database, "emea/sales", "in", "", below=False) == 1
    ensure(database, "emea/it")
    expected = {"emea": "not_yet", "emea/it": "not_yet", "emea/sales": "in", "emeasouth": "in"}
    assert scopes(database) == expected


def test_leaving_the_scope_needs_a_reason_and_is_audited(database: sa.Engine) -> None:
    ensure(database, "emea")
    with pytest.raises(units.Refused, match="why"):
        declare(database, "emea", "out", " ")
    with pytest.raises(units.Refused, match="no unit"):
        declare(database, "apac", "out")
    declare(database, "emea", "out", "Sold.")
    assert declare(database, "emea", "out", "Sold.") == 0
    with database.connect() as connection:
        (entry,) = audit.entries(connection, actions=["unit.scope"])
    assert (entry.about, entry.facts["scope"], entry.facts["why"]) == ("emea", "out", "Sold.")


def test_rules_are_replaced_as_a_whole(database: sa.Engine) -> None:
    unit = ensure(database, "lab")
    rules = (UnitRule(1, "subnet", "10.0.0.0/8", unit), UnitRule(2, "host", "lab-*", unit))
    with writing(database) as connection:
        units.replace_rules(connection, rules=rules[::-1], actor="ann", now=1)
        assert units.rules(connection) == rules
        units.replace_rules(connection, rules=rules[:1], actor="ann", now=1)
        assert units.rules(connection) == rules[:1]
