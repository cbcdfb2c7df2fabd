"""The scope statement: units and systems on either side, and what was seen on the wrong one."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.inventory.model import AuthorisedUse, Scope
from aimscope_collector.reports.scope_statement import plain
from aimscope_collector.rolling_up import roll_up_all
from aimscope_collector.store import inventories, scope, units
from aimscope_collector.store.database import writing
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.collector.reports.made import made, whom

IN_FORCE = inventory(
    use(services=("cursor",), scope=Scope(in_aims=True)),
    AuthorisedUse(
        name="Otter", services=("otter",), status="approved", scope=Scope(in_aims=False, justification="Minutes only.")
    ),
    AuthorisedUse(name="Ollama", services=("ollama",), status="approved"),
)


@pytest.fixture
def told(database: sa.Engine) -> sa.Engine:
    planted = Planted(database)
    planted.saw(planted.agent("a", "sales"), "chatgpt", "dns.query", presence="used", name="chatgpt.com")
    planted.saw(planted.agent("b", "labs"), "mystery", "dns.query", presence="used", name="m.example")
    planted.saw(planted.agent("c", "sales"), "cursor", "application", id="dpkg:cursor")
    with writing(database) as connection:
        units.set_scope(
            connection, path="labs", scope="not_yet", justification="Next year.", below=True, actor="a", now=NOW
        )
        inventories.keep(connection, inventory=IN_FORCE, author="a", note="", effective_from=NOW - DAY, now=NOW - DAY)
        scope.put(connection, what="system", name="ollama", place="in", justification="It is ours.", by="ann", at=NOW)
    planted.reconcile(IN_FORCE)
    roll_up_all(database)
    return database


def text(engine: sa.Engine, **options: Any) -> str:
    return made(engine, "scope-statement", "md", **options)["scope-statement.md"].decode()


def test_units_systems_and_what_was_seen_outside(told: sa.Engine) -> None:
    said = text(told)
    assert "| labs | not yet | Next year\\. | 1 |" in said
    assert "| sales | in scope | – | 2 |" in said
    assert "| Otter | out of scope | Minutes only\\. | approved |" in said
    assert "| Ollama | in scope | It is ours\\. | approved | nobody named | no |" in said
    outside = said[said.index("## Seen outside") : said.index("## Seen in scope")]
    assert "| Mystery | labs | not yet |" in outside
    assert "ChatGPT" not in outside
    assert "| ChatGPT | sales | not registered |" in said[said.index("## Seen in scope") :]
    assert "*To be written:*" in said


def test_a_register_and_judgement_that_differ_are_told(told: sa.Engine) -> None:
    with writing(told) as connection:
        scope.put(connection, what="unit", name="labs", place="in", justification="Decided.", by="ann", at=NOW)
    assert "The register says in scope, but findings are not raised here" in text(told)


def test_only_the_units_of_who_asks(told: sa.Engine) -> None:
    said = text(told, who=whom("viewer", units=("sales",)))
    assert "labs" not in said
    assert "Mystery" not in said


def test_page_and_paper_say_the_same(told: sa.Engine) -> None:
    page = made(told, "scope-statement", "html")["scope-statement.html"].decode()
    assert "Mystery" in page
    assert "Minutes only." in page
    assert made(told, "scope-statement", "pdf")["scope-statement.pdf"].startswith(b"%PDF")


def test_an_empty_collector_says_so(database: sa.Engine) -> None:
    said = text(database)
    assert "There is no inventory yet." in said
    assert "There are no units" in said


@given(st.text(max_size=60))
def test_no_text_can_leave_its_cell(hostile: str) -> None:
    said = plain(hostile)
    assert "\n" not in said
    assert not re.search(r"(?<!\\)(\\\\)*[|<\[`]", said)
