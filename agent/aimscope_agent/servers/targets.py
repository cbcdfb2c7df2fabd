"""Which addresses a network scan asks: what people write as targets, and whose addresses may be asked at all.

Addresses are kept as spans of numbers, so that a large network costs no more than a small one.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from aimscope_signatures.normalise import hostname

MOST_ADDRESSES: Final = 1_048_576
MOST_NAMES: Final = 10_000
_MOST_SPANS = 1_048_576
_LONGEST = 253
_SHORT_RANGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){2}\.)([0-9]{1,3})-([0-9]{1,3})")
_LOOKS_NUMERIC = re.compile(r"[0-9.]+(?:[-/][0-9.]*)?|[0-9a-fA-F:.]*:[0-9a-fA-F:./-]*")


class TargetError(ValueError):
    """A target that cannot be asked; the text says which and why."""


class Span(NamedTuple):
    """Addresses from ``first`` to ``last``, both included, as numbers."""

    version: int
    first: int
    last: int

    def __str__(self) -> str:
        first, last = address_of(self.version, self.first), address_of(self.version, self.last)
        return first if first == last else f"{first} to {last}"


class Wanted(NamedTuple):
    """What targets were written: addresses, and names that are still to be resolved."""

    spans: tuple[Span, ...]
    names: tuple[str, ...]


def address_of(version: int, number: int) -> str:
    """An address as text."""
    return str(ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number))


def read(words: Iterable[str]) -> Wanted:
    """Targets as people write them: ``10.0.0.7``, ``10.0.0.0/24``, ``10.0.0.1-40``, ``fd00::1-fd00::ff``, a host name.

    Raises ``TargetError`` for a word that is none of these.
    """
    spans: list[Span] = []
    names: dict[str, None] = {}
    for word in words:
        found = span_of(word)
        if found is not None:
            spans.append(found)
        else:
            names[_name(word)] = None
        if len(spans) > _MOST_SPANS or len(names) > MOST_NAMES:
            raise TargetError(f"more than {MOST_NAMES:,} names or {_MOST_SPANS:,} ranges")
    return Wanted(merged(spans), tuple(names))


def words_of(text: str) -> tuple[str, ...]:
    """The targets of a file: one a line, ``#`` starts a comment."""
    return tuple(word for line in text.splitlines() if (word := line.partition("#")[0].strip()))


def networks(words: Iterable[str], what: str) -> tuple[Span, ...]:
    """Addresses and ranges of a configuration, where names have no place. Raises ``TargetError`` naming ``what``."""
    spans: list[Span] = []
    for word in words:
        found = span_of(word, whole=True)
        if found is None:
            raise TargetError(f"{what}: {word!r} is no address and no range")
        spans.append(found)
    return merged(spans)


def span_of(word: str, *, whole: bool = False) -> Span | None:
    """The addresses of an address, network or range; ``None`` for what looks like a name.

    Of an IPv4 network its own address and the one for broadcasts are left out unless ``whole``. Raises
    ``TargetError`` for what looks like numbers and is malformed.
    """
    text = word.strip()
    if len(text) > _LONGEST:
        raise TargetError(f"{text[:40]!r}… is too long for an address, a range or a name")
    short = _SHORT_RANGE.fullmatch(text)
    try:
        if short:
            return _between(short[1] + short[2], short[1] + short[3], word)
        if "/" in text:
            return _network(text, whole=whole)
        first, dash, last = text.partition("-")
        if dash and ("." in last or ":" in last) and _LOOKS_NUMERIC.fullmatch(text):
            return _between(first, last, word)
        return _single(text.removeprefix("[").removesuffix("]"))
    except ipaddress.AddressValueError:
        raise TargetError(f"{word!r} is no address and no range") from None
    except ValueError:
        if "/" in text or "%" in text or _LOOKS_NUMERIC.fullmatch(text):
            raise TargetError(f"{word!r} is no address and no range") from None
        return None


def _single(text: str) -> Span:
    if "%" in text:
        raise ValueError("addresses of one interface only are not asked")
    address = ipaddress.ip_address(text)
    plain = getattr(address, "ipv4_mapped", None) or address
    return Span(plain.version, int(plain), int(plain))


def _between(first: str, last: str, word: str) -> Span:
    low, high = _single(first), _single(last)
    if low.version != high.version or low.first > high.first:
        raise TargetError(f"{word!r} does not go from a lower to a higher address")
    return Span(low.version, low.first, high.first)


