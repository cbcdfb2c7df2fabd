"""OpenAI: the audit log of an organisation's API platform (`GET /v1/organization/audit_logs`).

Names of fields: OpenAI's API specification.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation

_HOST: Final = "api.openai.com"


def read(export: Export) -> Iterator[Observation]:
    """Each event: who did it, and what. Nothing of what was asked of a model is in this log."""
    for row in export.rows("data"):
        operation = row.text("type")
        if not operation or not row.has("actor"):
            export.unreadable(row.number, "rows that are no event")
            continue
        actor = row.row("actor")
        session, key = actor.row("session"), actor.row("apikey")
        user = session.row("user").text("email") or key.row("user").text("email")
        yield export.see(
            "cloud.call",
            row.number,
            subject=user or key.row("serviceaccount").text("id"),
            at=row.text("effectiveat"),
            host=_HOST,
            operation=operation,
            account=row.row("project").text("name", "id"),
            client=session.text("ipaddress"),
            user_agent=session.text("useragent"),
        )


SOURCE = Source(
    name="openai",
    title="OpenAI organisation audit log",
    doc="`GET /v1/organization/audit_logs`, as JSON or JSON lines.",
    emits=("cloud.call",),
    proves="the organisation has an account at OpenAI, and who changes it: keys, projects, members",
    cannot="which model is asked, and how much; ChatGPT; accounts that are not the organisation's",
    shapes=(Shape("json", ("type", "effectiveat", "actor")),),
    read=read,
    verified="source",
)
