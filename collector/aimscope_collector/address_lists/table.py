"""Names of addresses as a table (CSV) with headings: an address, a name, and from when until when, where that is known.

Reverse zones, other DHCP servers' exports and what logs tell can be written so. Times are ISO 8601 or seconds since
1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aimscope_collector.address_lists import Bad, Entry
from aimscope_collector.address_lists._moments import moment
from aimscope_collector.address_lists._tables import heading, rows

NAME: Final = "table"
SOURCE: Final = "reverse"
_COLUMNS: Final = {
    "address": ("address", "ip", "ipaddress", "ipv4", "ipv6"),
    "name": ("name", "hostname", "host", "device", "devicename", "ptr", "fqdn"),
    "begins": ("from", "begins", "start", "starts", "validfrom", "firstseen", "first"),
    "ends": ("to", "until", "ends", "end", "expires", "expire", "validto", "lastseen", "last", "leaseexpirytime"),
}


def is_mine(text: str) -> bool:
    """Whether it has a column of addresses and one of names, and is no other program's table."""
    names = set(heading(text))
    return bool(names & set(_COLUMNS["address"]) and names & set(_COLUMNS["name"])) and "validlifetime" not in names


def read(text: str) -> Iterator[Entry | Bad]:
    """One entry a row."""
    for line, cells in rows(text, _COLUMNS):
        if "error" in cells:
            yield Bad(line, f"this is not CSV: {cells['error']}")
            return
        try:
            begins, ends = moment(cells.get("begins", "")), moment(cells.get("ends", ""))
        except (ValueError, OverflowError):
            yield Bad(line, "a time cannot be read: write 2026-11-24T08:00:00Z")
            continue
        yield Entry(line, cells.get("name", ""), cells.get("address", ""), begins, ends)
