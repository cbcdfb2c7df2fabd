"""The executive summary: six pages at most, in plain language, for those who decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from aimscope_collector import risk
from aimscope_collector.reports import File, Report, ReportInput, charts, papers, words
from aimscope_collector.reports.charts import Line, Part, Series, clean
from aimscope_collector.reports.executive_summary_figures import Figures, Looked, Thing, spans
from aimscope_collector.reports.period import day_of
from aimscope_collector.reports.tables import Reading
from aimscope_collector.review import Decision

NAME: Final = "executive-summary"
MOST_PAGES: Final = 6
_TOP: Final = 8
_ROWS: Final = 9
_NAMED: Final = 5
_ENOUGH: Final = 90
"""Per cent of the devices: below, the board is asked about the roll-out."""
_ACTS: Final = {
    "register": "registered",
    "tolerate": "tolerated",
    "prohibit": "prohibited",
    "dismiss": "dismissed",
    "escalate": "put to the committee",
    "reopen": "opened again",
}
_BLIND: Final = (
    "Private computers and phones without an agent, except where they use the company's network and a gateway looks.",
    "Names hidden by encryption (DNS over HTTPS, encrypted hello): their number is counted, never what they were.",
    "Use over other networks, by machines without an agent.",
    "What people write to an AI service: it is never looked at.",
)


class Told(msgspec.Struct, frozen=True):
    """A line of a list: what, and what there is to say about it."""

    what: str
    says: str
    more: str = ""


def make(given: ReportInput) -> Sequence[File]:
    """The summary as HTML or PDF."""
    return papers.files(NAME, given.asked.form, page(Reading(given)))


def page(reading: Reading) -> str:
    """The summary as one page of HTML."""
    figures = Figures(reading)
    organisation = reading.inventory.organisation.name if reading.inventory else ""
    return papers.html(
        "executive_summary.html",
        organisation=clean(organisation),
        first=day_of(reading.since).isoformat(),
        last=day_of(reading.until - 1).isoformat(),
        made=day_of(reading.now).isoformat(),
        units=[clean(unit) for unit in reading.view.units],
        figures=figures,
        least=reading.view.least,
        asks=asks(figures),
        shadow=figures.shadow,
        by_status=_by_status(figures),
        over_time=_over_time(reading, figures),
        services=_services(reading, figures),
        unit_bars=_units(figures),
        matrix=charts.matrix(figures.risks, risk.level),
        pressing=_pressing(reading, figures),
        taken=None if figures.taken is None else [_taken(reading, one) for one in figures.taken[:_ROWS]],
        overdue=[Told(clean(row.name), clean(row.unit) or "no unit", why) for row, why in figures.overdue[:_ROWS]],
        looked=figures.looked,
        units_looked=figures.units_looked[:_ROWS],
        gaps=None if figures.gaps is None else figures.gaps[:_TOP],
        blind=_BLIND,
        not_covered=[Told(clean(path), scope, clean(why)) for path, scope, why in figures.not_covered[:_NAMED]],
        version=reading.given.version,
        catalogue=reading.given.catalogue[:12],
        inventory=reading.version,
        clean=clean,
    )


def asks(figures: Figures) -> list[str]:
    """What the board is asked to decide, the most pressing first; each a sentence."""
    found: list[str] = []
    open_ = [one for one in figures.things if one.status in words.OPEN - {"prohibited"}]
    forbidden = [one for one in figures.seen if one.status == "prohibited"]
    if figures.reading.inventory is None:
        found.append("Approve a first inventory of authorised AI: until there is one, nothing can be judged by it.")
    if forbidden:
        found.append(f"Say how prohibitions are enforced: {_names(forbidden)} {_are(forbidden)} prohibited and seen.")
    grave = sorted((one for one in open_ if one.score >= 10), key=lambda one: (-one.score, one.name))
    if grave:
        found.append(f"Authorise, tolerate until a day, or prohibit what carries a high risk: {_names(grave)}.")
    elif open_:
        found.append(f"Authorise, tolerate until a day, or prohibit what nobody registered: {_names(open_)}.")
    for row, question in figures.questions[:2]:
        found.append(f"Answer the question put to the committee about {clean(row.name)}: {_short(question)}")
    if figures.overdue:
        found.append(
            f"See to {_several(len(figures.overdue), 'overdue review')}: who answers for them, and until when."
        )
    if figures.reviews_due:
        rows = _several(len(figures.reviews_due), "row")
        found.append(f"Renew or withdraw {rows} of the inventory whose review is due.")
    found += _about_coverage(figures.looked)
    waiting = sum(scope == "not_yet" for _, scope, _ in figures.not_covered)
    if waiting:
        found.append(f"Decide when {_several(waiting, 'unit')} not yet in scope will be.")
    return found


def _about_coverage(looked: Looked) -> list[str]:
    if looked.listed is None:
        return ["Have the list of all computers imported: without it nobody knows how many were not looked at."]
    if looked.share is not None and looked.share < _ENOUGH:
        missing = looked.known - looked.looked
        return [f"Decide on the roll-out: {missing:,} of {looked.known:,} computers were not looked at."]
    return []


def _by_status(figures: Figures) -> list[Told]:
    counts = {each: sum(one.status == each for one in figures.things) for each in words.STATUSES}
    return [Told(words.PLAIN[each], f"{count:,}", words.MEANING[each]) for each, count in counts.items() if count]


def _over_time(reading: Reading, figures: Figures) -> charts.Stacked:
    columns = spans(reading.since, reading.until)
    series = [Series(key, words.PLAIN[key], values) for key, values in figures.over_time(columns).items()]
    return charts.stacked(
        id="over-time",
        title="AI services seen, by how they stand today",
        labels=columns.labels,
        series=series,
        height=200.0,
    )


def _services(reading: Reading, figures: Figures) -> charts.Horizontal:
    lines = []
    for one in figures.open[:_TOP]:
        shown = reading.view.count(one.assets)
        told = shown if isinstance(shown, str) else ""
        lines.append(Line(label=one.name, parts=(Part(one.status, one.assets),), shown=told))
    return charts.horizontal(
        id="services", title="The most widespread that need attention", of="Service", unit="Computers", lines=lines
    )


def _units(figures: Figures) -> charts.Horizontal:
    lines = [
        Line(label=unit or "(no unit)", parts=tuple(Part(key, counts[key]) for key in words.STATUSES if counts[key]))
        for unit, counts in figures.by_unit[:_TOP]
    ]
    return charts.horizontal(
        id="units", title="Units with the most services that need attention", of="Unit", unit="Services", lines=lines
    )


def _pressing(reading: Reading, figures: Figures) -> list[dict[str, Any]]:
    several = sorted(figures.open, key=lambda one: (-one.score, words.STATUSES.index(one.status), one.name))
    return [
        {
            "name": clean(one.name),
            "vendor": clean(one.vendor),
            "status": words.PLAIN[one.status],
            "units": one.units,
            "assets": reading.view.count(one.assets),
            "level": risk.level(1, one.score) if one.score else "not rated",
            "last": reading.view.day(one.last) or "not told",
        }
        for one in several[:_ROWS]
    ]


def _taken(reading: Reading, one: Decision) -> Told:
    where = "whole organisation" if one.unit is None else clean(one.unit)
    what = reading.name_of(one.service) if one.service else one.condition
    until = f" until {day_of(one.until)}" if one.until is not None else ""
    return Told(clean(what), f"{_ACTS.get(one.action, one.action)}{until}, {where}", _short(one.reason))


def _names(several: Sequence[Thing]) -> str:
    names = [clean(one.name) for one in several[:_NAMED]]
    more = len(several) - len(names)
    if more > 0:
        return f"{', '.join(names)} and {more:,} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _are(several: Sequence[Thing]) -> str:
    return "is" if len(several) == 1 else "are"


def _several(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _short(text: str, most: int = 140) -> str:
    said = " ".join("".join(one if one.isprintable() else " " for one in text[: most * 2]).split())
    return said if len(said) <= most else said[: most - 1].rstrip() + "…"


REPORT: Final = Report(
    name=NAME,
    title="Executive summary",
    description="Six pages at most for those who decide: where we stand, what changed, what is asked of them.",
    forms=("html", "pdf"),
    takes=frozenset(("period", "as_of", "unit")),
    make=make,
)
