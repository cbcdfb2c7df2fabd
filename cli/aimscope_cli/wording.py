"""What findings are called: the headings they stand under, and how far they show use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from aimscope_cli.report import PRESENCE_WORDS, WORDS, Report, Row, what_of
from aimscope_collector.findings import VERDICTS, Verdict

_LOOKED_UP: Final = frozenset({"dns.query"})
_LOOKED_UP_WORDS: Final = "looked up"
_CONTACTED: Final = _LOOKED_UP | {"tls.client_hello", "connection"}
_RUNNING: Final = frozenset({"http.response", "mcp.handshake", "listener"})

Extent = Literal["", "found", "blocked"]
"""Of what is prohibited or not registered: in use, only found, or only tried."""

_HEADINGS: Final[dict[tuple[Verdict, Extent], str]] = {
    ("prohibited", ""): WORDS["prohibited"],
    ("prohibited", "found"): "Prohibited, and found",
    **{(verdict, ""): WORDS[verdict] for verdict in VERDICTS if verdict not in {"prohibited", "authorised", "dormant"}},
    ("prohibited", "blocked"): "Prohibited, and blocked",
    ("unregistered", "blocked"): "Not registered, and blocked",
    ("authorised", ""): WORDS["authorised"],
    ("dormant", ""): WORDS["dormant"],
}
"""In the order in which a reader wants them: what was blocked needs nobody any more."""
_ORDER: Final = tuple(_HEADINGS)


class Section(msgspec.Struct, frozen=True):
    """Findings under one heading."""

    verdict: Verdict
    extent: Extent
    heading: str
    rows: tuple[Row, ...]

    @property
    def style(self) -> str:
        """The colour it is shown in: a verdict, or ``blocked``."""
        return "blocked" if self.extent == "blocked" else self.verdict


def presence_words(presence: str, kinds: Iterable[str]) -> str:
    """What evidence of these kinds shows: a lookup or a connection alone is less than use."""
    if presence != "used":
        return PRESENCE_WORDS.get(presence, presence)
    seen = set(kinds)
    for known, words in ((_LOOKED_UP, _LOOKED_UP_WORDS), (_CONTACTED, "contacted"), (_RUNNING, "running")):
        if seen and seen <= known:
            return words
    return PRESENCE_WORDS["used"]


def heading(verdict: Verdict, presence: str, kinds: Iterable[str]) -> str:
    """The heading under which evidence of these kinds stands."""
    return _HEADINGS[_place(verdict, presence, kinds, blocked=presence == "attempted")]


def heading_of(row: Row) -> str:
    """The heading under which a finding stands."""
    return _HEADINGS[_place_of(row)]


def presence_of(row: Row) -> str:
    """How far the evidence of a finding shows use; empty where there is none."""
    if row.presence is None:
        return ""
    words = presence_words(row.presence, _kinds(row))
    installed = any(one.presence == "installed" for one in row.evidence)
    return f"installed, {words}" if installed and words in {_LOOKED_UP_WORDS, "contacted"} else words


def sections(report: Report) -> tuple[Section, ...]:
    """The findings under their headings, in the order in which a reader wants them."""
    found: dict[tuple[Verdict, Extent], list[Row]] = {}
    for row in report.findings:
        found.setdefault(_place_of(row), []).append(row)
    return tuple(Section(*place, _HEADINGS[place], tuple(found[place])) for place in _ORDER if place in found)


def counts(report: Report) -> tuple[tuple[Section, int], ...]:
    """How many services stand under each heading; one that stands under two counts under the first."""
    shown = sections(report)
    first: dict[str, int] = {}
    for index, section in enumerate(shown):
        for row in section.rows:
            first.setdefault(what_of(row), index)
    numbers = Counter(first.values())
    return tuple((section, numbers[index]) for index, section in enumerate(shown) if numbers[index])


def undecided(report: Report) -> int:
    """Services that are prohibited or not registered, and not merely blocked."""
    urgent = {"prohibited", "unregistered"}
    return sum(
        number for section, number in counts(report) if section.verdict in urgent and section.extent != "blocked"
    )


def _kinds(row: Row) -> tuple[str, ...]:
    """Kinds of the evidence that shows the most."""
    return tuple(one.kind for one in row.evidence if one.presence == row.presence)


def _place_of(row: Row) -> tuple[Verdict, Extent]:
    return _place(row.verdict, row.presence or "", _kinds(row), blocked=row.blocked)


def _place(verdict: Verdict, presence: str, kinds: Iterable[str], *, blocked: bool) -> tuple[Verdict, Extent]:
    if blocked and (verdict, "blocked") in _HEADINGS:
        return verdict, "blocked"
    in_use = presence == "uploaded" or (presence == "used" and presence_words(presence, kinds) != _LOOKED_UP_WORDS)
    return verdict, "found" if verdict == "prohibited" and not in_use else ""
