"""Two ways to the same numbers: an agent's running totals, and the truth, which is worked out from all days at once."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from aimscope_collector.simulate.days import events, ledger_of
from aimscope_collector.simulate.plan import Event, Fact, Fleet, Machine
from aimscope_signatures import wire

Key = tuple[int, Fact, str, str]
"""Month, fact, asset, subject."""


class Total(msgspec.Struct, frozen=True):
    """What is known under one key."""

    count: int
    first: int
    last: int
    days: int
    bytes_out: int | None


class Book:
    """An agent's ledger: totals that grow, and which of them nobody was told of."""

    def __init__(self, name: str) -> None:
        self.name = name
        """The epoch."""
        self.sequence = 0
        self.acknowledged = 0
        self._totals: dict[Key, Total] = {}
        self._news: dict[Key, None] = {}

    def add(self, seen: Iterable[Event]) -> None:
        """One day more."""
        for event in seen:
            moment = _utc(event.first)
            key = (moment.year * 100 + moment.month, event.fact, event.asset, event.subject)
            day = 1 << (moment.day - 1)
            new = Total(event.count, event.first, event.last, day, event.bytes_out)
            self._totals[key] = _grown(self._totals[key], new, event.fact) if key in self._totals else new
            self._news[key] = None

    @property
    def waiting(self) -> int:
        """Totals that nobody was told of."""
        return len(self._news)

    def reports(self, sent: int) -> Iterator[wire.Report]:
        """Everything that nobody was told of, in reports of the largest size."""
        news = list(self._news)
        for at in range(0, len(news), wire.MOST_CELLS):
            self.sequence += 1
            yield self._report(news[at : at + wire.MOST_CELLS], sent)

    def settle(self) -> None:
        """All reports were acknowledged."""
        self._news.clear()
        self.acknowledged = self.sequence

    def _report(self, keys: list[Key], sent: int) -> wire.Report:
        places: dict[Fact, int] = {}
        cells = []
        for key in keys:
            month, fact, asset, subject = key
            total = self._totals[key]
            cells.append(
                wire.Cell(
                    fact=places.setdefault(fact, len(places)),
                    month=month,
                    asset=asset,
                    subject=subject,
                    count=total.count,
                    first=total.first,
                    last=total.last,
                    days=total.days,
                    identity=fact.identity,
                    presence=fact.presence,
                    bytes_out=total.bytes_out,
                )
            )
        return wire.Report(
            schema=wire.SCHEMA,
            epoch=self.name,
            sequence=self.sequence,
            sent=sent,
            acknowledged=self.acknowledged,
            facts=tuple(wire.Fact(fact.service, fact.kind, fact.fields) for fact in places),
            cells=tuple(cells),
        )


def truth(fleet: Fleet, machine: Machine) -> Mapping[tuple[int, Key], Total]:
    """What the collector has to know of a machine in the end, by ledger and key."""
    days: dict[tuple[int, Key], list[Event]] = {}
    for day, seen in events(fleet, machine):
        for event in seen:
            moment = _utc(event.first)
            key = (moment.year * 100 + moment.month, event.fact, event.asset, event.subject)
            days.setdefault((ledger_of(machine, day), key), []).append(event)
    return {key: _sum(key[1][1], seen) for key, seen in days.items()}


def _sum(fact: Fact, seen: list[Event]) -> Total:
    dates = {_utc(event.first).day for event in seen}
    volumes = [event.bytes_out for event in seen if event.bytes_out is not None]
    return Total(
        count=len(dates) if fact.state else sum(event.count for event in seen),
        first=min(event.first for event in seen),
        last=max(event.last for event in seen),
        days=sum(1 << (date - 1) for date in dates),
        bytes_out=sum(volumes) if volumes else None,
    )


def _grown(old: Total, new: Total, fact: Fact) -> Total:
    days = old.days | new.days
    return Total(
        days.bit_count() if fact.state else old.count + new.count,
        min(old.first, new.first),
        max(old.last, new.last),
        days,
        None if old.bytes_out is None or new.bytes_out is None else old.bytes_out + new.bytes_out,
    )


def _utc(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC)
