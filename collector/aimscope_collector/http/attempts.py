"""How often one address may try to log in: a bucket that leaks, for a bounded number of addresses.

Kept in this process alone: several collectors count for themselves. The lock of an account is kept in the database.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

BURST: Final = 20
SECONDS: Final = 15
"""After which one more attempt is forgotten."""
MOST: Final = 10_000
"""Addresses that are remembered; the one that was quiet longest is forgotten first."""


class Attempts:
    """Attempts by address that were not made good."""

    def __init__(self, *, burst: int = BURST, seconds: int = SECONDS, most: int = MOST) -> None:
        self._burst = burst
        self._seconds = seconds
        self._most = most
        self._lock = threading.Lock()
        self._ends: OrderedDict[str, int] = OrderedDict()

    def take(self, address: str, *, now: int) -> int:
        """Count an attempt: 0 where it may be made, else the seconds to wait before another is looked at."""
        key = grouped(address)
        with self._lock:
            # the moment at which everything is forgotten says how many are remembered
            ends = max(self._ends.get(key, now), now)
            wait = ends + self._seconds - now - self._burst * self._seconds
            if wait > 0:
                return wait
            self._ends[key] = ends + self._seconds
            self._ends.move_to_end(key)
            while len(self._ends) > self._most:
                self._ends.popitem(last=False)
        return 0

    def good(self, address: str) -> None:
        """The attempt was a right one: it does not count."""
        key = grouped(address)
        with self._lock:
            if key in self._ends:
                self._ends[key] -= self._seconds


def grouped(address: str) -> str:
    """What is counted together: an IPv4 address, or the 64 bits of IPv6 that one customer is given (RFC 6177)."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return str(found)
