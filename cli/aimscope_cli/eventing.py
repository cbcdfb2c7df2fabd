"""A scan's result as events for a SIEM, without a collector: ``ocsf``, ``ocsf:version=1.6.0,class=detection``."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aimscope_cli.output import Failure
from aimscope_cli.report import Report
from aimscope_collector.events import Event
from aimscope_collector.events_of_scan import Scan, events_of_scan
from aimscope_collector.formats import Format, Unknown, format_named, formats

_TRIAL = Event(uid="e-0", type="ai.coverage", activity="create", at=0)


def is_format(asked: str) -> bool:
    """Whether this names a format of events, whatever its options."""
    return asked.partition(":")[0] in formats()


def check(asked: str) -> None:
    """Whether it can be written, known before a long scan. Raises ``Failure`` that says what there is."""
    try:
        chosen, options = _chosen(asked)
        chosen.render(_TRIAL, options)
    except Unknown as error:
        raise Failure(str(error)) from None


def render_events(asked: str, report: Report) -> str:
    """The report as the body that the format sends, of one batch. Raises ``Failure`` for a format or option unknown."""
    check(asked)
    chosen, options = _chosen(asked)
    scan = msgspec.convert(report, Scan, from_attributes=True)
    return chosen.body([chosen.render(event, options) for event in events_of_scan(scan)]).decode()


def _chosen(asked: str) -> tuple[Format, Mapping[str, str]]:
    name, _, said = asked.partition(":")
    options: dict[str, str] = {}
    for pair in filter(None, said.split(",")):
        option, equals, value = pair.partition("=")
        if not equals:
            raise Unknown(f"{pair!r} is no option: write {name}:NAME=VALUE")
        options[option.strip()] = value.strip()
    return format_named(name), options