def _network(text: str, *, whole: bool) -> Span:
    network = ipaddress.ip_network(text, strict=False)
    first, last = int(network.network_address), int(network.broadcast_address)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return _network(f"{mapped}/{network.prefixlen - 96}", whole=whole)
    if network.version == 4 and network.prefixlen <= 30 and not whole:
        first, last = first + 1, last - 1
    return Span(network.version, first, last)


def _name(word: str) -> str:
    name = hostname(word)
    if not name or "*" in name or len(word) > _LONGEST or any(sign in word for sign in "/@?#: "):
        raise TargetError(f"{word!r} is no address, no range and no host name")
    return name


# sets of spans


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same addresses in the fewest spans, sorted."""
    result: list[Span] = []
    for span in sorted(spans):
        if result and result[-1].version == span.version and span.first <= result[-1].last + 1:
            result[-1] = Span(span.version, result[-1].first, max(result[-1].last, span.last))
        else:
            result.append(span)
    return tuple(result)


def without(spans: Iterable[Span], holes: Iterable[Span]) -> tuple[Span, ...]:
    """The addresses of ``spans`` that are not in ``holes``."""
    left = merged(spans)
    result: list[Span] = []
    gaps = merged(holes)
    position = 0
    for span in left:
        while position < len(gaps) and (gaps[position].version, gaps[position].last) < (span.version, span.first):
            position += 1
        first = span.first
        for hole in gaps[position:]:
            if hole.version != span.version or hole.first > span.last:
                break
            if hole.first > first:
                result.append(Span(span.version, first, hole.first - 1))
            first = max(first, hole.last + 1)
        if first <= span.last:
            result.append(Span(span.version, first, span.last))
    return tuple(result)


def size(spans: Iterable[Span]) -> int:
    """How many addresses."""
    return sum(span.last - span.first + 1 for span in spans)


# whose they are


def _of(*networks_: str) -> tuple[Span, ...]:
    return merged(_network(each, whole=True) for each in networks_)


PRIVATE: Final = _of(
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"),
    *("::1/128", "fc00::/7", "fe80::/10"),
)
"""RFC 1918, loopback, link-local, addresses of carriers' own (RFC 6598), unique local (RFC 4193)."""
_NOBODY: Final = _of("0.0.0.0/8", "224.0.0.0/3", "::/128", "ff00::/8")
"""Addresses that no single machine has."""


def permitted(
    wanted: Iterable[Span],
    *,
    allow: Sequence[Span] = (),
    exclude: Iterable[Span] = (),
    allow_public: bool = False,
    names: Mapping[str, str] | None = None,
) -> Targets:
    """The targets that may be asked. ``names`` maps an address to the name it was found under.

    Raises ``TargetError`` where one is public and neither ``allow`` nor ``allow_public`` covers it, where there are
    too many, or where nothing is left.
    """
    spans = without(wanted, exclude)
    names = names or {}
    for nobody in _common(spans, _NOBODY):
        raise TargetError(f"{nobody}: no machine has such an address (unspecified, multicast or reserved)")
    foreign = () if allow_public else without(spans, (*PRIVATE, *allow))
    if foreign:
        first = address_of(foreign[0].version, foreign[0].first)
        called = f" ({names[first]})" if first in names else ""
        count = size(foreign)
        more = f" and {count - 1:,} more are" if count > 1 else " is"
        raise TargetError(
            f"{first}{called}{more} public: what answers there may belong to others, who have not agreed to be asked. "
            "Allow your own ranges under `network: allow:` of the configuration, or say --allow-public"
        )
    count = size(spans)
    if count > MOST_ADDRESSES:
        raise TargetError(f"{count:,} addresses are too many: at most {MOST_ADDRESSES:,} in one scan")
    if not count:
        raise TargetError("no address is left to ask")
    return Targets(spans, names)


def _common(spans: Iterable[Span], others: Iterable[Span]) -> tuple[Span, ...]:
    whole = merged(spans)
    return without(whole, without(whole, others))


class Targets:
    """Addresses by number, from 0 on."""

    def __init__(self, spans: Sequence[Span], names: Mapping[str, str] | None = None) -> None:
        self.spans = tuple(spans)
        self.names = dict(names or {})
        self._starts: list[int] = []
        total = 0
        for span in self.spans:
            self._starts.append(total)
            total += span.last - span.first + 1
        self._count = total

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < self._count:
            raise IndexError(number)
        place = bisect_right(self._starts, number) - 1
        span = self.spans[place]
        return address_of(span.version, span.first + number - self._starts[place])

    def described(self) -> str:
        """In a few words, for the report."""
        shown = ", ".join(map(str, self.spans[:4]))
        return shown + (f" and {len(self.spans) - 4} more ranges" if len(self.spans) > 4 else "")
