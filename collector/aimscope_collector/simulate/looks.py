"""How well each simulated machine could look: the sensors of its last scan, and what some of them were not allowed."""

from __future__ import annotations

import datetime
import hashlib
from typing import Final

from aimscope_collector.simulate.plan import DAY, Machine, Plan
from aimscope_signatures.model import Status
from aimscope_signatures.wire import Look, Run

_HOST: Final = ("applications", "packages", "browser_extensions", "mcp")
_GATEWAY: Final = ("traffic",)
_BLIND: Final = (
    (7, "mcp", Status.PARTIAL, "two homes could not be read", "Run the agent with the right to read all homes."),
    (
        11,
        "browser_extensions",
        Status.DENIED,
        "profiles of browsers are closed to the agent",
        "Allow it in the policy.",
    ),
    (23, "packages", Status.FAILED, "the package database is damaged", "Repair it; the next scan looks again."),
)
"""Each so many machines, a sensor that could not look as it should: why, and what would help."""
_ENCRYPTED: Final = (
    Status.PARTIAL,
    "names of some clients are hidden by encrypted DNS",
    "Offer a resolver of your own, and block the others.",
)


def looks(machine: Machine, plan: Plan, day: int, sequence: int) -> tuple[Look, ...]:
    """The looks of one day, by the machine's own clock. They prove no absence: use is not always seen."""
    end = plan.begin + (day + 1) * DAY - 1 + machine.skew
    date = datetime.datetime.fromtimestamp(plan.begin + day * DAY, datetime.UTC).date()
    number = date.year * 10_000 + date.month * 100 + date.day
    found = []
    for sensor in _GATEWAY if machine.role == "gateway" else _HOST:
        status, reason, remedy = _how(machine, sensor)
        found.append(Look(sensor, "", number, sequence, status, reason, remedy, at=end))
    return tuple(found)


def _how(machine: Machine, sensor: str) -> tuple[Status, str, str]:
    if machine.role == "gateway":
        return _ENCRYPTED
    for each, which, status, reason, remedy in _BLIND:
        if sensor == which and machine.number % each == 0:
            return status, reason, remedy
    return Status.COMPLETE, "", ""


def run(machine: Machine, plan: Plan, day: int, sequence: int, *, uid: str, sightings: int) -> Run:
    """The scan that the looks of that day belong to."""
    begin = plan.begin + day * DAY + machine.skew
    return Run(
        uid=uid,
        sequence=sequence,
        mode="gateway" if machine.role == "gateway" else "schedule",
        started=begin,
        finished=begin + DAY - 1,
        catalogue="simulated",
        policy="simulated",
        complete=all(look.status is Status.COMPLETE for look in looks(machine, plan, day, sequence)),
        sightings=sightings,
        digest=hashlib.sha256(f"{uid} {sightings}".encode()).hexdigest(),
    )
