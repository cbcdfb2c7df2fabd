"""Microsoft Entra ID: enterprise applications and the consent given to them.

Names of fields: Microsoft Graph (`servicePrincipal`, `oAuth2PermissionGrant`); columns of the portal's CSV: as a
published script writes them "in the same format".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation, Status, Value
from aimscope_signatures.normalise import hostname

_MICROSOFTS: Final = frozenset({"f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"})
"""Tenants whose applications every customer has, used or not."""
_MOST_KNOWN: Final = 200_000
_MOST_HOSTS: Final = 16
_MOST_SCOPES: Final = 64


def read(export: Export) -> Iterator[Observation]:
    """Applications; and grants of applications that this file or one before it names."""
    missing = 0
    for row in export.rows("value", "serviceprincipals", "oauth2permissiongrants"):
        if row.has("clientid", "scope") and not row.has("displayname"):
            known = export.shared.get(row.text("clientid"))
            if isinstance(known, dict):
                yield export.see(
                    "oauth.grant",
                    row.number,
                    subject=row.text("principalid"),
                    **known,
                    scopes=row.texts("scope")[:_MOST_SCOPES],
                )
            elif known is None:
                missing += 1
        else:
            yield from _application(export, row)
    if missing:
        export.gap(
            Status.PARTIAL,
            "grants of applications that no file names",
            missing,
            "name the file of servicePrincipals before that of oauth2PermissionGrants",
        )


def _application(export: Export, row: Row) -> Iterator[Observation]:
    name = row.text("displayname", "appdisplayname", "name")
    if not name:
        export.unreadable(row.number, "rows without a name")
        return
    owner = row.text("appownerorganizationid", "appownertenantid")
    first_party = owner in _MICROSOFTS or "microsoft application" in row.text("applicationtype").casefold()
    object_id = row.text("id", "objectid")
    if first_party or row.text("serviceprincipaltype", "applicationtype").replace(" ", "") == "ManagedIdentity":
        export.counts["every customer has, or are machines"] += 1
        if object_id and len(export.shared) < _MOST_KNOWN:
            export.shared[object_id] = False
        return
    verified = row.row("verifiedpublisher")
    # where sign-in leads back to is often the vendor's place for all its products
    homepage = row.text("homepage", "homepageurl")
    urls = (homepage,) if homepage else row.texts("replyurls")
    hosts = tuple(dict.fromkeys(host for url in urls if (host := hostname(url)) and "." in host))[:_MOST_HOSTS]
    fields: dict[str, Value] = {
        "app": name,
        "publisher": row.text("publishername") or verified.text("displayname"),
        "client_id": row.text("appid"),
        "host": hosts,
    }
    if row.has("verifiedpublisher"):
        fields["verified"] = bool(verified.text("verifiedpublisherid", "displayname"))
    if object_id and len(export.shared) < _MOST_KNOWN:
        export.shared[object_id] = fields
    yield export.see("oauth.grant", row.number, subject="", asset="", at=row.text("createddatetime"), **fields)


SOURCE = Source(
    name="entra",
    title="Microsoft Entra ID",
    doc="Graph's `/servicePrincipals` and then `/oauth2PermissionGrants` as JSON, or Enterprise applications > "
    "Download as CSV.",
    emits=("oauth.grant",),
    proves="somebody of the organisation signed in to the application or gave it consent",
    cannot="whether it is still used; services that people use without the organisation's account; names are the "
    "application's own",
    shapes=(
        Shape("json", ("appid", "displayname", "serviceprincipaltype|appownerorganizationid|replyurls|publishername")),
        Shape("json", ("clientid", "consenttype", "resourceid", "scope")),
        Shape("table", ("id", "displayname", "appid", "applicationtype|createddatetime|accountenabled")),
    ),
    read=read,
    verified="source",
)
