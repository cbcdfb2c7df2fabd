"""The result of a scan as one value: what every renderer shows, and the schema of `--json`.

``aimscope_scan`` is the version of this schema; it rises when a field changes its meaning or goes away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec

from aimscope_collector.conditions import BREACHES
from aimscope_collector.evidence import describe
from aimscope_collector.findings import VERDICTS, Finding, Reconciliation, RiskRating, Verdict
from aimscope_signatures.kinds import Identity, Presence
from aimscope_signatures.model import Coverage, Held, Sighting, Status

SCHEMA: Final = 1

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
    "uploaded": "used, with uploads",
    "attempted": "tried, but blocked",
    "used": "used",
    "installed": "installed",
    "configured": "configured",
    "mentioned": "mentioned in code",
}


def _says(description: str) -> msgspec.Meta:
    """What a field means, for the schema that readers of `--json` get."""
    return msgspec.Meta(description=description)


Moment = Annotated[int, _says("Seconds since 1970 UTC.")]


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of evidence: what was seen, where, and the test that held."""

    kind: Annotated[str, _says("Kind of observation, see docs/reference/kinds.md.")]
    identity: Annotated[Identity, _says("How sure it is that it is this service.")]
    presence: Annotated[Presence, _says("Whether it is only mentioned, or configured, installed, tried, used.")]
    fields: Annotated[dict[str, str], _says("What tells this piece of evidence apart, by field of its kind.")]
    subject: Annotated[str, _says("The user in whose home or process it was; empty for the machine.")] = ""
    asset: Annotated[str, _says("The device it is about, where that is not the one that looked.")] = ""
    bytes_out: Annotated[int | None, _says("Bytes sent to it, as far as they are known.")] = None
    bytes_in: Annotated[int | None, _says("Bytes received from it, as far as they are known.")] = None
    sources: Annotated[tuple[str, ...], _says("Places where it was seen, at most eight.")] = ()
    held: Annotated[tuple[Held, ...], _says("The tests of the signature that held.")] = ()
    details: Annotated[dict[str, str], _says("Further fields of its kind: version, publisher, enabled.")] = {}
    count: Annotated[int, _says("How often it was seen.")] = 1
    first: Moment = 0
    last: Moment = 0


