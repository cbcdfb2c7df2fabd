"""The report for a terminal: findings by verdict, changes, coverage."""

from __future__ import annotations

from collections.abc import Iterable

from aimscope_cli.digest import (
    Blind,
    Group,
    Used,
    blind_of,
    clients_of,
    counted,
    day,
    figures_of,
    groups_of,
    what_of,
    who,
)
from aimscope_cli.report import Hint, Report, Row
from aimscope_cli.wording import counts, presence_of, sections
from aimscope_signatures.model import Coverage, Status

_SHOWN = 4
_CLIENTS = 10
_HINTS = 12
_REASONS = 8
_EXPLAINED = 50
"""Clients and hints that ``--explain`` shows."""
_STYLES = {
    "prohibited": "red",
    "unregistered": "red",
    "observed": "blue",
    "authorised": "green",
    "dormant": "dim",
    "blocked": "dim",
}

Line = tuple[str, str]
"""Text and style."""


def render(report: Report, *, explain: bool = False) -> str:
    """Plain text; with ``explain`` every piece of evidence and the test that held."""
    return "\n".join(text for text, _ in lines(report, explain=explain))


def lines(report: Report, *, explain: bool) -> Iterable[Line]:
    """Lines with the style a terminal gives them."""
    yield f"aimscope {report.version}: {report.target}, {report.services} services in the catalogue", "dim"
    for section in sections(report):
        yield "", ""
        yield f"{section.heading} ({len(section.rows)})", _STYLES.get(section.style, "yellow")
        for row in section.rows:
            yield from _row(row, explain)
    yield from _hints(report.weak, explain)
    if report.ignored:
        times = "1 sighting is" if report.ignored == 1 else f"{report.ignored} sightings are"
        yield "", ""
        yield f"{times} left out because somebody marked them as wrong (`aimscope ignore` lists them).", "dim"
    if report.inventory and report.inventory.unmatched:
        yield "", ""
        missing = report.inventory.unmatched
        yield f"Names of the inventory that fit no service ({len(missing)}): {', '.join(missing[:8])}", "yellow"
    yield "", ""
    yield from _coverage(report.coverage)
    yield "", ""
    yield conclusion(report), "bold"
    if report.compared:
        new = sorted({row.name for row in report.findings if row.change == "new"})
        yield f"Since the last scan: new {', '.join(new) or 'nothing'}; gone {', '.join(report.gone) or 'nothing'}.", ""


def conclusion(report: Report) -> str:
    """The result in one sentence."""
    total = sum(report.summary.values())
    services = f"{total} AI service{'' if total == 1 else 's'}"
    if not total:
        hints = len(report.weak)
        found = f"No AI found, {hints:,} hint{'' if hints == 1 else 's'} to be reviewed" if hints else "No AI found"
    elif report.inventory is None:
        found = f"{services} found, no inventory yet"
    else:
        found = f"{services}: {', '.join(_counted(report))}"
    return found + ("." if report.complete else "; not everything could be looked at (see coverage).")


def _counted(report: Report) -> Iterable[str]:
    numbers: dict[str, int] = {}
    for section, number in counts(report):
        words = section.verdict.replace("_", " ") + (" but blocked" if section.extent == "blocked" else "")
        numbers[words] = numbers.get(words, 0) + number
    return (f"{number} {words}" for words, number in numbers.items())


def _row(row: Row, explain: bool) -> Iterable[Line]:
    marks = [mark for mark in (presence_of(row), row.risk and f"{row.risk.level} risk") if mark]
    if row.change == "new":
        marks.append("new")
    vendor = f" ({row.vendor})" if row.vendor and row.vendor != row.name else ""
    yield f"  {row.name}{vendor}{'  ' + ', '.join(marks) if marks else ''}", "bold"
    figures = figures_of(row.evidence)
    if figures.telling:
        yield f"      {figures.sentence()}", ""
    for reason in row.reasons if row.verdict != "observed" else ():  # the conclusion says it once for all
        yield f"      {reason}", ""
    groups = groups_of(row.evidence)
    shown = groups if explain else groups[:_SHOWN]
    for group in shown:
        yield from _group(group, explain)
    if len(shown) < len(groups):
        yield f"      … and {len(groups) - len(shown):,} more (--explain shows all)", "dim"
    yield from _clients(clients_of(row.evidence), _EXPLAINED if explain else _CLIENTS)
    if explain and row.risk:
        yield f"      risk {row.risk.likelihood} × {row.risk.impact}", "dim"
        for factor in row.risk.factors:
            yield f"        {factor.side} {factor.weight:+g}: {factor.sentence}", "dim"


