"""What only a fleet shows: one name for different MCP servers, tools that are rare, tools that spread fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from aimscope_collector.findings import VERDICTS, Finding, Verdict
from aimscope_collector.inventory.problems import printable
from aimscope_collector.judging import Behind, Judged, Total

RARE: Final = "rare"
SPREADING: Final = "spreading"
NAMESAKES: Final = "one name, different servers"
_RARE_DEVICES: Final = 2
_FLEET: Final = 50
"""In a smaller fleet everything is rare."""
_MANY: Final = 10
_WEEKS: Final = 4
_NAMED: Final = 5


def is_fleet_condition(condition: str) -> bool:
    """Whether a finding is one of these: they change with the whole fleet, not with one service."""
    return condition in (RARE, SPREADING) or condition.endswith(f": {NAMESAKES}")


def namesakes(totals: Iterable[Total], *, judged: bool) -> list[Judged]:
    """MCP servers of one name that are different packages or hosts: harmless variety, or a name somebody borrowed."""
    by_name: dict[str, list[Total]] = defaultdict(list)
    for total in totals:
        name = dict(total.fields).get("name", "") if total.kind == "mcp_server" else ""
        if name:
            by_name[name].append(total)
    found = []
    for name, several in sorted(by_name.items()):
        what = {each for total in several if (each := _server(total))}
        if len(what) > 1:
            shown = sorted(what)
            listed = printable(", ".join(shown[:_NAMED])) + (
                f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
            )
            finding = Finding(
                service="",
                unit="",
                condition=f"mcp server {printable(name)}: {NAMESAKES}",
                verdict="condition_unmet" if judged else "observed",
                name=printable(f"MCP server {name}"),
                reasons=(f"The name stands for {len(what)} different servers: {listed}.",),
            )
            ordered = sorted(several, key=lambda total: (total.service, total.fields, total.place))
            found.append(Judged(finding, tuple(ordered)))
    return found


def _server(total: Total) -> str:
    fields = dict(total.fields)
    return fields.get("package", "") or fields.get("host", "")


def unusual(found: Sequence[tuple[Judged, Behind]], *, devices: int) -> list[tuple[Finding, tuple[Total, ...], Behind]]:
    """Tools of the catalogue that hardly any of the fleet's devices have, or that more of them have every week.

    What is authorised may be rare, and may spread.
    """
    by_service: dict[str, list[tuple[Judged, Behind]]] = defaultdict(list)
    for judged, behind in found:
        if judged.finding.service and judged.finding.condition in ("", *VERDICTS):
            by_service[judged.finding.service].append((judged, behind))
    told = []
    for _, several in sorted(by_service.items()):
        open_ones = [(judged, behind) for judged, behind in several if judged.finding.verdict not in _SETTLED]
        if not open_ones or not any(behind.devices for _, behind in several):
            continue
        everybody = _together(behind for _, behind in several)
        totals = tuple(total for judged, _ in several for total in judged.totals)
        like = min((judged.finding for judged, _ in open_ones), key=lambda each: VERDICTS.index(each.verdict))
        for condition, reason in _remarks(everybody, devices):
            told.append((_about(like, condition, reason), totals, everybody))
    return told


_SETTLED: Final[tuple[Verdict, ...]] = ("authorised", "dormant")


def _remarks(behind: Behind, devices: int) -> list[tuple[str, str]]:
    remarks = []
    count = len(behind.devices)
    if devices >= _FLEET and count <= _RARE_DEVICES:
        remarks.append((RARE, f"Of {devices:,} devices, {count} {'has' if count == 1 else 'have'} it."))
    trend = behind.trend()
    latest, before = trend[-2], trend[-2 - _WEEKS]  # the present week has only begun
    if latest >= _MANY and latest >= 2 * before:
        reason = f"It was seen on {latest:,} devices last week, and on {before:,} four weeks before."
        remarks.append((SPREADING, reason))
    return remarks


def _about(like: Finding, condition: str, reason: str) -> Finding:
    return Finding(
        service=like.service,
        unit="",
        condition=condition,
        verdict=like.verdict,
        name=like.name,
        vendor=like.vendor,
        category=like.category,
        reasons=(reason,),
        row=like.row,
        identity=like.identity,
        presence=like.presence,
        risk=like.risk,
    )


def _together(several: Iterable[Behind]) -> Behind:
    everybody = Behind()
    for behind in several:
        for device, weeks in behind.devices.items():
            everybody.devices[device] = everybody.devices.get(device, 0) | weeks
        everybody.subjects |= behind.subjects
        everybody.agents |= behind.agents
    return everybody
