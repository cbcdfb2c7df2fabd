"""The audit log: who did what, when, and whether the chain is whole."""

from __future__ import annotations

from typing import Final

from litestar import Response, get

from aimscope_collector.http.api.records import list_audit, verify_audit
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, From, Name, To

_ROWS: Final = 100


@get("/audit", opt={"needs": "audit:read"}, sync_to_thread=True)
def audit(
    given: Here,
    who: Who,
    frame: shown.Here,
    actor: Name = None,
    action: Name = None,
    first: From = None,
    last: To = None,
    cursor: Cursor = None,
) -> Response[str]:
    """Entries, the latest first."""
    found = ask(
        list_audit,
        given,
        who,
        actor=actor or None,
        action=action or None,
        first=first,
        last=last,
        limit=_ROWS,
        cursor=cursor,
    )
    return frame.show("audit.html", entries=found.items, next=found.next)


@get("/audit/verify", opt={"needs": "audit:read"}, sync_to_thread=True)
def verify(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """Whether every entry still follows from the one before."""
    return frame.show("audit_verified.html", verified=ask(verify_audit, given, who))


ROUTES: Final = (audit, verify)
