"""A block list as the programs that enforce it read it. What was left out stands in the header where there may be one.

RPZ is what resolvers share as Response Policy Zones: a CNAME to the root answers that there is no such name.
"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from aimscope_collector.reports import File
from aimscope_collector.reports.cells import csv_bytes

if TYPE_CHECKING:
    from aimscope_collector.reports.block_lists import Blocked, BlockList

TEXTS: Final = ("hosts", "rpz", "squid", "firewall", "firewall-urls")
KINDS: Final = (*TEXTS, "defender")
MOST_INDICATORS: Final = 500
"""Defender takes so many of a file."""
_MOST_NAMED: Final = 1_000
_COLUMNS: Final = (
    *("indicatorType", "indicatorValue", "action", "title", "description", "expirationTime", "severity"),
    *("recommendedActions", "rbacGroupNames", "category", "mitretechniques", "GenerateAlert"),
)
_HOW: Final = {
    "hosts": "A hosts file knows single names only: what lies below a domain is not blocked by it, but for www.",
    "rpz": "For a response policy zone of BIND, Unbound, PowerDNS or Knot.",
    "squid": 'acl prohibited_ai dstdomain "/etc/squid/prohibited-ai.txt", then http_access deny prohibited_ai',
}


def render(kind: str, found: BlockList, *, now: int, catalogue: str) -> Sequence[File]:
    """The files of one kind."""
    if kind == "defender":
        return _defender(found.blocked)
    if kind == "firewall":
        return (File("firewall-domains.txt", _lines(one.domain for one in found.blocked)),)
    if kind == "firewall-urls":
        urls = (url for one in found.blocked for url in (f"{one.domain}/", f"*.{one.domain}/"))
        return (File("firewall-urls.txt", _lines(urls)),)
    head = _head(kind, found, now=now, catalogue=catalogue)
    if kind == "rpz":
        return (File("rpz.txt", head + _rpz(found.blocked, now)),)
    if kind == "squid":
        return (File("squid-dstdomain.txt", head + _lines(f".{one.domain}" for one in found.blocked)),)
    hosts = (f"0.0.0.0 {name}" for one in found.blocked for name in (one.domain, f"www.{one.domain}"))
    return (File("hosts.txt", head + _lines(hosts)),)


def _lines(several: Iterable[str]) -> bytes:
    return "".join(f"{one}\n" for one in several).encode("ascii")


def _rpz(several: Sequence[Blocked], now: int) -> bytes:
    """Names are relative to the zone's own, as a policy zone has them."""
    lines = [
        "$TTL 300",
        f"@ IN SOA localhost. root.localhost. ({now % (1 << 32)} 3600 600 604800 300)",
        "@ IN NS localhost.",
    ]
    for one in several:
        lines += [f"{one.domain} IN CNAME .", f"*.{one.domain} IN CNAME ."]
    return _lines(lines)


def _head(kind: str, found: BlockList, *, now: int, catalogue: str) -> bytes:
    made = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    where = f"unit {found.unit} and those below" if found.unit else "the whole organisation"
    lines = [
        f"Domains of AI services that are prohibited for {where}: {len(found.blocked):,} in all.",
        f"Made by aimscope on {made} with catalogue {catalogue[:12]}. Make it anew when decisions change.",
        _HOW[kind],
    ]
    services = {one.service: f"Blocked: {one.name}, by {one.why}." for one in found.blocked}
    lines += [services[each] for each in sorted(services)]
    lines += [f"Blocking {one.domain} also blocks {', '.join(one.also)}." for one in found.blocked if one.also]
    lines += [f"Left out: {one.domain or 'all'} of {one.name}: {one.why}." for one in found.left_out[:_MOST_NAMED]]
    if len(found.left_out) > _MOST_NAMED:
        lines.append(f"And {len(found.left_out) - _MOST_NAMED:,} more left out: JSON has all.")
    mark = ";" if kind == "rpz" else "#"
    return "".join(f"{mark} {part}\n" for line in lines for part in _wrapped(line)).encode("ascii", "replace")


def _wrapped(line: str) -> list[str]:
    """A comment's lines: nothing in a name can end one."""
    return textwrap.wrap("".join(one if one.isprintable() else " " for one in line), 110, break_long_words=True)


def _defender(several: Sequence[Blocked]) -> Sequence[File]:
    """Indicators of Microsoft Defender for Endpoint: the columns its documentation of imports names."""
    rows = [
        (
            *("DomainName", one.domain, "Block", f"Prohibited AI: {one.name}", f"Prohibited by {one.why}."),
            *(_expires(one.until), "Low", "Ask for an authorised tool.", None, None, None, "false"),
        )
        for one in several
    ]
    parts = [rows[start : start + MOST_INDICATORS] for start in range(0, len(rows), MOST_INDICATORS)] or [[]]
    names = (
        ["defender-indicators.csv"]
        if len(parts) == 1
        else [f"defender-indicators-{n}.csv" for n in range(1, len(parts) + 1)]
    )
    return [File(name, csv_bytes(_COLUMNS, part)) for name, part in zip(names, parts, strict=True)]


def _expires(until: int | None) -> str | None:
    if until is None:
        return None
    return datetime.datetime.fromtimestamp(until, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.0Z")
