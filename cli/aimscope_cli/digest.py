"""Evidence in numbers: of two thousand clients, a reader wants the sum first, and then the first few of them."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from aimscope_cli.report import Evidence, remarks_of
from aimscope_signatures.model import Coverage, Held, Status

_WORDS: Final = {
    "browser.visit": ("visit", "visits"),
    "cloud.call": ("call", "calls"),
    "connection": ("connection", "connections"),
    "dns.query": ("lookup", "lookups"),
    "expense": ("payment", "payments"),
    "http.request": ("request", "requests"),
    "shell.command": ("command", "commands"),
    "tls.client_hello": ("connection", "connections"),
}
"""What one of a kind is called, and several; kinds that are counted by day have no such word."""
_ONE: Final = {"names that alone tell nothing": "name that alone tells nothing"}
"""Counts of which more than the first word is otherwise where there is but one."""
_OTHERS: Final = "other clients"
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_MOST_PLACES: Final = 8

Client = tuple[str, str]
"""Device and user; either may be empty."""


class Figures(msgspec.Struct, frozen=True):
    """Totals of some evidence. ``counts`` is by the word for what was counted; volumes are absent where not known."""

    devices: int
    users: int
    counts: dict[tuple[str, str], int]
    sent: int | None
    received: int | None
    blocked: int
    first: int
    last: int

    @property
    def uses(self) -> int:
        """How often it was used, or tried."""
        return sum(self.counts.values())

    @property
    def counted(self) -> str:
        """What was counted: ``3 lookups, 1 request``."""
        return ", ".join(f"{number:,} {words[number != 1]}" for words, number in self.counts.items())

    @property
    def telling(self) -> bool:
        """Whether the numbers say more than the evidence itself."""
        return bool(self.counts) or self.devices > 1 or self.users > 1

    def sentence(self) -> str:
        """All in one line: devices, users, requests, bytes, blocked, first to last."""
        return ", ".join(part for part in (*self._who(), self.counted, *self.volumes(), *self._rest()) if part)

    def brief(self) -> str:
        """Devices, and what was counted."""
        return ", ".join(part for part in (number(self.devices, "device"), self.counted) if part)

    def _who(self) -> tuple[str, ...]:
        return (number(self.devices, "device"), number(self.users, "user"))

    def volumes(self) -> tuple[str, ...]:
        """Bytes sent and received, as far as they are known."""
        return (
            f"{volume(self.sent)} sent" if self.sent is not None else "",
            f"{volume(self.received)} received" if self.received is not None else "",
        )

    def _rest(self) -> tuple[str, ...]:
        return (f"{self.blocked:,} blocked" if self.blocked else "", span(self.first, self.last))


class Used(msgspec.Struct, frozen=True):
    """One client, and what it did."""

    device: str
    user: str
    figures: Figures


class Group(msgspec.Struct, frozen=True):
    """Evidence of one kind that says the same, whoever it was seen at."""

    kind: str
    what: tuple[str, ...]
    figures: Figures
    clients: tuple[Client, ...]
    remarks: tuple[str, ...]
    places: tuple[str, ...]
    held: tuple[tuple[Held, str], ...]
    """The tests that held, each with the identity it gives."""


class Blind(msgspec.Struct, frozen=True):
    """What could not be seen for one reason: how often, and where (each place with its number)."""

    status: Status
    reason: str
    remedy: str
    times: int
    places: tuple[tuple[str, int], ...]
    unnamed: bool
    """Whether there were more places than are named."""
    word: str

    def sentence(self) -> str:
        """The sum: ``1,204 times, more than 64 clients``."""
        more = "more than " if self.unnamed else ""
        return f"{number(self.times, 'time')}, {more}{number(len(self.places), self.word)}"


def figures_of(evidence: Iterable[Evidence]) -> Figures:
    """The totals."""
    seen = tuple(evidence)
    passed = [one for one in seen if not is_blocked(one)]  # what a filter answers is not from the service
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for one in seen:
        if one.kind in _WORDS:
            counts[_WORDS[one.kind]] += one.count
    return Figures(
        devices=len({one.asset for one in seen if one.asset}),
        users=len({one.subject for one in seen if one.subject}),
        counts=dict(sorted(counts.items(), key=lambda item: -item[1])),
        sent=_total(one.bytes_out for one in passed),
        received=_total(one.bytes_in for one in passed),
        blocked=sum(one.count for one in seen if is_blocked(one)),
        first=min((one.first for one in seen if one.first), default=0),
        last=max((one.last for one in seen), default=0),
    )


def is_blocked(evidence: Evidence) -> bool:
    """Whether it was an attempt that a filter refused."""
    return evidence.presence == "attempted" or evidence.fields.get("blocked") == "True"


def clients_of(evidence: Iterable[Evidence]) -> tuple[Used, ...]:
    """Every client, the one first that used it most. Empty where no other machine than the one that looked is told."""
    by_client: dict[Client, list[Evidence]] = defaultdict(list)
    for one in evidence:
        by_client[(one.asset, one.subject)].append(one)
    if len(by_client) < 2 or not any(device for device, _ in by_client):
        return ()
    used = [Used(device, user, figures_of(seen)) for (device, user), seen in by_client.items()]
    return tuple(sorted(used, key=_by_use))


def _by_use(used: Used) -> tuple[object, ...]:
    figures = used.figures
    volume = (figures.sent or 0) + (figures.received or 0)
    return (figures.blocked - figures.uses, -figures.uses, -volume, used.device, used.user)


def groups_of(evidence: Iterable[Evidence]) -> tuple[Group, ...]:
    """Evidence by kind and what it says; what was seen most comes first."""
    found: dict[tuple[object, ...], list[Evidence]] = defaultdict(list)
    for one in evidence:
        found[(one.kind, what_of(one), _remarks(one))].append(one)
    groups = [_group(seen) for seen in found.values()]
    return tuple(sorted(groups, key=lambda group: -group.figures.uses))


def what_of(evidence: Evidence) -> tuple[str, ...]:
    """The values that tell it apart."""
    return tuple(dict.fromkeys(value for name, value in evidence.fields.items() if name != "blocked"))


def _remarks(evidence: Evidence) -> tuple[str, ...]:
    return tuple(remark for remark in remarks_of(evidence) if remark != "blocked")


def _group(seen: Sequence[Evidence]) -> Group:
    figures, what, remarks = figures_of(seen), what_of(seen[0]), _remarks(seen[0])
    if figures.blocked:
        every = all(map(is_blocked, seen))
        remarks += ("blocked" if every else f"{figures.blocked:,} blocked",)
    places = (place for one in seen for place in one.sources if ("/" in place or ":" in place) and place not in what)
    held = dict.fromkeys((held, one.identity) for one in seen for held in one.held)
    return Group(
        kind=seen[0].kind,
        what=what,
        figures=figures,
        clients=tuple(dict.fromkeys((one.asset, one.subject) for one in seen if one.asset or one.subject)),
        remarks=remarks,
        places=tuple(dict.fromkeys(places))[:_MOST_PLACES],
        held=tuple(held),
    )


def blind_of(part: Coverage) -> tuple[Blind, ...]:
    """Gaps by reason, so that each is said once whatever the number of clients."""
    found: dict[tuple[Status, str, str], dict[str, int]] = {}
    for gap in part.gaps:
        places = found.setdefault((gap.status, gap.reason, gap.remedy), {})
        places[gap.source] = places.get(gap.source, 0) + gap.count
    word = "client" if part.sensor == "packets" else "place"
    return tuple(
        Blind(
            status=status,
            reason=reason,
            remedy=remedy,
            times=sum(places.values()),
            places=tuple((place, times) for place, times in places.items() if place != _OTHERS),
            unnamed=_OTHERS in places,
            word=word,
        )
        for (status, reason, remedy), places in found.items()
    )


def who(client: Client) -> str:
    """A client in words: ``ann on 10.0.0.7``."""
    device, user = client
    return " on ".join(part for part in (user, device) if part)


def number(count: int, word: str) -> str:
    """``1 device``, ``2,000 devices``; nothing for none."""
    return f"{count:,} {word}{'' if count == 1 else 's'}" if count else ""


def counted(count: int, what: str) -> str:
    """What a coverage counted, by the name of the count: ``2 captures``, ``1 line of other sorts``."""
    words = what.replace("_", " ")
    if count == 1 and words not in _ONE:
        first, *rest = words.split(" ")
        words = " ".join((_singular(first), *rest))
    return f"{count:,} {_ONE.get(words, words) if count == 1 else words}"


def _singular(noun: str) -> str:
    for end, one in (("sses", "ss"), ("ies", "y"), ("ss", "ss"), ("s", "")):
        if noun.endswith(end):
            return noun.removesuffix(end) + one
    return noun


def volume(size: int | None) -> str:
    """Bytes, for reading; empty where they are not known."""
    if size is None:
        return ""
    scaled, unit = float(size), 0
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{scaled:.1f} {_UNITS[unit]}" if unit and scaled < 99.95 else f"{scaled:.0f} {_UNITS[unit]}"


def day(seconds: int) -> str:
    """The day, in UTC."""
    return _at(seconds).strftime("%Y-%m-%d") if seconds else ""


def span(first: int, last: int) -> str:
    """From the first to the last time: days, or hours of one day. UTC."""
    if not last:
        return ""
    start, end = _at(first or last), _at(last)
    if start.date() != end.date():
        return f"{start:%Y-%m-%d} – {end:%Y-%m-%d}"
    until = "" if (start.hour, start.minute) == (end.hour, end.minute) else f" – {end:%H:%M}"
    return f"{start:%Y-%m-%d %H:%M}{until} UTC"


def _at(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _total(volumes: Iterable[int | None]) -> int | None:
    known = [volume for volume in volumes if volume is not None]
    return sum(known) if known else None
