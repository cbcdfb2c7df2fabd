"""The report for a terminal: findings by verdict, changes, coverage."""

from __future__ import annotations

from collections.abc import Iterable

from aimscope_cli.report import PRESENCE_WORDS, WORDS, Evidence, Report, Row, remarks_of
from aimscope_collector.findings import VERDICTS
from aimscope_signatures.model import Coverage, Status

_SHOWN = 4
_STYLES = {"prohibited": "red", "unregistered": "red", "observed": "blue", "authorised": "green", "dormant": "dim"}

Line = tuple[str, str]
"""Text and style."""


def render(report: Report, *, explain: bool = False) -> str:
    """Plain text; with ``explain`` every piece of evidence and the test that held."""
    return "\n".join(text for text, _ in lines(report, explain=explain))


def lines(report: Report, *, explain: bool) -> Iterable[Line]:
    """Lines with the style a terminal gives them."""
    yield f"aimscope {report.version}: {report.target}, {report.services} services in the catalogue", "dim"
    for verdict in VERDICTS:
        rows = [row for row in report.findings if row.verdict == verdict]
        if rows:
            yield "", ""
            yield f"{WORDS[verdict]} ({len(rows)})", _STYLES.get(verdict, "yellow")
            for row in rows:
                yield from _row(row, explain)
    if report.weak:
        names = sorted({_what(evidence) for evidence in report.weak})
        yield "", ""
        yield f"Weak hints, not counted ({len(names)}): {', '.join(names[:8])}{' …' if len(names) > 8 else ''}", "dim"
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
        found = "No AI found"
    elif report.inventory is None:
        found = f"{services} found, no inventory yet"
    else:
        parts = [f"{number} {verdict.replace('_', ' ')}" for verdict, number in report.summary.items()]
        found = f"{services}: {', '.join(parts)}"
    return found + ("." if report.complete else "; not everything could be looked at (see coverage).")


def _row(row: Row, explain: bool) -> Iterable[Line]:
    marks = [mark for mark in (PRESENCE_WORDS.get(row.presence or ""), row.risk and f"{row.risk.level} risk") if mark]
    devices = len({evidence.asset for evidence in row.evidence if evidence.asset})
    if devices > 1:
        marks.append(f"{devices:,} devices")
    if row.change == "new":
        marks.append("new")
    vendor = f" ({row.vendor})" if row.vendor and row.vendor != row.name else ""
    yield f"  {row.name}{vendor}{'  ' + ', '.join(marks) if marks else ''}", "bold"
    for reason in row.reasons if row.verdict != "observed" else ():  # the conclusion says it once for all
        yield f"      {reason}", ""
    shown = row.evidence if explain else row.evidence[:_SHOWN]
    for evidence in shown:
        yield from _evidence(evidence, explain)
    if len(shown) < len(row.evidence):
        yield f"      … and {len(row.evidence) - len(shown)} more (--explain shows all)", "dim"
    if explain and row.risk:
        yield f"      risk {row.risk.likelihood} × {row.risk.impact}", "dim"
        for factor in row.risk.factors:
            yield f"        {factor.side} {factor.weight:+g}: {factor.sentence}", "dim"


def _what(evidence: Evidence) -> str:
    return " ".join(dict.fromkeys(value for name, value in evidence.fields.items() if name != "blocked"))


def _evidence(evidence: Evidence, explain: bool) -> Iterable[Line]:
    who = " on ".join(name for name in (evidence.subject, evidence.asset) if name)
    subject = f" [{who}]" if who else ""
    place = next((place for place in evidence.sources if "/" in place or ":" in place), "")
    source = f"  {place}" if place and place not in _what(evidence) else ""
    remarks = f"  ({'; '.join(remarks)})" if (remarks := remarks_of(evidence)) else ""
    yield f"      {evidence.kind}: {_what(evidence)}{subject}{source}{remarks}", "dim"
    if explain:
        for held in evidence.held:
            yield f"        because {held.field} {held.operator} {held.value!r} (identity {evidence.identity})", "dim"
        for place in evidence.sources[1:]:
            yield f"        also at {place}", "dim"


def _coverage(coverage: Iterable[Coverage]) -> Iterable[Line]:
    yield "Coverage", "bold"
    for part in coverage:
        if part.status is Status.OFF:
            continue
        counts = ", ".join(f"{number:,} {what}" for what, number in part.counts.items() if number)
        whole = part.status is Status.COMPLETE and not part.gaps
        style = "green" if whole else "dim" if part.status is Status.UNSUPPORTED else "yellow"
        yield f"  {part.sensor.replace('_', ' '):20} {part.status.value:12} {counts}".rstrip(), style
        for gap in part.gaps[:_SHOWN]:
            times = f" ({gap.count} times)" if gap.count > 1 else ""
            remedy = f" → {gap.remedy}" if gap.remedy else ""
            yield f"    {gap.source}: {gap.status.value}: {gap.reason}{times}{remedy}", "yellow"
        if len(part.gaps) > _SHOWN:
            yield f"    … and {len(part.gaps) - _SHOWN} more blind spots (--json lists them)", "yellow"
