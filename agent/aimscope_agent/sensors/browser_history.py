"""Sensor: which AI services browsers visited, by host. Off unless asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aimscope_agent.host.facts import Found
from aimscope_agent.readers import browser_profiles as profiles
from aimscope_agent.sensor import Look, Sensor
from aimscope_signatures.conditions import host_pattern
from aimscope_signatures.model import Observation
from aimscope_signatures.normalise import hostname

_CHROMIUM = "/History"
_FIREFOX = "/places.sqlite"

# Paths and titles stay in the database: it is asked for hosts and sums alone. What is hidden are frames and
# redirections that nobody visited.
_CHROMIUM_QUERY: Final = """
    SELECT substr(rest, 1, instr(rest || '/', '/') - 1) AS host, SUM(visit_count), MAX(last_visit_time)
    FROM (
        SELECT substr(url, instr(url, '://') + 3, 1024) AS rest, visit_count, last_visit_time
        FROM urls WHERE url LIKE 'http%://%' AND visit_count > 0 AND hidden = 0
    )
    GROUP BY host
"""
_FIREFOX_QUERY: Final = """
    SELECT rev_host, SUM(visit_count), MAX(last_visit_date)
    FROM moz_places WHERE visit_count > 0 AND hidden = 0
    GROUP BY rev_host
"""
_SECOND = 1_000_000
_SINCE_1601 = 11_644_473_600
"""Seconds from 1601, where Chromium starts to count, to 1970."""


class _Named:
    """The hosts that a catalogue names."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        self._plain = frozenset(host for host in hosts if "*" not in host)
        self._patterns = tuple(host_pattern(host) for host in hosts if "*" in host)
        self._ends = frozenset(_end(host) for host in hosts)
        """Last labels of everything known: most hosts of the world end the search here."""

    def __contains__(self, host: str) -> bool:
        if _end(host) not in self._ends:
            return False
        rest = host
        while rest:
            if rest in self._plain:
                return True
            rest = rest.partition(".")[2]
        return any(pattern.match(host) for pattern in self._patterns)


def _end(host: str) -> str:
    return ".".join(host.rsplit(".", 2)[-2:])


def observe(look: Look) -> Iterator[Observation]:
    """Named hosts of each profile, with how often and when last."""
    named = _Named(look.interests.hosts)
    for browser, glob in profiles.of_platform(profiles.CHROMIUM, look.platform, _CHROMIUM):
        for file in look.found(glob):
            yield from _visits(look, file, browser, look.rows(file, _CHROMIUM_QUERY), named, _SINCE_1601)
    for browser, glob in profiles.of_platform(profiles.FIREFOX, look.platform, _FIREFOX):
        for file in look.found(glob):
            backwards = look.rows(file, _FIREFOX_QUERY) or ()
            rows = tuple((host[::-1].lstrip("."), *rest) for host, *rest in backwards if isinstance(host, str))
            yield from _visits(look, file, browser, rows, named, 0)


def _visits(
    look: Look, file: Found, browser: str, rows: tuple[tuple[object, ...], ...] | None, named: _Named, epoch: int
) -> Iterator[Observation]:
    visits: dict[str, tuple[int, int]] = {}
    for text, count, last in rows or ():
        host = hostname(text) if isinstance(text, str) else ""
        if host not in named or not isinstance(count, int):
            continue
        known, latest = visits.get(host, (0, 0))
        when = last // _SECOND - epoch if isinstance(last, int) else 0
        visits[host] = known + count, max(latest, when)
    for host, (count, latest) in sorted(visits.items()):
        yield look.see("browser.visit", file, host=host, browser=browser, count=count, last=latest or None)


SENSOR = Sensor(
    name="browser_history",
    doc="AI services that browsers visited, by host, with how often and when last: Chromium and Firefox families.",
    emits=("browser.visit",),
    observe=observe,
    wants=(*profiles.globs(profiles.CHROMIUM, _CHROMIUM), *profiles.globs(profiles.FIREFOX, _FIREFOX)),
    opt_in=True,
    privacy=(
        "Reads the history of every profile of every user; keeps only hosts of services that the catalogue knows, how "
        "often each was visited and when last: no addresses, no titles and no other hosts."
    ),
)
