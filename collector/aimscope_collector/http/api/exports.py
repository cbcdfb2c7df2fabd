"""Events for a SIEM: destinations and how they do, previews, dead letters, replays; what goes by which carrier."""

from __future__ import annotations

import threading
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from aimscope_collector.deliver.configured import DestinationsError
from aimscope_collector.deliver.destination import Destination, Shown
from aimscope_collector.deliver.exporter import Exporter
from aimscope_collector.formats import formats
from aimscope_collector.http.given import Given, Here, Who
from aimscope_collector.http.paging import Cursor, Limit, cursor_of, read_cursor
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.store import audit, exports, journal
from aimscope_collector.store.database import writing
from aimscope_collector.store.exports import DeadLetter, State

_LONGEST: Final = 366 * 86_400
_MOST_SHOWN: Final = 100
To = Annotated[str, PathParameter(max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class Going(msgspec.Struct, frozen=True, kw_only=True):
    """A destination and how it does.

    ``waiting`` events come after its place in the journal, the oldest of them ``lag`` seconds ago. ``dropped`` were
    removed before it had them, ``held_back`` are mere numbers beyond the day's budget, ``dead`` wait to be looked at.
    """

    name: str
    format: str
    carrier: str
    where: str
    types: tuple[str, ...]
    devices_by_name: bool
    waiting: int
    lag: int
    delivered: int
    delivered_at: int | None
    dead: int
    dropped: int
    held_back: int
    failed: int
    failure: str
    failing_since: int | None
    next_at: int
    replaying: bool


class Destinations(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. ``journal`` is how many events are kept, for all destinations together, and ``most`` the bound."""

    items: list[Going]
    journal: int
    most: int


class Preview(msgspec.Struct, frozen=True):
    """Events as the destination gets them; ``waiting`` is false where none waits and these are the latest."""

    waiting: bool
    items: list[Shown]


class DeadLetters(msgspec.Struct, frozen=True):
    """A page, the newest first."""

    items: list[DeadLetter]
    next: str | None


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A format, the carriers that can take it, its options with their defaults, and against what it is tested."""

    format: str
    title: str
    carriers: tuple[str, ...]
    options: dict[str, str]
    tested: str
    notes: str
    reference: str


class Table(msgspec.Struct, frozen=True):
    """Every valid pair of format and carrier."""

    items: list[Pair]


class Period(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From a moment to another, which is not in it; seconds since 1970 UTC."""

    since: Annotated[int, msgspec.Meta(ge=0, le=1 << 52)]
    until: Annotated[int, msgspec.Meta(ge=0, le=1 << 52)] | None = None


class Counted(msgspec.Struct, frozen=True):
    """How many events are concerned."""

    events: int


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What came of delivering at once. ``elsewhere``: another collector delivers to it at this moment."""

    sent: int
    dead: int
    failure: str
    elsewhere: bool


@get("/exports", opt={"needs": "exports:read"}, sync_to_thread=True, tags=["exports"])
def list_destinations(given: Here) -> Destinations:
    """Where events go, and how each destination does."""
    exporter = delivers(given)
    now = given.now()
    with given.engine.connect() as connection:
        states, dead = exports.states(connection), exports.dead_counts(connection)
        items = []
        for name, one in sorted(exporter.destinations.items()):
            place = states[name].cursor if name in states else journal.head(connection)
            waiting, oldest = journal.waiting(connection, after=place, wanted=one.wanted)
            lag = 0 if oldest is None else max(0, now - oldest)
            items.append(_going(one, states.get(name), waiting, lag, dead.get(name, 0)))
        return Destinations(items=items, journal=journal.size(connection), most=journal.MOST)


@get("/exports/formats", opt={"needs": "exports:read"}, sync_to_thread=True, tags=["exports"])
def list_formats() -> Table:
    """Which format goes by which carrier."""
    return Table(
        [
            Pair(
                format=one.name,
                title=one.title,
                carriers=tuple(sorted(one.carriers)),
                options=dict(one.options),
                tested=one.tested,
                notes=one.notes,
                reference=one.reference,
            )
            for one in formats().values()
        ]
    )


@get("/exports/{destination:str}/preview", opt={"needs": "exports:read"}, sync_to_thread=True, tags=["exports"])
def preview_events(
    given: Here,
    who: Who,
    destination: To,
    limit: Annotated[int, QueryParameter(ge=1, le=_MOST_SHOWN, description="Events.")] = 10,
) -> Preview:
    """The next events in the destination's format. Devices are named only for who may see their names."""
    exporter, _ = _one(given, destination)
    waiting, items = exporter.preview(destination, limit=limit, names=who.may("devices:see"))
    return Preview(waiting, items)


@get("/exports/{destination:str}/dead", opt={"needs": "exports:read"}, sync_to_thread=True, tags=["exports"])
def list_dead_letters(given: Here, destination: To, limit: Limit = 100, cursor: Cursor = None) -> DeadLetters:
    """Events the destination refused, or did not take for a week."""
    _one(given, destination)
    order = f"dead {destination}"
    before = 0 if cursor is None else read_cursor(cursor, order)[0]
    if not isinstance(before, int):
        raise Failed(400, "cursor", "The cursor belongs to another list: begin without one.")
    with given.engine.connect() as connection:
        found = exports.dead_letters(connection, destination, before=before, limit=limit + 1)
    more = cursor_of(order, found[limit - 1].id, "") if len(found) > limit else None
    return DeadLetters(found[:limit], more)


@post("/exports/{destination:str}/retry", opt={"needs": "exports:write"}, sync_to_thread=True, tags=["exports"])
def retry_destination(given: Here, who: Who, destination: To) -> Counted:
    """Try a destination again at once, and all its dead letters."""
    _one(given, destination)
    with writing(given.engine) as connection:
        events = exports.retry(connection, destination)
        facts = {"dead_letters": events}
        audit.record(
            connection, at=given.now(), actor=who.name, action="export.retried", about=destination, facts=facts
        )
    return Counted(events)


@post("/exports/{destination:str}/replay", opt={"needs": "exports:write"}, sync_to_thread=True, tags=["exports"])
def replay_destination(given: Here, who: Who, destination: To, data: JSONBody[Period]) -> Counted:
    """Send a period once more. Events keep their ids: receivers know a repetition by them."""
    _, one = _one(given, destination)
    now = given.now()
    until = now + 1 if data.until is None else data.until
    if data.since >= until or until - data.since > _LONGEST:
        raise Failed(422, "period", "The period ends before it begins, or is longer than a year.")
    with writing(given.engine) as connection:
        events = exports.replay(connection, destination, since=data.since, until=until, wanted=one.wanted)
        facts = {"since": data.since, "until": until, "events": events}
        audit.record(connection, at=now, actor=who.name, action="export.replayed", about=destination, facts=facts)
    return Counted(events)


@post("/exports/{destination:str}/deliver", opt={"needs": "exports:write"}, sync_to_thread=True, tags=["exports"])
def deliver_now(given: Here, destination: To) -> Round:
    """Deliver what waits now, also to a destination that is left alone after a failure. Takes a minute at most."""
    exporter, _ = _one(given, destination)
    done = exporter.finish(destination, pause=threading.Event().wait)
    return Round(sent=done.sent, dead=done.dead, failure=done.failure, elsewhere=done.elsewhere)


def delivers(given: Given) -> Exporter:
    """What delivers events. Raises ``Failed`` where the file of destinations is wrong."""
    if given.exporter is None:
        raise Failed(409, "no-exports", "This collector delivers no events.")
    try:
        return given.exporter()
    except DestinationsError as error:
        raise Failed(409, "destinations", str(error)) from None


def _one(given: Given, name: str) -> tuple[Exporter, Destination]:
    exporter = delivers(given)
    if name not in exporter.destinations:
        raise not_found("destination")
    return exporter, exporter.destinations[name]


def _going(one: Destination, state: State | None, waiting: int, lag: int, dead: int) -> Going:
    return Going(
        name=one.name,
        format=one.format.name,
        carrier=one.carried,
        where=one.where,
        types=tuple(one.wanted.types),
        devices_by_name=one.names,
        waiting=waiting,
        lag=lag,
        delivered=state.delivered if state else 0,
        delivered_at=state.delivered_at if state else None,
        dead=dead,
        dropped=state.dropped if state else 0,
        held_back=state.held_back if state else 0,
        failed=state.failed if state else 0,
        failure=state.failure if state else "",
        failing_since=state.failing_since if state else None,
        next_at=state.next_at if state else 0,
        replaying=state is not None and state.replay_cursor is not None,
    )


ROUTES: Final = (
    list_destinations,
    list_formats,
    preview_events,
    list_dead_letters,
    retry_destination,
    replay_destination,
    deliver_now,
)
