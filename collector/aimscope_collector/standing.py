"""Where an organisation stands, summed up from its findings: pure.

A service counts once, under the gravest verdict there is of it. *Shadow* is use that nobody authorised and nobody
decided to live with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from aimscope_collector.findings import VERDICTS, Verdict

SHADOW: Final[frozenset[Verdict]] = frozenset(("prohibited", "unregistered", "unknown_ai", "out_of_scope", "expired"))
SETTLED: Final = frozenset(("registered", "tolerated", "dismissed"))
NOTHING_TO_SAY: Final = ("authorised", "observed")
"""Verdicts of what nobody has to review: as it should be, or without an inventory to judge it by."""
_WHOLE: Final = frozenset(("", *VERDICTS))
"""Conditions of findings that together hold each device of a unit once."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed of a finding that is present. ``key`` tells AI in no catalogue apart."""

    service: str
    name: str
    unit: str
    condition: str
    verdict: Verdict
    state: str
    score: int
    assets: int
    opened_at: int
    due: int | None

    @property
    def key(self) -> str:
        """What counts as one service."""
        return self.service or self.condition

    @property
    def shadow(self) -> bool:
        """Whether nobody authorised it or decided to live with it."""
        return self.verdict in SHADOW and self.state not in SETTLED


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """A service or unit with what there is of it. ``assets`` are devices, each once for a service and unit."""

    id: str
    name: str
    assets: int
    findings: int
    shadow: int
    """Findings that are shadow use."""
    verdict: Verdict
    """The gravest."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of services by verdict, and of findings by what is to be done about them."""

    verdicts: dict[Verdict, int]
    in_use: int
    shadow: int
    findings: int
    new: int
    to_review: int
    overdue: int
    escalated: int
    services: tuple[Ranked, ...]
    units: tuple[Ranked, ...]


def gravest(rows: Iterable[Row]) -> dict[str, Verdict]:
    """The gravest verdict of each service."""
    found: dict[str, Verdict] = {}
    for row in rows:
        known = found.get(row.key)
        if known is None or VERDICTS.index(row.verdict) < VERDICTS.index(known):
            found[row.key] = row.verdict
    return found


def standing(rows: Iterable[Row], *, now: int, since: int, most: int = 8) -> Standing:
    """The sums; ``new`` is what was opened since then, and ``most`` bounds the rankings."""
    several = tuple(rows)
    verdicts: dict[Verdict, int] = dict.fromkeys(VERDICTS, 0)
    worst = gravest(several)
    for verdict in worst.values():
        verdicts[verdict] += 1
    shadow = {row.key for row in several if row.shadow}
    used = [key for key, verdict in worst.items() if verdict != "dormant"]
    return Standing(
        verdicts=verdicts,
        in_use=len(used),
        shadow=len(shadow),
        findings=len(several),
        new=sum(row.opened_at >= since and row.verdict != "dormant" for row in several),
        to_review=sum(row.state == "unreviewed" and row.verdict not in NOTHING_TO_SAY for row in several),
        overdue=sum(row.due is not None and row.due < now and row.state != "dismissed" for row in several),
        escalated=sum(row.state == "escalated" for row in several),
        services=_ranked(several, {row.key: row.name for row in several}, lambda row: row.key, most),
        units=_ranked(several, {row.unit: row.unit for row in several}, lambda row: row.unit, most),
    )


def _ranked(rows: Iterable[Row], names: Mapping[str, str], key: Callable[[Row], str], most: int) -> tuple[Ranked, ...]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.verdict != "dormant":
            groups[key(row)].append(row)
    ranked = [
        Ranked(
            id=id_,
            name=names[id_],
            assets=sum(row.assets for row in group if row.condition in _WHOLE or not row.service),
            findings=len(group),
            shadow=sum(row.shadow for row in group),
            verdict=min((row.verdict for row in group), key=VERDICTS.index),
        )
        for id_, group in groups.items()
    ]
    ranked.sort(key=lambda one: (-bool(one.shadow), -one.assets, one.id))
    return tuple(ranked[:most])


def by_day(days: Iterable[tuple[int, str]], worst: Mapping[str, Verdict]) -> dict[int, dict[Verdict, int]]:
    """Services in use on each day by the verdict there is of them today; those without a finding are left out."""
    found: dict[int, dict[Verdict, int]] = defaultdict(lambda: dict.fromkeys(VERDICTS, 0))
    for day, service in days:
        if service in worst:
            found[day][worst[service]] += 1
    return dict(found)
