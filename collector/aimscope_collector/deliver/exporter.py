"""Delivery of the journal to destinations: each in its own order, at least once, none of which delays another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa

from aimscope_collector.deliver.carrying import Refused
from aimscope_collector.deliver.destination import Destination, Flight, Outcome, Shown, Stamp, named, rendered
from aimscope_collector.deliver.rounds import Round
from aimscope_collector.events import Event
from aimscope_collector.store import exports, journal
from aimscope_collector.store._insert import batches
from aimscope_collector.store.database import writing
from aimscope_collector.store.journal import Entry
from aimscope_collector.store.tables.fleet import ASSET

Names = Callable[[bytes], str]
"""Opens the sealed name of a device. Raises ``KeysError``."""


class Exporter:
    """Delivers. ``holder`` tells this collector from others; ``opener`` gives what opens names of devices."""

    def __init__(
        self,
        engine: sa.Engine,
        destinations: Sequence[Destination],
        *,
        stamp: Stamp,
        holder: str,
        now: Callable[[], int],
        opener: Callable[[], Names] | None = None,
    ) -> None:
        self._engine = engine
        self.destinations = {one.name: one for one in destinations}
        self._stamp = stamp
        self._holder = holder
        self._now = now
        self._opener = opener
        self._flights = {name: Flight() for name in self.destinations}
        self._stopping = threading.Event()

    @property
    def types(self) -> frozenset[str]:
        """Every type of event that somebody wants."""
        return frozenset(type_ for one in self.destinations.values() for type_ in one.wanted.types)

    @property
    def budget(self) -> int:
        """Events of mere numbers that are worth writing down in a day."""
        return max((one.counters for one in self.destinations.values()), default=0)

    def begin(self) -> None:
        """Know every destination from now on: to be called once, before anything happens."""
        with writing(self._engine) as connection:
            for one in self.destinations.values():
                exports.ensure(connection, one.name, since=one.since, now=self._now())

    def stop(self) -> None:
        """Have rounds end after the batch at hand."""
        self._stopping.set()

    def end(self) -> None:
        """Close connections, and leave destinations to other collectors."""
        for name, flight in self._flights.items():
            with flight.lock:
                flight.sent.clear()
                self.destinations[name].carrier.close()
        with writing(self._engine) as connection:
            exports.release(connection, holder=self._holder)

    def round(self, name: str, *, waits: bool = True) -> Outcome:
        """Deliver what waits for one destination, for half a minute at most. Raises ``KeyError`` for another name."""
        destination, flight = self.destinations[name], self._flights[name]
        with flight.lock:
            began = self._now()
            with writing(self._engine) as connection:
                state = exports.claim(connection, name, holder=self._holder, now=began, waits=waits)
            if state is None:
                return Outcome(elsewhere=True)
            one = Round(
                self._engine,
                destination,
                flight,
                events=self.events,
                stopping=self._stopping.is_set,
                holder=self._holder,
                now=self._now,
                began=began,
            )
            return one.run(state)

    def finish(self, name: str, *, pause: Callable[[float], object]) -> Outcome:
        """As ``round`` does, though it was left alone; and wait for what nobody confirms to have settled."""
        done = self.round(name, waits=False)
        for _ in range(self.destinations[name].carrier.settles + 2):
            if not self._flights[name].sent or done.failure:
                break
            pause(1.0)
            more = self.round(name)
            done = Outcome(sent=done.sent + more.sent, dead=done.dead + more.dead, failure=more.failure)
        return done

    def trim(self) -> None:
        """Keep the journal within its bounds."""
        filters = {name: one.wanted for name, one in self.destinations.items()}
        while True:
            with writing(self._engine) as connection:
                if not journal.trim(connection, now=self._now(), filters=filters):
                    journal.forget(connection)
                    return

    def preview(self, name: str, *, limit: int, names: bool) -> tuple[bool, list[Shown]]:
        """The next events as a destination will get them; where none waits, the latest. Whether they wait.

        Names of devices only where ``names`` says that who asks may see them.
        """
        one = self.destinations[name]
        with self._engine.connect() as connection:
            state = exports.state(connection, name)
            place = state.cursor if state else journal.head(connection)
            entries = journal.read(connection, after=place, wanted=one.wanted, limit=limit)
            waits = bool(entries)
            entries = entries or journal.latest(connection, wanted=one.wanted, limit=limit)
        found = []
        for entry, event in zip(entries, self.events(one, entries, names=names), strict=True):
            record = rendered(one, event)
            text = str(record) if isinstance(record, Refused) else record.decode("utf-8", "replace")
            found.append(Shown(uid=entry.uid, type=entry.type, at=entry.at, record=text))
        return waits, found

    def events(self, one: Destination, entries: Sequence[Entry], *, names: bool = True) -> list[Event]:
        """Events as a destination may have them."""
        stamp = msgspec.structs.asdict(self._stamp)
        found = [msgspec.structs.replace(entry.event(), **stamp) for entry in entries]
        if not (one.names and names) or self._opener is None:
            return found
        known = self._known({event.device.uid for event in found if event.device is not None})
        return [named(event, known) for event in found]

    def _known(self, pseudonyms: set[str]) -> dict[str, str]:
        if not pseudonyms or self._opener is None:
            return {}
        opened = self._opener()
        query = sa.select(ASSET.c.pseudonym, ASSET.c.sealed).where(ASSET.c.sealed.is_not(None))
        with self._engine.connect() as connection:
            return {
                row.pseudonym: opened(row.sealed)
                for some in batches(sorted(pseudonyms))
                for row in connection.execute(query.where(ASSET.c.pseudonym.in_(some)))
            }
