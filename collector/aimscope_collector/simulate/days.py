"""What happens: each machine's events, day by day, always the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from aimscope_collector.simulate.plan import DAY, Event, Fact, Fleet, Machine, Tool

_WEEKEND: Final = (5, 6)
_THURSDAY: Final = 3
"""The weekday of 1970-01-01."""


def events(fleet: Fleet, machine: Machine) -> Iterator[tuple[int, list[Event]]]:
    """Days on which the machine is switched on, and what is seen on each."""
    plan = fleet.plan
    rng = random.Random(f"days {plan.seed} {machine.number}")  # noqa: S311 - to be repeated
    for day in range(machine.born, plan.days):
        midnight = plan.begin + day * DAY
        weekend = (midnight // DAY + _THURSDAY) % 7 in _WEEKEND
        if machine.role == "image" or rng.random() > (0.98 if machine.role == "gateway" else 0.12 if weekend else 0.93):
            continue
        seen = list(
            _passing(fleet.tools, machine, day, midnight, rng)
            if machine.role == "gateway"
            else _used(fleet.tools, machine, day, midnight, rng)
        )
        yield day, seen


def reaches(fleet: Fleet, machine: Machine, day: int) -> bool:
    """Whether the collector can be reached from there on that day."""
    return day not in fleet.silent and not machine.offline[0] <= day < machine.offline[1]


def ledger_of(machine: Machine, day: int) -> int:
    """Which of its ledgers a machine writes into: the second after it was set up anew."""
    return int(machine.reinstalled is not None and day >= machine.reinstalled)


def _used(tools: tuple[Tool, ...], machine: Machine, day: int, midnight: int, rng: random.Random) -> Iterator[Event]:
    for at, since in machine.tools:
        if day < since:
            continue
        subject = rng.choice(machine.people)
        for fact in tools[at].facts:
            if fact.state or rng.random() < 0.5:
                yield _event(fact, "", subject, midnight + machine.skew, rng)
    for fact in machine.extras:
        yield _event(fact, "", machine.people[0], midnight + machine.skew, rng)


def _passing(tools: tuple[Tool, ...], machine: Machine, day: int, midnight: int, rng: random.Random) -> Iterator[Event]:
    """A few of those who are there; which of them uses what is the same every day."""
    for client in machine.clients:
        taste = random.Random(client)  # noqa: S311
        liked = [at for at, _ in machine.tools if taste.random() < tools[at].share / 3]
        for at in liked:
            fact = tools[at].passing
            if fact is not None and day >= tools[at].begins and rng.random() < 0.4:
                yield _event(fact, client, "", midnight + machine.skew, rng, volume=True)


def _event(fact: Fact, asset: str, subject: str, midnight: int, rng: random.Random, *, volume: bool = False) -> Event:
    first = midnight + 7 * 3_600 + rng.randrange(6 * 3_600)
    last = first if fact.state else min(first + rng.randrange(4 * 3_600), midnight + DAY - 1)
    count = 1 if fact.state else rng.randrange(1, 40)
    return Event(fact, asset, subject, count, first, last, rng.randrange(1, 1 << 20) * count if volume else None)
