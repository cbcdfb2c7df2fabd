"""Anthropic: activities of an organisation (`GET /v1/compliance/activities`), and the audit log that Claude exports.

Names of fields: Anthropic's documentation of the Compliance API. verified: memory for the columns of the audit log's
CSV.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation

_OF_THE_API: Final = ("api_", "admin_api_", "platform_", "workspace_", "compliance_", "scoped_api_", "service_key")
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")


def read(export: Export) -> Iterator[Observation]:
    """Each activity: who, and what sort. Titles and texts of conversations are not read."""
    for row in export.rows("data", "activities"):
        operation = row.text("type", "event")
        if not operation:
            export.unreadable(row.number, "rows that are no activity")
            continue
        actor = row.row("actor")
        yield export.see(
            "cloud.call",
            row.number,
            subject=_who(row, actor),
            at=row.text("createdat"),
            host="api.anthropic.com" if operation.startswith(_OF_THE_API) else "claude.ai",
            operation=operation,
            account=row.text("organizationuuid", "organizationid"),
            client=actor.text("ipaddress") or row.text("ipaddress"),
            user_agent=actor.text("useragent") or row.text("useragent"),
        )


def _who(row: Row, actor: Row) -> str:
    told = actor.text("emailaddress", "unauthenticatedemailaddress", "userid", "apikeyid", "adminapikeyid")
    found = _EMAIL.search(row.text("actorinfo"))
    return told or (found[0] if found else "")


SOURCE = Source(
    name="anthropic",
    title="Anthropic organisation log",
    doc="`GET /v1/compliance/activities` as JSON or JSON lines, or the audit log that an owner exports from Claude.",
    emits=("cloud.call",),
    proves="the organisation has an account at Anthropic, and who uses it",
    cannot="accounts that are not the organisation's; which model is asked, and how much",
    shapes=(
        Shape("json", ("actor", "createdat", "type", "organizationuuid|organizationid"), r'"\w+_actor"'),
        Shape("table", ("createdat", "actorinfo", "event")),
        Shape("json", ("createdat", "actorinfo", "event")),
    ),
    read=read,
)
