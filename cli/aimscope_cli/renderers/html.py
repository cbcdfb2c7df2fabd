"""The report as one self-contained page: readable by anybody, printable, without scripts or outside addresses."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import jinja2

from aimscope_cli.output import plain
from aimscope_cli.report import PRESENCE_WORDS, WORDS, Report, remarks_of
from aimscope_collector.findings import VERDICTS
from aimscope_signatures.model import Coverage, Status

_STATUS_WORDS = {
    Status.COMPLETE: "looked everywhere",
    Status.PARTIAL: "looked in part",
    Status.DENIED: "was not allowed to look",
    Status.FAILED: "could not look",
    Status.UNSUPPORTED: "does not exist on this platform",
    Status.OFF: "switched off",
}


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
    environment.filters["remarks"] = remarks_of
    environment.tests["place"] = lambda source: "/" in source or ":" in source
    groups = [
        (verdict, WORDS[verdict], [row for row in report.findings if row.verdict == verdict]) for verdict in VERDICTS
    ]
    return environment.get_template("report.html.j2").render(
        report=report,
        groups=[group for group in groups if group[2]],
        total=sum(report.summary.values()),
        bars=_bars(report),
        words=WORDS,
        presence_words=PRESENCE_WORDS,
        status_words=_STATUS_WORDS,
        looked=[part for part in report.coverage if not _silent(part)],
        silent=[part for part in report.coverage if _silent(part)],
    )


def _readable(value: object) -> object:
    """Text in which no character is there only to deceive the reader (bidirectional overrides, controls)."""
    return plain(value) if type(value) is str else value


def _silent(part: Coverage) -> bool:
    return part.status in {Status.OFF, Status.UNSUPPORTED}


def _moment(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%d %B %Y, %H:%M UTC") if seconds else "–"


def _bars(report: Report) -> Iterable[tuple[str, str, int, float]]:
    """``(verdict, words, number, width in per cent)`` for the chart."""
    most = max(report.summary.values(), default=1)
    return [(v, WORDS[v], n, round(100 * n / most, 1)) for v in VERDICTS if (n := report.summary.get(v, 0))]
