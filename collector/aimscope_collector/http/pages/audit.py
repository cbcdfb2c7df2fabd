"""The audit log: who did what, when, and whether the chain is whole."""

from __future__ import annotations

from typing import Final

from litestar import Response, get

from aimscope_collector.http.api.records import list_audit, verify_audit
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.queried import queried
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor

_ROWS: Final = 100
_MOMENTS: Final = frozenset(("as_of", "from", "until", "expires", "expires_at", "effective_from", "due", "review_on"))
"""Particulars that are seconds since 1970: people read dates."""


@get("/audit", opt={"needs": "audit:read"}, sync_to_thread=True)
def audit(given: Here, who: Who, frame: shown.Here, cursor: Cursor = None) -> Response[str]:
    """Entries, the latest first."""
    asked = queried(frame)
    action = asked.name("action")
    found = ask(
        list_audit,
        given,
        who,
        actor=asked.name("actor"),
        action=f"{action}." if action and "." not in action else action,  # login: all that begins with it
        first=asked.day("from"),
        last=asked.day("to"),
        limit=_ROWS,
        cursor=cursor,
    )
    return frame.show("audit.html", entries=found.items, next=found.next, moments=_MOMENTS)


@get("/audit/verify", opt={"needs": "audit:read"}, sync_to_thread=True)
def verify(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """Whether every entry still follows from the one before."""
    return frame.show("audit_verified.html", verified=ask(verify_audit, given, who))


ROUTES: Final = (audit, verify)
