"""Writing inventories: a commented template, a draft of what a scan found, and any inventory as YAML.

What is written here, ``readers/yaml`` reads back as the same inventory.
"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import yaml
from msgspec import inspect

from aimscope_collector.evidence import describe
from aimscope_collector.findings import Finding
from aimscope_collector.inventory.model import VERSION, AuthorisedUse, Ignore, Inventory, SystemKind, Weights

_WIDTH: Final = 110
_SHOWN: Final = 3
_MOST_STRANGERS: Final = 200
_KIND: Final[Mapping[str, SystemKind]] = {
    "api-provider": "api",
    "cloud-platform": "api",
    "gateway": "api",
    "coding-agent": "agent",
    "agent-builder": "agent",
    "automation": "agent",
    "embedded-ai": "embedded",
    "local-runtime": "local",
    "vector-database": "local",
    "model-hub": "model",
}

_HEAD: Final = f"""\
# The inventory of authorised AI. `aimscope inventory check` tells what is wrong with it, and where.
aimscope_inventory: {VERSION}
"""

_TEMPLATE: Final = """\
organisation:
  name: ""
  # An AI tool used with an account outside these domains is a finding of its own.
  domains: []

# One entry per system. Status: proposed, approved, restricted, tolerated, prohibited or retired.
systems:
#  - id: AI-001
#    name: Cursor
#    services: [cursor]            # ids of the catalogue: `aimscope signatures list`
#    status: approved
#    owner: Ann Example
#    purpose: Writing code in projects without customer data
#    units: [engineering]          # nothing here means: everywhere
#    conditions: [organisation_account, no_stored_credentials]
#    expiry: 2027-12-31
#    next_review: 2027-06-30
#  - name: Every meeting assistant
#    categories: [meeting-assistant]
#    status: prohibited

# Detections that are wrong, and until when to leave them out.
ignores:
#  - service: cursor
#    kind: process
#    evidence: {name: cursor}
#    reason: Our own program of the same name
#    expiry: 2027-03-31

"""


class _Dumper(yaml.SafeDumper):
    """Writes every value out: the reader knows no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the signature is the base class's
        return True


def dump(content: object) -> str:
    """Any of the structs, or plain data, as YAML without anchors, in the order of its fields."""
    plain = msgspec.to_builtins(content, builtin_types=(datetime.date,))
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def write(inventory: Inventory, note: str = "") -> str:
    """An inventory as YAML, with a note as a comment on top."""
    body = msgspec.to_builtins(inventory, builtin_types=(datetime.date,))
    body.pop("aimscope_inventory", None)
    return comment(note) + _HEAD + (dump(body) if body else "")


def template() -> str:
    """An empty inventory that explains itself: every field of a system and every weight, with its sentence."""
    fields = "".join(f"#   {name:<24} {doc}\n" for name, doc in describe_fields(AuthorisedUse))
    weights = "".join(
        f"#    {name + ':':<22} {getattr(Weights(), name):>4}   # {doc}\n" for name, doc in describe_fields(Weights)
    )
    return (
        _HEAD
        + _TEMPLATE
        + "# What a system may say:\n"
        + fields
        + "\n# How findings are rated: take the sign away in front of what you want to change.\n#risk:\n#  weights:\n"
        + weights
    )


def describe_fields(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """Every field of a struct of the model, with its sentence."""
    info = inspect.type_info(struct)
    for field in info.fields if isinstance(info, inspect.StructType) else ():
        kind: inspect.Type = field.type
        doc = ""
        while isinstance(kind, inspect.Metadata) and not doc:
            doc = str((kind.extra_json_schema or {}).get("description", ""))
            kind = kind.type
        yield field.encode_name, doc


def proposed(findings: Iterable[Finding]) -> tuple[tuple[AuthorisedUse, str], ...]:
    """One proposed row per service that was found and no row decides yet, with what was seen of it in a few words."""
    by_service: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.service and finding.evidence and not finding.row and finding.verdict in ("observed", "unregistered"):
            by_service.setdefault(finding.service, []).append(finding)
    rows = []
    for service, group in sorted(by_service.items()):
        first = group[0]
        use = AuthorisedUse(
            id=service,
            name=first.name,
            vendor=first.vendor,
            kind=_KIND.get(first.category, "app"),
            status="proposed",
            services=(service,),
        )
        rows.append((use, _seen(group)))
    return tuple(rows)


def _seen(findings: Sequence[Finding]) -> str:
    pieces = list(dict.fromkeys(describe(sighting) for finding in findings for sighting in finding.evidence))
    more = f" and {len(pieces) - _SHOWN} more" if len(pieces) > _SHOWN else ""
    return f"seen: {'; '.join(pieces[:_SHOWN])}{more}"


def draft(findings: Iterable[Finding], note: str = "") -> str:
    """A first inventory out of a scan: every service as ``proposed``, to be decided by people."""
    text = comment(note) + _HEAD
    text += 'organisation:\n  name: ""\n  # Accounts outside these domains are personal accounts.\n  domains: []\n'
    text += "# Decide each: approved, restricted, tolerated or prohibited; and say who answers for it.\n"
    findings = tuple(findings)
    rows = proposed(findings)
    text += "systems:\n" if rows else "systems: []\n"
    for use, seen in rows:
        plain = msgspec.to_builtins(use)
        plain |= {"owner": "", "purpose": ""}
        text += textwrap.indent(comment(seen) + dump([plain]), "  ")
    strangers = sorted({finding.name for finding in findings if not finding.service and not finding.row})
    if strangers:
        text += "# In no catalogue. A row names such AI by domains, allowed_processes, model or its own name:\n"
        text += "".join(comment(f"- {name}") for name in strangers[:_MOST_STRANGERS])
    return text


def comment(text: str) -> str:
    """Text as comment lines, wrapped; control characters and line breaks of its own cannot end the comment."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return "".join(f"# {line}\n" for line in textwrap.wrap(printable, _WIDTH, break_on_hyphens=False))


def ignore_text(ignores: Sequence[Ignore]) -> str:
    """The file that keeps ignores apart from the inventory."""
    head = "# Wrong detections that are left out on this machine. Written by `aimscope ignore`.\naimscope_ignores: 1\n"
    return head + dump({"ignores": list(ignores)})
