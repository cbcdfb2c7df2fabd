"""The report as SARIF 2.1.0 (OASIS), for code hosting and security dashboards."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

import msgspec

from aimscope_cli.report import Evidence, Report, Row
from aimscope_cli.wording import heading_of

_LEVELS: Final = {"prohibited": "error", "unregistered": "error", "authorised": "none", "dormant": "none"}
_URGENT: Final = frozenset({"prohibited", "unregistered"})
_LINE: Final = re.compile(r"^(.*):(\d+)$")


_UNKNOWN: Final = "AI in no catalogue"


def render(report: Report) -> str:
    """One rule per service, one result per piece of evidence, with a fingerprint that survives a re-scan."""
    rules = {row.service: _rule(row) for row in report.findings}
    order = list(rules)
    results = [
        _result(row, evidence, rule, heading)
        for row in report.findings
        for rule, heading in [(order.index(row.service), heading_of(row))]
        for evidence in row.evidence
    ]
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


def _rule_id(row: Row) -> str:
    return f"aimscope/{row.service or 'unknown_ai'}"


def _rule(row: Row) -> dict[str, Any]:
    if not row.service:  # many findings have this rule: none gives it its name
        return {"id": _rule_id(row), "name": _UNKNOWN, "shortDescription": {"text": _UNKNOWN}}
    return {
        "id": _rule_id(row),
        "name": row.name,
        "shortDescription": {"text": f"{row.name} ({row.vendor})" if row.vendor else row.name},
        "properties": {"category": row.category},
    }


def _result(row: Row, evidence: Evidence, rule: int, heading: str) -> dict[str, Any]:
    told = ", ".join(f"{name} {value}" for name, value in evidence.fields.items())
    on = f"|{evidence.asset}" if evidence.asset else ""
    return {
        "ruleId": _rule_id(row),
        "ruleIndex": rule,
        "level": "note" if row.blocked and row.verdict in _URGENT else _LEVELS.get(row.verdict, "warning"),
        "kind": "pass" if row.verdict in {"authorised", "dormant"} else "fail",
        "message": {"text": f"{row.name}: {heading}. {evidence.kind}: {told}."},
        "locations": [_location(source) for source in evidence.sources if source],
        "partialFingerprints": {"aimscope/v1": f"{row.service}|{evidence.kind}|{told}|{evidence.subject}{on}"},
        "properties": {"verdict": row.verdict, "identity": evidence.identity, "presence": evidence.presence},
    }


def _location(source: str) -> dict[str, Any]:
    found = _LINE.match(source)
    path = found.group(1) if found else source
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(path, safe="/~.@+-_")}}
    if found:
        place["region"] = {"startLine": max(1, int(found.group(2)))}
    return {"physicalLocation": place}