class Hint(Evidence, frozen=True, omit_defaults=True):
    """Evidence too weak for a finding: for somebody to review."""

    service: Annotated[str, _says("Id in the catalogue of the service it may be; empty for none.")] = ""
    name: Annotated[str, _says("What people call that service.")] = ""


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding, ready to be shown. ``change`` compares with the last scan of this machine."""

    service: Annotated[str, _says("Id in the catalogue; empty for AI in no catalogue.")]
    name: Annotated[str, _says("What people call it.")]
    vendor: str
    category: str
    verdict: Verdict
    unit: Annotated[str, _says("Organisational unit the verdict is for; empty if none was named.")]
    condition: Annotated[
        str,
        _says(
            "Empty for the use as a whole; else the condition that is not met, the verdict where machines are judged "
            "differently, or what AI in no catalogue is."
        ),
    ]
    reasons: Annotated[tuple[str, ...], _says("Why this verdict: whole sentences.")]
    evidence: tuple[Evidence, ...] = ()
    identity: Annotated[Identity | None, _says("The best among the evidence.")] = None
    presence: Annotated[Presence | None, _says("The strongest among the evidence.")] = None
    blocked: Annotated[bool, _says("All of the evidence is attempts that were refused: nothing shows use.")] = False
    risk: Annotated[RiskRating | None, _says("Likelihood × impact with every factor; absent without evidence.")] = None
    inventory_row: Annotated[str, _says("The row of the inventory that decided.")] = ""
    change: Annotated[Literal["", "new", "unchanged"], _says("Against the last scan; empty if not compared.")] = ""


class Inventory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The inventory that was reconciled with: its file and how many systems it holds."""

    path: str
    systems: Annotated[int, _says("Rows.")]
    unmatched: Annotated[tuple[str, ...], _says("Names that fit no service of the catalogue.")] = ()


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything one scan says."""

    aimscope_scan: Annotated[Literal[1], _says("Version of this schema.")]
    version: Annotated[str, _says("Version of aimscope.")]
    catalogue: Annotated[str, _says("Version of the catalogue: the hash of its content.")]
    services: Annotated[int, _says("Services in the catalogue.")]
    target: Annotated[str, _says("What was looked at.")]
    host: Annotated[str, _says("Name of the machine, where it is known.")]
    platform: str
    started: Moment
    finished: Moment
    summary: Annotated[
        dict[str, int],
        _says(
            "Services by verdict; each counts once, under the most serious. Those of which every attempt was blocked "
            "have counts of their own: `prohibited_blocked`, `unregistered_blocked`."
        ),
    ]
    findings: Annotated[tuple[Row, ...], _says("By verdict, then risk, then name.")]
    coverage: Annotated[tuple[Coverage, ...], _says("One for each sensor: how well it could look.")]
    complete: Annotated[bool, _says("Whether every sensor could look everywhere it is meant to.")]
    weak: Annotated[tuple[Hint, ...], _says("Hints too weak for a finding.")] = ()
    ignored: Annotated[int, _says("Sightings left out because somebody marked them as wrong.")] = 0
    gone: Annotated[tuple[str, ...], _says("What the last scan saw and a complete look no longer does.")] = ()
    compared: Annotated[bool, _says("Whether there was a scan to compare with.")] = False
    inventory: Annotated[Inventory | None, _says("Absent if there is none: then nothing is judged.")] = None
    hints: Annotated[tuple[str, ...], _says("What the reader may do next.")] = ()
    notes: Annotated[tuple[str, ...], _says("What went otherwise than expected.")] = ()


Use = tuple[str, str]
"""What may be new or gone: a service, or AI in no catalogue by what it is."""


def use_of(sighting: Sighting) -> Use:
    """The use that a sighting shows."""
    return sighting.service, "" if sighting.service else describe(sighting)


def rows_of(reconciliation: Reconciliation, new: frozenset[Use], compared: bool, here: str = "") -> tuple[Row, ...]:
    """Findings in the order in which a reader wants them: by verdict, then risk, then name.

    ``new`` holds what the last scan did not have; ``here`` is what looked, and needs no mention as a device.
    """
    rows = [_row(finding, new, compared, here) for finding in reconciliation.findings]
    rows.sort(key=lambda row: (VERDICTS.index(row.verdict), -_rating(row), row.name.lower(), row.condition))
    return tuple(rows)


def _row(finding: Finding, new: frozenset[Use], compared: bool, here: str) -> Row:
    fresh = not new.isdisjoint(map(use_of, finding.evidence))
    return Row(
        service=finding.service,
        name=finding.name,
        vendor=finding.vendor,
        category=finding.category,
        verdict=finding.verdict,
        unit=finding.unit,
        condition=finding.condition,
        reasons=finding.reasons,
        evidence=tuple(evidence_of(sighting, here) for sighting in finding.evidence),
        identity=finding.identity,
        presence=finding.presence,
        blocked=finding.blocked,
        risk=finding.risk,
        inventory_row=finding.row,
        change=("new" if fresh else "unchanged") if compared and finding.evidence else "",
    )


def _rating(row: Row) -> int:
    return row.risk.likelihood * row.risk.impact if row.risk else 0


def evidence_of(sighting: Sighting, here: str = "") -> Evidence:
    """A sighting, ready to be shown."""
    return Evidence(
        kind=sighting.kind,
        identity=sighting.identity,
        presence=sighting.presence,
        fields=dict(sighting.evidence),
        subject=sighting.subject,
        asset="" if sighting.asset == here else sighting.asset,
        bytes_out=sighting.bytes_out,
        bytes_in=sighting.bytes_in,
        sources=sighting.sources,
        held=sighting.held,
        details=dict(sighting.details),
        count=sighting.count,
        first=sighting.first,
        last=sighting.last,
    )


def hint_of(sighting: Sighting, name: str, here: str = "") -> Hint:
    """A sighting too weak for a finding; ``name`` is what people call the service it may be."""
    return Hint(service=sighting.service, name=name, **msgspec.structs.asdict(evidence_of(sighting, here)))


_REMARKS: Mapping[str, Mapping[str, str]] = {
    "blocked": {"True": "blocked"},
    "enabled": {"False": "switched off"},
    "remote": {"True": "on another machine"},
    "running": {"True": "running"},
    "organisational": {"False": "not an account of the organisation", "True": "an account of the organisation"},
}


def remarks_of(evidence: Evidence) -> tuple[str, ...]:
    """What else a reader wants to know of a piece of evidence: whether it is switched off, what it is handed."""
    said = {**evidence.fields, **evidence.details}
    found = [words for name, value in said.items() if (words := _REMARKS.get(name, {}).get(value))]
    secrets = evidence.details.get("secrets")
    return (*found, *((f"is handed {secrets}",) if secrets else ()))


def what_of(row: Row) -> str:
    """What is used: a service, or AI in no catalogue by what it is. Several findings may be about one use."""
    if row.service:
        return row.service
    what, _, apart = row.condition.rpartition(": ")
    return what if what and apart in {*VERDICTS, *BREACHES} else row.condition


_BLOCKED: Final = ("prohibited_blocked", "unregistered_blocked")
_SETTLED: Final = ("authorised", "dormant")
_COUNTED: Final = (*(verdict for verdict in VERDICTS if verdict not in _SETTLED), *_BLOCKED, *_SETTLED)
"""What services are counted under, the most serious first: what was blocked needs nobody any more."""


def summary_of(rows: Sequence[Row]) -> dict[str, int]:
    """How many services have each verdict; a service with two findings counts under the more serious one."""
    worst: dict[str, int] = {}
    for row in rows:
        blocked = f"{row.verdict}_blocked"
        rank = _COUNTED.index(blocked if row.blocked and blocked in _BLOCKED else row.verdict)
        which = what_of(row)
        worst[which] = min(rank, worst.get(which, rank))
    counts = Counter(worst.values())
    return {name: counts[rank] for rank, name in enumerate(_COUNTED) if counts[rank]}


def is_complete(coverage: Sequence[Coverage]) -> bool:
    """Whether every sensor that was asked to look could look everywhere.

    What no platform of this sort can tell (the names behind connections, without a resolver to ask) is said, and does
    not count against a sensor that could look otherwise: no privilege would change it.
    """
    return all(map(_is_whole, coverage))


def _is_whole(part: Coverage) -> bool:
    if part.gaps:
        return bool(part.counts.get("observed")) and all(gap.status is Status.UNSUPPORTED for gap in part.gaps)
    return part.status in {Status.COMPLETE, Status.OFF, Status.UNSUPPORTED}


def exit_status(report: Report, *, strict_coverage: bool) -> int:
    """3 if unregistered or prohibited use was found, else 4 if coverage is incomplete and matters, else 0.

    Attempts that were blocked are no use: the control worked. They are listed, and alone leave the status 0.
    """
    if any(row.verdict in {"unregistered", "prohibited"} and not row.blocked for row in report.findings):
        return 3
    return 4 if strict_coverage and not report.complete else 0
