"""Sessions of people with a browser: one's own, seen and ended; and the rules by which people log in."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, put
from litestar.params import JSONBody, PathParameter

from aimscope_collector.http import cookies
from aimscope_collector.http.access import KNOWN
from aimscope_collector.http.given import Given, Here, Who
from aimscope_collector.store import sessions
from aimscope_collector.store.database import writing
from aimscope_collector.store.sessions import Listed, Logins, Session

SessionId = Annotated[str, PathParameter(max_length=16, pattern=r"^[0-9a-f]{16}$")]


class Sessions(msgspec.Struct, frozen=True):
    """Sessions, the newest first."""

    items: list[Listed]


class Ended(msgspec.Struct, frozen=True):
    """How many sessions were ended."""

    sessions: int


@get("/sessions", opt={"needs": KNOWN}, sync_to_thread=True, tags=["sessions"])
def list_sessions(request: Request[Any, Any, Any], given: Here, who: Who) -> Sessions:
    """One's own sessions that are open."""
    return Sessions(own(given, who.account, request))


def own(given: Given, account: int, request: Request[Any, Any, Any]) -> list[Listed]:
    """The same, for pages too."""
    session = request.scope.get("auth")
    current = session.id if isinstance(session, Session) else ""
    with given.engine.connect() as connection:
        return sessions.listed(connection, account=account, now=given.now(), current=current)


@delete("/sessions/{session:str}", opt={"needs": KNOWN}, sync_to_thread=True, tags=["sessions"], status_code=200)
def end_session(given: Here, who: Who, session: SessionId) -> Ended:
    """End one of one's own sessions."""
    with writing(given.engine) as connection:
        sessions.end_listed(connection, account=who.account, session=session, by=who.name, at=given.now())
    return Ended(1)


@delete("/sessions", opt={"needs": KNOWN}, sync_to_thread=True, tags=["sessions"], status_code=200)
def end_other_sessions(request: Request[Any, Any, Any], given: Here, who: Who) -> Ended:
    """End all of one's own sessions but the one that asks."""
    keep = cookies.secret_of(request.cookies, request.scope.get("scheme"))
    with writing(given.engine) as connection:
        ended = sessions.end_all(connection, account=who.account, by=who.name, at=given.now(), keep=keep)
    return Ended(ended)


@get("/logins", opt={"needs": "policy:read"}, sync_to_thread=True, tags=["sessions"])
def show_logins(given: Here) -> Logins:
    """How people log in: when sessions end, and which roles need a second factor."""
    with given.engine.connect() as connection:
        return sessions.logins(connection)


@put("/logins", opt={"needs": "settings:write"}, sync_to_thread=True, tags=["sessions"])
def set_logins(given: Here, who: Who, data: JSONBody[Logins]) -> Logins:
    """Set that; it holds at once, also for sessions that are open."""
    with writing(given.engine) as connection:
        sessions.set_logins(connection, data, by=who.name, at=given.now())
    return data


ROUTES: Final = (list_sessions, end_session, end_other_sessions, show_logins, set_logins)
