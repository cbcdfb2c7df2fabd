"""The report as SARIF 2.1.0 (OASIS), for code hosting and security dashboards."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

import msgspec

from aimscope_cli.report import Evidence, Hint, Report, Row
from aimscope_cli.wording import heading_of

_LEVELS: Final = {"prohibited": "error", "unregistered": "error", "authorised": "none", "dormant": "none"}
_URGENT: Final = frozenset({"prohibited", "unregistered"})
_LINE: Final = re.compile(r"^(.*):(\d+)$")


_UNKNOWN: Final = "AI in no catalogue"


def render(report: Report) -> str:
    """One rule per service, one result per piece of evidence, with a fingerprint that survives a re-scan.

    Evidence too weak for a finding is a note, with ``hint`` in the place of a verdict.
    """
    rules = {row.service: _rule(row.service, row.name, row.vendor, row.category) for row in report.findings}
    for weak in report.weak:
        rules.setdefault(weak.service, _rule(weak.service, weak.name))
    order = {service: number for number, service in enumerate(rules)}
    results = [
        _result(row, evidence, order[row.service], heading)
        for row in report.findings
        for heading in [heading_of(row)]
        for evidence in row.evidence
    ]
    results += [_hint(weak, order[weak.service]) for weak in report.weak]
    notifications = [
        {"level": "warning", "message": {"text": f"{part.sensor}: {gap.source}: {gap.status.value}: {gap.reason}"}}
        for part in report.coverage
        for gap in part.gaps
    ]
    document = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "aimscope",
                        "version": report.version,
                        "informationUri": "https://github.com/aimscope/aimscope",
                        "rules": list(rules.values()),
                    }
                },
                "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notifications}],
                "results": results,
                "properties": {"catalogue": report.catalogue, "coverageComplete": report.complete},
            }
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _rule_id(service: str) -> str:
    return f"aimscope/{service or 'unknown_ai'}"


def _rule(service: str, name: str, vendor: str = "", category: str = "") -> dict[str, Any]:
    if not service:  # many findings have this rule: none gives it its name
        return {"id": _rule_id(service), "name": _UNKNOWN, "shortDescription": {"text": _UNKNOWN}}
    return {
        "id": _rule_id(service),
        "name": name,
        "shortDescription": {"text": f"{name} ({vendor})" if vendor else name},
        **({"properties": {"category": category}} if category else {}),
    }


def _result(row: Row, evidence: Evidence, rule: int, heading: str) -> dict[str, Any]:
    return {
        "ruleId": _rule_id(row.service),
        "ruleIndex": rule,
        "level": "note" if row.blocked and row.verdict in _URGENT else _LEVELS.get(row.verdict, "warning"),
        "kind": "pass" if row.verdict in {"authorised", "dormant"} else "fail",
        "message": {"text": f"{row.name}: {heading}. {evidence.kind}: {_told(evidence)}."},
        **_seen(evidence, row.service, row.verdict),
    }


def _hint(weak: Hint, rule: int) -> dict[str, Any]:
    name = f"{weak.name or weak.service}, perhaps" if weak.service else weak.name or _UNKNOWN
    return {
        "ruleId": _rule_id(weak.service),
        "ruleIndex": rule,
        "level": "note",
        "kind": "fail",  # of the other kinds none may have a level
        "message": {"text": f"{name}: a weak hint, to be reviewed. {weak.kind}: {_told(weak)}."},
        **_seen(weak, weak.service, "hint"),
    }


def _seen(evidence: Evidence, service: str, verdict: str) -> dict[str, Any]:
    """Where, and what tells it apart from the rest."""
    on = f"|{evidence.asset}" if evidence.asset else ""
    apart = f"{service}|{evidence.kind}|{_told(evidence)}|{evidence.subject}{on}"
    return {
        "locations": [_location(source) for source in evidence.sources if source],
        "partialFingerprints": {"aimscope/v1": apart},
        "properties": {"verdict": verdict, "identity": evidence.identity, "presence": evidence.presence},
    }


def _told(evidence: Evidence) -> str:
    return ", ".join(f"{name} {value}" for name, value in evidence.fields.items())


def _location(source: str) -> dict[str, Any]:
    found = _LINE.match(source)
    path = found.group(1) if found else source
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(path, safe="/~.@+-_")}}
    if found:
        place["region"] = {"startLine": max(1, int(found.group(2)))}
    return {"physicalLocation": place}
