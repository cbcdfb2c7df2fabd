"""The result of a scan as one value: what every renderer shows, and the schema of `--json`.

``aimscope_scan`` is the version of this schema; it rises when a field changes its meaning or goes away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from aimscope_collector.findings import VERDICTS, Finding, Reconciliation, RiskRating, Verdict
from aimscope_signatures.model import Coverage, Held, Sighting, Status

SCHEMA = 1

WORDS: Mapping[Verdict, str] = {
    "prohibited": "Prohibited, and in use",
    "unregistered": "Not registered",
    "unknown_ai": "Looks like AI, in no catalogue",
    "out_of_scope": "Registered, but not for this use",
    "expired": "Registration or exception expired",
    "condition_unmet": "A condition is not met",
    "observed": "Found (no inventory to judge by)",
    "authorised": "Authorised",
    "dormant": "Registered, not seen here",
}
"""What a verdict means, for a reader who is no engineer."""

PRESENCE_WORDS = {
    "used": "in use",
    "installed": "installed",
    "configured": "configured",
    "mentioned": "mentioned in code",
}


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of evidence: what was seen, where, and the test that held."""

    kind: str
    identity: str
    presence: str
    fields: dict[str, str]
    subject: str = ""
    sources: tuple[str, ...] = ()
    held: tuple[Held, ...] = ()
    details: dict[str, str] = {}
    count: int = 1
    first: int = 0
    last: int = 0


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding, ready to be shown. ``change`` compares with the last scan of this machine."""

    service: str
    name: str
    vendor: str
    category: str
    verdict: Verdict
    unit: str
    condition: str
    reasons: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    identity: str | None = None
    presence: str | None = None
    risk: RiskRating | None = None
    inventory_row: str = ""
    change: Literal["", "new", "unchanged"] = ""


class Inventory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The inventory that was reconciled with: its file and how many systems it holds."""

    path: str
    systems: int
    unmatched: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything one scan says."""

    aimscope_scan: int
    version: str
    catalogue: str
    services: int
    target: str
    host: str
    platform: str
    started: int
    finished: int
    summary: dict[str, int]
    findings: tuple[Row, ...]
    coverage: tuple[Coverage, ...]
    complete: bool
    weak: tuple[Evidence, ...] = ()
    ignored: int = 0
    gone: tuple[str, ...] = ()
    compared: bool = False
    inventory: Inventory | None = None
    hints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def rows_of(reconciliation: Reconciliation, new: frozenset[str], compared: bool) -> tuple[Row, ...]:
    """Findings in the order in which a reader wants them: by verdict, then risk, then name.

    ``new`` holds the services that the last scan did not have.
    """
    rows = [_row(finding, new, compared) for finding in reconciliation.findings]
    rows.sort(key=lambda row: (VERDICTS.index(row.verdict), -_rating(row), row.name.lower(), row.condition))
    return tuple(rows)


def _row(finding: Finding, new: frozenset[str], compared: bool) -> Row:
    seen = bool(finding.evidence)
    return Row(
        service=finding.service,
        name=finding.name,
        vendor=finding.vendor,
        category=finding.category,
        verdict=finding.verdict,
        unit=finding.unit,
        condition=finding.condition,
        reasons=finding.reasons,
        evidence=tuple(map(evidence_of, finding.evidence)),
        identity=finding.identity,
        presence=finding.presence,
        risk=finding.risk,
        inventory_row=finding.row,
        change=("new" if finding.service in new else "unchanged") if compared and seen else "",
    )


def _rating(row: Row) -> int:
    return row.risk.likelihood * row.risk.impact if row.risk else 0


def evidence_of(sighting: Sighting) -> Evidence:
    """A sighting, ready to be shown."""
    return Evidence(
        kind=sighting.kind,
        identity=sighting.identity,
        presence=sighting.presence,
        fields=dict(sighting.evidence),
        subject=sighting.subject,
        sources=sighting.sources,
        held=sighting.held,
        details=dict(sighting.details),
        count=sighting.count,
        first=sighting.first,
        last=sighting.last,
    )


_REMARKS: Mapping[str, Mapping[str, str]] = {
    "enabled": {"False": "switched off"},
    "remote": {"True": "on another machine"},
    "running": {"True": "running"},
    "organisational": {"False": "not an account of the organisation", "True": "an account of the organisation"},
}


def remarks_of(evidence: Evidence) -> tuple[str, ...]:
    """What else a reader wants to know of a piece of evidence: whether it is switched off, what it is handed."""
    found = [words for name, value in evidence.details.items() if (words := _REMARKS.get(name, {}).get(value))]
    secrets = evidence.details.get("secrets")
    return (*found, *((f"is handed {secrets}",) if secrets else ()))


def summary_of(rows: Sequence[Row]) -> dict[str, int]:
    """How many services have each verdict; a service with two findings counts under the more serious one."""
    worst: dict[str, Verdict] = {}
    for row in rows:
        which = row.service or row.condition  # AI in no catalogue is told apart by its evidence
        known = worst.get(which)
        if known is None or VERDICTS.index(row.verdict) < VERDICTS.index(known):
            worst[which] = row.verdict
    counts = Counter(worst.values())
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def is_complete(coverage: Sequence[Coverage]) -> bool:
    """Whether every sensor that was asked to look could look everywhere."""
    return all(part.status in {Status.COMPLETE, Status.OFF, Status.UNSUPPORTED} and not part.gaps for part in coverage)


def exit_status(report: Report, *, strict_coverage: bool) -> int:
    """3 if unregistered or prohibited use was found, else 4 if coverage is incomplete and matters, else 0."""
    if any(row.verdict in {"unregistered", "prohibited"} for row in report.findings):
        return 3
    return 4 if strict_coverage and not report.complete else 0
