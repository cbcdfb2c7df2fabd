"""The guide's table of products: where users look for theirs."""

from __future__ import annotations

import re
from pathlib import Path

from aimscope_agent.logs.registry import built_in

GUIDE = Path(__file__).parents[3] / "docs" / "log-formats.md"
ROW = re.compile(r"\| [^|]+: (?P<sources>(?:`[A-Z0-9_]+` ?)+)\| (?P<maps>[^|]+) \|")
NOT_READ = {"CHECKPOINT_XML", "CONTENTKEEPER_SYSLOG", "CORRATA", "OPEN_SYSTEMS_SECURE_WEB_GATEWAY"}


def test_every_product_of_the_guide_is_read_by_a_format_that_exists() -> None:
    rows = [(re.findall(r"`(\w+)`", row["sources"]), row["maps"]) for row in map(ROW.match, guide()) if row]
    sources = [source for names, _ in rows for source in names]
    assert len(sources) == len(set(sources)) == 71
    assert {source for names, maps in rows if maps == "not read" for source in names} == NOT_READ
    named = {name for _, maps in rows for name in re.findall(r"`([a-z0-9-]+)`", maps)}
    assert named <= built_in().keys()


def guide() -> list[str]:
    return GUIDE.read_text(encoding="utf-8").splitlines()
