"""Google Workspace: applications that people gave access to their account.

Names of fields: Google's Directory API (tokens.list) and Reports API (activities of `token`). verified: memory for the
columns of the admin console's CSV (OAuth log events, app access control).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation

_OVER: Final = ("revoke", "deny")
_MOST_SCOPES: Final = 64


def read(export: Export) -> Iterator[Observation]:
    """Each application of each person, or of all."""
    for row in export.rows("items", "tokens", "activities"):
        if row.has("events"):
            yield from _events(export, row)
        elif row.text("event", "eventname").casefold().startswith(_OVER):
            export.counts["taken back or refused"] += 1
        else:
            yield from _seen(
                export,
                row,
                app=row.text("displaytext", "applicationname", "appname"),
                client=row.text("clientid", "id", "appid"),
                user=row.text("userkey", "user", "actor", "actoremail", "useremail"),
                scopes=row.texts("scopes", "scope"),
                at=row.text("date", "time", "datetime"),
            )


def _events(export: Export, row: Row) -> Iterator[Observation]:
    for event in row.rows("events"):
        if event.text("name").casefold().startswith(_OVER):
            export.counts["taken back or refused"] += 1
            continue
        parameters = {each.text("name"): each for each in event.rows("parameters")}
        nothing = Row(row.number, {})
        yield from _seen(
            export,
            row,
            app=parameters.get("app_name", nothing).text("value"),
            client=parameters.get("client_id", nothing).text("value"),
            user=row.row("actor").text("email"),
            scopes=parameters.get("scope", nothing).texts("multivalue", "value"),
            at=row.row("id").text("time"),
        )


def _seen(
    export: Export, row: Row, *, app: str, client: str, user: str, scopes: tuple[str, ...], at: str
) -> Iterator[Observation]:
    if not app:
        export.unreadable(row.number, "rows without a name")
        return
    yield export.see(
        "oauth.grant", row.number, subject=user, at=at, app=app, client_id=client, scopes=scopes[:_MOST_SCOPES]
    )


SOURCE = Source(
    name="google_workspace",
    title="Google Workspace",
    doc="The Directory API's `tokens.list`, the Reports API's activities of `token`, or the admin console's CSV of "
    "OAuth log events or of app access control.",
    emits=("oauth.grant",),
    proves="somebody of the organisation gave the application access to their account",
    cannot="whether it is still used; services that people use without the organisation's account; names are the "
    "application's own",
    shapes=(
        Shape("json", ("clientid", "displaytext", "scopes|userkey")),
        Shape("json", ("events", "parameters", "actor"), r'"app_name"'),
        Shape("table", ("applicationname", "clientid", "event|scope|actor|user")),
        Shape("table", ("clientid", "displaytext", "user|userkey")),
        Shape("table", ("appname", "id", "type", "access|accessstatus|users|verifiedstatus|requestedservices")),
    ),
    read=read,
)
