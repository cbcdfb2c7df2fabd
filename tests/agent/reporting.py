"""What tests of the agent's reports share: sightings, looks, and a collector as its algebra has it."""

from __future__ import annotations

import msgspec

from aimscope_signatures import wire
from aimscope_signatures.fold import fold
from aimscope_signatures.kinds import IDENTITIES, PRESENCES
from aimscope_signatures.model import Detection, Observation, Sighting, Status, Value

NOW = 1_790_000_000  # 2026-09-21
DAY = 86_400
Key = tuple[str, str, str, tuple[tuple[str, str], ...], int, str, str]


def event(number: int = 0, at: int = NOW, sent: int = 5, subject: str = "ann") -> Sighting:
    """One hello to a service, as a log line tells it: counts once per line."""
    fields: dict[str, Value] = {"server_name": f"api{number}.claude.ai", "bytes_out": sent}
    observation = Observation("tls.client_hello", fields, "log:1", subject, at, "10.0.0.1")
    return fold([Detection("claude", "domains", "high", "used", (), observation)], "")[0]


def state(number: int = 0, at: int = NOW) -> Sighting:
    """A service of the machine, as a scan finds it: counts once a day."""
    fields: dict[str, Value] = {"manager": "systemd", "name": f"tool{number}.service"}
    observation = Observation("service", fields, "/etc/systemd", "", at)
    return fold([Detection("tool", "services", "high", "configured", (), observation)], "")[0]


def look(
    sequence: int, status: Status = Status.COMPLETE, sensor: str = "applications", day: int = 20260921
) -> wire.Look:
    return wire.Look(sensor, "", day, sequence, status, "", "", (("files", sequence),), ("service",), NOW)


def run(number: int) -> wire.Run:
    return wire.Run(f"run-{number}", number, "schedule", NOW, NOW + number, "c", "p", True, 1, "0" * 64)


class Model:
    """A collector by its algebra alone: larger, earlier, later, or. It forgets what a restored backup forgets."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, Key], wire.Cell] = {}
        self.looks: dict[tuple[str, str, str, int], wire.Look] = {}
        self.runs: dict[str, wire.Run] = {}
        self.known: dict[str, int] = {}
        self.gaps: dict[str, int] = {}

    def take(self, report: wire.Report) -> wire.Pace:
        report = msgspec.json.decode(msgspec.json.encode(report), type=wire.Report)
        for cell in report.cells:
            fact = report.facts[cell.fact]
            key = (fact.service, fact.kind, "", fact.fields, cell.month, cell.asset, cell.subject)
            one = self.cells.get((report.epoch, key))
            self.cells[report.epoch, key] = joined(one, cell) if one else msgspec.structs.replace(cell, fact=0)
        for each in report.looks:
            place = (report.epoch, each.sensor, each.source, each.day)
            if place not in self.looks or self.looks[place].sequence <= each.sequence:
                self.looks[place] = each
        self.runs.update({each.uid: each for each in report.runs})
        known = self.known.get(report.epoch, 0)
        if report.acknowledged > known:
            self.gaps[report.epoch] = report.sequence
        self.known[report.epoch] = max(known, report.sequence)
        again = self.gaps.get(report.epoch) == report.sequence
        return wire.Pace(committed=self.known[report.epoch], full_state=again)

    def check_in(self, epoch: str, acknowledged: int) -> wire.Pace:
        known = self.known.get(epoch, 0)
        return wire.Pace(committed=known, full_state=acknowledged > known)

    def copy(self) -> Model:
        other = Model()
        for name in vars(self):
            setattr(other, name, dict(getattr(self, name)))
        return other

    def counts(self, epoch: str) -> dict[Key, tuple[int, int, int, int, int | None]]:
        return {
            key: (cell.count, cell.first, cell.last, cell.days, cell.bytes_out)
            for (of, key), cell in self.cells.items()
            if of == epoch
        }


def joined(one: wire.Cell, other: wire.Cell) -> wire.Cell:
    volumes = [volume for volume in (one.bytes_out, other.bytes_out) if volume is not None]
    return msgspec.structs.replace(
        one,
        count=max(one.count, other.count),
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        days=one.days | other.days,
        identity=max(one.identity, other.identity, key=IDENTITIES.index),
        presence=max(one.presence, other.presence, key=PRESENCES.index),
        bytes_out=max(volumes) if volumes else None,
    )


def key_of_total(total: Sighting) -> Key:
    month = int(total.month.replace("-", ""))
    return (total.service, total.kind, "", total.evidence, month, total.asset, total.subject)
