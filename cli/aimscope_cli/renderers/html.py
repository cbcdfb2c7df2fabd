"""The report as one self-contained page: readable by anybody, printable, without scripts or outside addresses."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import jinja2

from aimscope_cli.digest import blind_of, clients_of, counted, day, figures_of, groups_of, volume, what_of, who
from aimscope_cli.output import plain
from aimscope_cli.report import WORDS, Report
from aimscope_cli.wording import Section, counts, presence_of, sections, undecided
from aimscope_signatures.model import Coverage, Status

_STATUS_WORDS = {
    Status.COMPLETE: "complete",
    Status.PARTIAL: "in part",
    Status.DENIED: "was not allowed to look",
    Status.FAILED: "could not look",
    Status.UNSUPPORTED: "as far as it can tell",
    Status.OFF: "switched off",
}

_MOST = {"clients": 50, "groups": 50, "hints": 100, "blind": 12, "places": 4}
"""How many of each a page shows; the other forms hold all."""


def render(report: Report) -> str:
    """Everything that comes from outside is escaped by the template engine."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aimscope_cli"),
        autoescape=True,
        finalize=_readable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    environment.filters.update(
        presence=presence_of,
        figures=figures_of,
        groups=groups_of,
        clients=clients_of,
        blind=blind_of,
        counted=counted,
        what=what_of,
        who=who,
        volume=volume,
        day=day,
    )
    return environment.get_template("report.html.j2").render(
        report=report,
        sections=sections(report),
        total=sum(report.summary.values()),
        undecided=undecided(report),
        bars=_bars(report),
        styles=(*WORDS, "blocked"),
        most=_MOST,
        status_words=_STATUS_WORDS,
        looked=[part for part in report.coverage if not _silent(part)],
        silent=[part for part in report.coverage if _silent(part)],
    )


def _readable(value: object) -> object:
    """Text in which no character is there only to deceive the reader (bidirectional overrides, controls)."""
    return plain(value) if type(value) is str else value


def _silent(part: Coverage) -> bool:
    """Whether it had no part in the scan: what looked, or says what it could not tell, is shown."""
    return part.status is Status.OFF or (
        part.status is Status.UNSUPPORTED and not part.gaps and not any(part.counts.values())
    )


def _moment(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%d %B %Y, %H:%M UTC") if seconds else "–"


def _bars(report: Report) -> Iterable[tuple[Section, int, float]]:
    """``(section, number, width in per cent)`` for the chart."""
    numbers = counts(report)
    most = max((number for _, number in numbers), default=1)
    return [(section, number, round(100 * number / most, 1)) for section, number in numbers]