def _group(group: Group, explain: bool) -> Iterable[Line]:
    what = " ".join(group.what)
    names = ", ".join(map(who, group.clients))
    if len(group.clients) > 2:
        names = f"{len(group.clients):,} clients"
    place = next((f"  {place}" for place in group.places if place not in what), "")
    times = (f"{group.figures.uses:,} times",) if group.figures.uses > 1 else ()
    said = "; ".join((*times, *group.remarks))
    yield (
        f"      {group.kind}: {what}{f' [{names}]' if names else ''}{place}{f'  ({said})' if said else ''}",
        "dim",
    )
    if explain:
        for held, identity in group.held:
            yield f"        because {held.field} {held.operator} {held.value!r} (identity {identity})", "dim"
        for place in group.places[1:]:
            yield f"        also at {place}", "dim"


def _clients(clients: tuple[Used, ...], most: int) -> Iterable[Line]:
    """Those that used it most, as a table."""
    if not clients:
        return
    yield f"      Clients, by use ({len(clients):,})", ""
    rows = [_client(used) for used in clients[:most]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        yield f"        {'  '.join(cells)}".rstrip(), "dim"
    if len(clients) > most:
        yield f"        … and {len(clients) - most:,} more: see --json or --csv", "dim"


def _client(used: Used) -> tuple[str, ...]:
    figures = used.figures
    blocked = f"{figures.blocked:,} blocked" if figures.blocked else ""
    name = who((used.device, used.user)) or "not told apart"
    return (name, figures.counted, *figures.volumes(), blocked, f"last {day(figures.last)}" if figures.last else "")


def _hints(hints: tuple[Hint, ...], explain: bool) -> Iterable[Line]:
    if not hints:
        return
    most = _EXPLAINED if explain else _HINTS
    yield "", ""
    yield f"Weak hints, not counted ({len(hints):,}): a name alone proves nothing; somebody should look", ""
    for hint in hints[:most]:
        yield f"  {_hint(hint)}", "dim"
    if len(hints) > most:
        yield f"  … and {len(hints) - most:,} more: see --json or --csv", "dim"


def _hint(hint: Hint) -> str:
    by = f" [{who((hint.asset, hint.subject))}]" if hint.subject or hint.asset else ""
    when = f"  {day(hint.last)}" if hint.last else ""
    times = f"  ({hint.count:,} times)" if hint.count > 1 else ""
    maybe = f"  maybe {hint.name}" if hint.name else ""
    return f"{hint.kind}: {' '.join(what_of(hint))}{by}{when}{times}{maybe}"


def _coverage(coverage: Iterable[Coverage]) -> Iterable[Line]:
    yield "Coverage", "bold"
    for part in coverage:
        if part.status is Status.OFF:
            continue
        counts = ", ".join(counted(number, what) for what, number in part.counts.items() if number)
        whole = part.status is Status.COMPLETE and not part.gaps
        style = "green" if whole else "dim" if part.status is Status.UNSUPPORTED else "yellow"
        yield f"  {part.sensor.replace('_', ' '):20} {part.status.value:12} {counts}".rstrip(), style
        blind = blind_of(part)
        for spot in blind[:_REASONS]:
            yield from _blind(spot)
        if len(blind) > _REASONS:
            yield f"    … and {len(blind) - _REASONS:,} more kinds of blind spots (--json lists them)", "yellow"


def _blind(spot: Blind) -> Iterable[Line]:
    remedy = f" → {spot.remedy}" if spot.remedy else ""
    if len(spot.places) == 1 and not spot.unnamed:
        times = f" ({spot.times:,} times)" if spot.times > 1 else ""
        yield f"    {spot.places[0][0]}: {spot.status.value}: {spot.reason}{times}{remedy}", "yellow"
        return
    yield f"    {spot.status.value}: {spot.reason}: {spot.sentence()}{remedy}", "yellow"
    named = ", ".join(f"{place} ({times:,})" if times > 1 else place for place, times in spot.places[:_SHOWN])
    left = len(spot.places) - _SHOWN
    more = (
        f", and {'more' if spot.unnamed else f'{left:,} more'} (--json lists them)" if left > 0 or spot.unnamed else ""
    )
    yield f"      {named}{more}", "yellow"
