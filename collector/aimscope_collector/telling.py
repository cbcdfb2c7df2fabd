"""A finding told in a sentence to people who are no engineers, and the texts they send on. Pure.

The words are not here: ``Say`` gives a text by its name and values, as the pages have them in one place.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Final

import msgspec

Say = Callable[..., str]
"""A text by its name, filled with named values; ``n`` chooses between one and several."""

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_LATEST: Final = 253_402_300_799
_ACTIVE: Final = ("uploaded", "used", "attempted")
_SETTLED: Final = ("registered", "tolerated", "prohibited", "dismissed")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is told. Times are seconds since 1970 UTC.

    ``people`` and ``devices`` are ``None`` where a group is smaller than may be shown: ``fewer_than`` says how small.
    ``presence`` is empty where nothing was seen.
    """

    name: str
    vendor: str = ""
    unit: str = ""
    verdict: str
    state: str = "unreviewed"
    presence: str = ""
    people: int | None = 0
    devices: int | None = 0
    fewer_than: int | None = None
    first: int | None = None
    until: int | None = None
    present: bool = True


class Message(msgspec.Struct, frozen=True):
    """A text to be sent: what it is called, and what it says."""

    subject: str
    body: str


def day(at: int, now: int, say: Say) -> str:
    """A day as people write it: the year only where it is another one."""
    date = _date(at)
    words = f"{date.day} {say(f'telling.months.{date.month}')}"
    return words if date.year == _date(now).year else f"{words} {date.year}"


def _date(at: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(seconds=max(0, min(at, _LATEST)))


def summary(told: Told, now: int, say: Say) -> str:
    """The finding in one sentence, and a second one where it is found no more."""
    said = say(
        "telling.sentence",
        what=_what(told, say),
        since="" if told.first is None or not told.presence else say("telling.since", day=day(told.first, now, say)),
        but=_but(told, now, say),
    )
    said = said[:1].upper() + said[1:]
    return said if told.present else f"{said} {say('telling.gone')}"


def _what(told: Told, say: Say) -> str:
    where = say("telling.in_unit", unit=told.unit) if told.unit else say("telling.in_no_unit")
    if not told.presence:
        return say("telling.not_seen", name=told.name, where=where)
    devices = _group("devices", told.devices, told.fewer_than, say)
    if told.presence in _ACTIVE and told.people != 0:
        people = _group("people", told.people, told.fewer_than, say)
        return say(f"telling.people_{told.presence}", name=told.name, where=where, people=people, devices=devices)
    return say(f"telling.devices_{told.presence}", name=told.name, where=where, devices=devices)


def _group(of: str, number: int | None, fewer_than: int | None, say: Say) -> str:
    if number is None:
        return say(f"telling.few_{of}", n=fewer_than or 0)
    return say(f"telling.{of}", n=number)


def _but(told: Told, now: int, say: Say) -> str:
    """What follows: what was decided, else what the inventory says."""
    if told.state in _SETTLED:
        if told.until is not None:
            last = day(told.until - 1, now, say)
            return say("telling.settled_until", state=say(f"telling.state.{told.state}"), day=last)
        return say("telling.settled", state=say(f"telling.state.{told.state}"))
    return say(f"telling.verdict.{told.verdict}")


def notice(told: Told, now: int, say: Say) -> Message:
    """What the people who use it are told: what was seen, what it means for them, what to do. Accuses nobody."""
    rule = told.state if told.state in _SETTLED else "open"
    return Message(
        say("telling.notice.subject", name=told.name),
        say(
            "telling.notice.body",
            name=told.name,
            rule=say(f"telling.notice.rule.{rule}", name=told.name),
            until=say("telling.notice.until", day=day(told.until - 1, now, say)) if told.until is not None else "",
        ),
    )


def request(told: Told, say: Say) -> Message:
    """A form to be filled in by whoever wants to go on using it: what an entry of the inventory needs."""
    made_by = f" ({told.vendor})" if told.vendor else ""
    return Message(
        say("telling.request.subject", name=told.name),
        say("telling.request.body", name=told.name, made_by=made_by, unit=told.unit or say("telling.request.blank")),
    )
