"""Names behind pseudonyms: asked for with a reason, agreed to by a second person; access and erasure for a person."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from litestar import get, post
from litestar.params import FromQuery, JSONBody, PathParameter

from aimscope_collector.accounts import Role
from aimscope_collector.audit import Entry
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, Limit, cursor_of, read_cursor
from aimscope_collector.http.problems import Failed
from aimscope_collector.privacy import PrivacyPolicy
from aimscope_collector.store import privacy, reveals
from aimscope_collector.store.database import writing
from aimscope_collector.store.privacy import AboutSubject
from aimscope_collector.store.reveals import Reveal

Id = Annotated[int, PathParameter(ge=1, le=1 << 53)]
Pseudonym = Annotated[str, PathParameter(max_length=64, pattern=r"^[A-Za-z0-9-]+$")]


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose name, in which of one's roles, and why."""

    pseudonym: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    what: Literal["person", "device"] = "person"
    role: Role
    reason: Annotated[str, msgspec.Meta(max_length=4_000)]


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asked for it, and where that is on file."""

    reason: Annotated[str, msgspec.Meta(max_length=4_000)]


class Reveals(msgspec.Struct, frozen=True):
    """A page, the newest first."""

    items: list[Reveal]
    next: str | None


class Name(msgspec.Struct, frozen=True):
    """The name."""

    name: str


class Erased(msgspec.Struct, frozen=True):
    """How many totals count for the machine now."""

    totals: int


class Watch(msgspec.Struct, frozen=True):
    """A page of what the privacy role is shown, the newest first."""

    items: list[Entry]
    next: str | None


class Changed(msgspec.Struct, frozen=True):
    """Each way in which the change shows more than before."""

    widened: tuple[str, ...]


def _number(cursor: str | None, order: str) -> int:
    before = 0 if cursor is None else read_cursor(cursor, order)[0]
    if not isinstance(before, int):
        raise Failed(400, "cursor", "The cursor belongs to another list: begin without one.")
    return before


def _sees(who: Who) -> None:
    if not any(who.may(word) for word in ("people:reveal", "people:approve", "privacy:read")):
        raise Failed(403, "forbidden", "This needs one of people:reveal, people:approve, privacy:read.")


@get("/reveals", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["people"])
def list_reveals(
    given: Here, who: Who, waiting: FromQuery[bool] = False, limit: Limit = 100, cursor: Cursor = None
) -> Reveals:
    """Requests for names. Needs people:reveal, people:approve or privacy:read as well."""
    _sees(who)
    with given.engine.connect() as connection:
        found = reveals.reveals(connection, waiting=waiting, before=_number(cursor, "reveals"), limit=limit + 1)
    more = cursor_of("reveals", found[limit - 1].id, "") if len(found) > limit else None
    return Reveals(found[:limit], more)


@post("/reveals", opt={"needs": "people:reveal"}, sync_to_thread=True, tags=["people"])
def ask(given: Here, who: Who, data: JSONBody[Ask]) -> Reveal:
    """Ask for the name behind a pseudonym."""
    with writing(given.engine) as connection:
        return reveals.ask(
            connection,
            pseudonym=data.pseudonym,
            what=data.what,
            by=who,
            role=data.role,
            reason=data.reason,
            at=given.now(),
            policy=privacy.policy(connection),
        )


@post("/reveals/{reveal:int}/agree", opt={"needs": "people:approve"}, sync_to_thread=True, tags=["people"])
def agree(given: Here, who: Who, reveal: Id) -> Reveal:
    """Agree, as the second person."""
    with writing(given.engine) as connection:
        return reveals.agree(connection, reveal=reveal, by=who, at=given.now())


@post("/reveals/{reveal:int}/refuse", opt={"needs": "people:approve"}, sync_to_thread=True, tags=["people"])
def refuse(given: Here, who: Who, reveal: Id) -> Reveal:
    """Refuse it, as the second person."""
    with writing(given.engine) as connection:
        return reveals.refuse(connection, reveal=reveal, by=who, at=given.now())


@post("/reveals/{reveal:int}/open", opt={"needs": "people:reveal"}, sync_to_thread=True, tags=["people"])
def open_name(given: Here, who: Who, reveal: Id) -> Name:
    """The name, for who asked for it; each time is audited."""
    with given.engine.connect() as connection:
        known = {one.id: one for one in reveals.reveals(connection, before=reveal + 1, limit=1)}.get(reveal)
    key = given.private_key("devices" if known is not None and known.what == "device" else "people")
    with writing(given.engine) as connection:
        name = reveals.open_name(
            connection, reveal=reveal, by=who, at=given.now(), key=key, policy=privacy.policy(connection)
        )
    return Name(name)


@post("/people/{pseudonym:str}/access", opt={"needs": "people:access"}, sync_to_thread=True, tags=["people"])
def access(given: Here, who: Who, pseudonym: Pseudonym, data: JSONBody[Reason]) -> AboutSubject:
    """Everything about one pseudonym, for the person it stands for."""
    with writing(given.engine) as connection:
        return privacy.access(connection, pseudonym=pseudonym, by=who, reason=data.reason, at=given.now())


@post("/people/{pseudonym:str}/erase", opt={"needs": "people:erase"}, sync_to_thread=True, tags=["people"])
def erase(given: Here, who: Who, pseudonym: Pseudonym, data: JSONBody[Reason]) -> Erased:
    """Forget who it was; its totals count for the machine."""
    with writing(given.engine) as connection:
        moved = privacy.erase(connection, pseudonym=pseudonym, by=who, reason=data.reason, at=given.now())
    given.touch(None)
    return Erased(moved)


@get("/privacy", opt={"needs": "policy:read"}, sync_to_thread=True, tags=["privacy"])
def show_privacy(given: Here) -> PrivacyPolicy:
    """What is shown of people."""
    with given.engine.connect() as connection:
        return privacy.policy(connection)


@post("/privacy", opt={"needs": "policy:write"}, sync_to_thread=True, tags=["privacy"], status_code=200)
def set_privacy(given: Here, who: Who, data: JSONBody[PrivacyPolicy]) -> Changed:
    """Change that; what widens is shown to the privacy role."""
    with writing(given.engine) as connection:
        return Changed(privacy.set_policy(connection, data, by=who.name, at=given.now()))


@get("/privacy/watch", opt={"needs": "privacy:read"}, sync_to_thread=True, tags=["privacy"])
def watch(given: Here, limit: Limit = 100, cursor: Cursor = None) -> Watch:
    """What widened, every reveal, subject access and erasure."""
    with given.engine.connect() as connection:
        found = privacy.seen_by_privacy(connection, after=_number(cursor, "privacy"), limit=limit + 1)
    more = cursor_of("privacy", found[limit - 1].sequence, "") if len(found) > limit else None
    return Watch(found[:limit], more)


ROUTES: Final = (
    list_reveals,
    ask,
    agree,
    refuse,
    open_name,
    access,
    erase,
    show_privacy,
    set_privacy,
    watch,
)
