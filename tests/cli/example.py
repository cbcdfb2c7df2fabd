"""A report with everything in it, some of it written by strangers: every renderer is tried on it."""

from __future__ import annotations

import msgspec

from aimscope_cli.report import Evidence, Hint, Inventory, Report, Row
from aimscope_collector.findings import Factor, RiskRating
from aimscope_signatures.model import Coverage, Gap, Held, Status

HOSTILE = "<script>alert(1)</script>\"'=cmd|calc\u202e\x1b[31m\u2028end"

RISK = RiskRating(4, 3, "high", (Factor("presence", "likelihood", 2.0, "It is in use."),))
EVIDENCE = Evidence(
    kind="process",
    identity="high",
    presence="used",
    fields={"name": "cursor", "package": HOSTILE},
    subject=HOSTILE,
    sources=("~/a b/x.py:12", HOSTILE),
    held=(Held("name", "equals", "cursor"),),
    details={"exe": "~/x"},
    first=1_790_000_000,
    last=1_790_000_000,
)
WEAK = Hint(kind="process", identity="low", presence="used", fields={"name": "goose"}, service="goose", name="Goose")


_ROW = Row("", "", "V", "assistant", "authorised", "", "", ("Because.",))


def row(service: str, verdict: str, name: str = "", **more: object) -> Row:
    return msgspec.structs.replace(_ROW, service=service, name=name or service, verdict=verdict, **more)


REPORT = Report(
    aimscope_scan=1,
    version="0.1.0",
    catalogue="c" * 64,
    services=560,
    target="this machine",
    host=HOSTILE,
    platform="linux",
    started=1_790_000_000,
    finished=1_790_000_001,
    summary={"prohibited": 1, "unregistered": 1, "authorised": 1, "dormant": 1},
    findings=(
        row(
            "a", "prohibited", HOSTILE, evidence=(EVIDENCE,), identity="high", presence="used", risk=RISK, change="new"
        ),
        row("b", "unregistered", evidence=(EVIDENCE, EVIDENCE), identity="high", presence="installed", risk=RISK),
        row("c", "authorised", evidence=(EVIDENCE,), identity="high", presence="used"),
        row("d", "dormant"),
    ),
    coverage=(
        Coverage("processes", Status.COMPLETE, (), {"processes": 10}),
        Coverage("packages", Status.DENIED, (Gap(HOSTILE, Status.DENIED, "may not be read", 3, "run as root"),)),
        Coverage("shell_history", Status.OFF),
    ),
    complete=False,
    weak=(WEAK,),
    ignored=1,
    gone=("Old",),
    compared=True,
    inventory=Inventory("inventory.yaml", 3, ("Cursr",)),
    hints=("To see more: run as root.",),
    notes=("A note.",),
)
