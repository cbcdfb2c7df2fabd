"""A signature drafted from what was seen of AI that no catalogue knows; what is not known is asked for."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import yaml

from aimscope_collector.evidence import hosts, title
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.model import Sighting

_HEAD: Final = """\
# Drafted from what was seen. Check every line, fill in what says TODO, then: aimscope signatures verify
"""
_SECTION: Final[Mapping[str, str]] = {
    "hostname": "hosts",
    "package": "packages",
    "process_name": "processes",
    "extension_id": "extensions",
    "image": "images",
    "model_id": "model_ids",
}
_GENERIC: Final = frozenset(
    {"node", "python", "python3", "uv", "uvx", "npx", "docker", "java", "deno", "bun", "bash", "sh"}
)
"""Programs that run anything: their names tell nothing."""
_CATEGORY: Final = {"mcp_server": "mcp-server", "mcp.handshake": "mcp-server", "model": "model-hub"}
_SURFACE: Final = {"mcp_server": "mcp", "mcp.handshake": "mcp", "model": "self-hosted"}
_MOST: Final = 50


def draft_signature(seen: Iterable[Sighting], *, today: datetime.date) -> str:
    """YAML of a signature that fits all that was seen, as far as evidence tells it apart; empty if nothing does."""
    several = sorted(seen, key=lambda each: (each.kind, each.evidence))
    if not several:
        return ""
    sections: dict[str, set[str]] = {}
    for sighting in several:
        for section, text in _telling(sighting):
            sections.setdefault(section, set()).add(text)
    first = several[0]
    name = title(first)
    draft: dict[str, Any] = {
        "id": _slug(name),
        "name": name,
        "vendor": "TODO",
        "category": _CATEGORY.get(first.kind, "api-provider"),
        "surface": [_SURFACE.get(first.kind, "api")],
        "homepage": _homepage(several),
        "summary": "TODO: one sentence on what it does.",
        "maturity": "sandbox",
        "note": f"Drafted on {today} from evidence of kind {', '.join(sorted({each.kind for each in several}))}.",
    }
    for section in sorted(sections):
        draft[section] = sorted(sections[section])[:_MOST]
    if not sections:
        draft["clauses"] = _clause(first)
    draft["examples"] = {"match": {"observations": [_observation(first)]}}
    return _HEAD + yaml.safe_dump(draft, sort_keys=False, allow_unicode=True, width=110)


def _telling(sighting: Sighting) -> Iterable[tuple[str, str]]:
    kind = KINDS.get(sighting.kind)
    shown = set(hosts(sighting))
    for field, text in sighting.evidence:
        known = kind.fields.get(field) if kind else None
        section = _SECTION.get(known.type, "") if known and not known.context else ""
        if not text or not section or text.casefold() in _GENERIC:
            continue
        if section != "hosts" or text in shown:
            yield section, text


def _clause(sighting: Sighting) -> dict[str, Any]:
    """Where no section fits: the evidence as it is."""
    tests = {field: {"equals": [text]} for field, text in sighting.evidence if text and field != "blocked"}
    return {"as_seen": {"kind": sighting.kind, "all": tests, "identity": "medium"}}


def _observation(sighting: Sighting) -> dict[str, str]:
    return {"kind": sighting.kind, **{field: text for field, text in sighting.evidence if field != "blocked"}}


def _homepage(several: Iterable[Sighting]) -> str:
    found = sorted({host for each in several for host in hosts(each)})
    return f"https://{found[0]}" if found else "https://TODO.example"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:60].strip("-") or "unnamed"


def draft_of(pieces: Iterable[tuple[str, Sequence[tuple[str, str]]]], *, today: datetime.date) -> str:
    """As ``draft_signature``, from kinds and fields alone."""
    return draft_signature((_seen(kind, tuple(fields)) for kind, fields in pieces), today=today)


def _seen(kind: str, fields: tuple[tuple[str, str], ...]) -> Sighting:
    return Sighting(
        month="",
        asset="",
        service="",
        kind=kind,
        subject="",
        evidence=fields,
        identity="medium",
        presence="used",
        count=1,
        first=0,
        last=0,
        days=0,
    )
