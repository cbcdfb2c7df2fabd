"""docs/reliability.md names tests: all of them exist, and no row of the threats is left out."""

from __future__ import annotations

import re
from typing import Final

from tests.chaos.collector import ROOT

_PAGE: Final = ROOT / "docs" / "reliability.md"
_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_is_named_exists() -> None:
    named = _TEST.findall(_PAGE.read_text(encoding="utf-8"))
    assert len(named) > 40
    missing = [
        f"{file}::{name}" for file, name in named if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not missing


def test_every_threat_has_a_row() -> None:
    rows = re.findall(r"^\| (\d+) \| .+ \| (.+) \| .*\|$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {int(number) for number, _ in rows} == set(range(1, 24))
    assert all("`tests/" in shown or "not here" in shown for _, shown in rows)
