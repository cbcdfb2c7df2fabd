"""One round of deliveries: in order, in batches, with what is refused kept aside and what fails tried again.

What a receiver confirms is passed over for good at once. Where nothing confirms (syslog), what was sent stays *in
flight* until the connection has lived on for a while, and is sent again when it breaks before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from aimscope_collector.deliver import Failure
from aimscope_collector.deliver.carrying import Batch, Refused, cut
from aimscope_collector.deliver.destination import Destination, Flight, Outcome, rendered
from aimscope_collector.events import Event
from aimscope_collector.store import exports, journal
from aimscope_collector.store.database import writing
from aimscope_collector.store.exports import Done, Lane, State
from aimscope_collector.store.journal import Entry

MOST_REFUSED: Final = 20
"""Refusals in a row after which it is the destination, and no longer the events, that is held to be wrong."""
_ROUND: Final = exports.LEASE // 4
_READ: Final = 500
_DAY: Final = 86_400


class RefusesAll(Failure):
    """So many refusals in a row that no event is to blame: everything waits until somebody has looked at it."""


class Round:
    """One round of one destination, whose lease is held."""

    def __init__(
        self,
        engine: sa.Engine,
        one: Destination,
        flight: Flight,
        *,
        events: Callable[[Destination, Sequence[Entry]], list[Event]],
        stopping: Callable[[], bool],
        holder: str,
        now: Callable[[], int],
        began: int,
    ) -> None:
        self._events = events
        self._stopping = stopping
        self._engine = engine
        self._one = one
        self._flight = flight
        self._holder = holder
        self._now = now
        self._began = began
        self._sent = self._dead = self._in_row = self._refusals = 0

    def run(self, state: State) -> Outcome:
        """Deliver until nothing waits, something fails, or it takes too long."""
        self._in_row = state.refused_in_row
        failure = ""
        try:
            self._settle(state)
            self._try_again()
            while not self._over():
                with self._engine.connect() as connection:
                    current = exports.state(connection, self._one.name)
                if current is None or not self._next(current):
                    break
        except Failure as raised:
            failure = str(raised)
            self._flight.sent.clear()
            with writing(self._engine) as connection:
                now = self._now()
                about = (self._one.name, failure)
                exports.failed(
                    connection, about[0], holder=self._holder, now=now, why=failure, retry_after=raised.retry_after
                )
                self._dead += exports.give_up(connection, about[0], wanted=self._one.wanted, why=failure, now=now)
        return Outcome(sent=self._sent, dead=self._dead, failure=failure)

    def _over(self) -> bool:
        return self._stopping() or self._now() - self._began >= _ROUND

    def _settle(self, state: State) -> None:
        """What is in flight for long enough, over a connection that lives, is delivered."""
        flight, carrier = self._flight, self._one.carrier
        flight.place(state)
        if not flight.sent or not carrier.check():
            return
        place = delivered = 0
        while flight.sent and flight.sent[0][1] + carrier.settles <= self._now():
            place = flight.sent.popleft()[0]
            delivered += 1
        if delivered:
            self._done(Done(lane=flight.lane, place=place, delivered=delivered, refused_in_row=self._in_row))

    def _try_again(self) -> None:
        """Dead letters somebody wants to be tried again, one by one."""
        with self._engine.connect() as connection:
            wanted = exports.to_try_again(connection, self._one.name)
        for letter, entry in wanted:
            _, failures = self._carry([entry])
            with writing(self._engine) as connection:
                if failures:
                    exports.bury(connection, self._one.name, [(entry, str(failures[0]))], now=self._now())
                else:
                    exports.revived(connection, self._one.name, ids=[letter.id], now=self._now())
                    self._sent += 1

    def _next(self, state: State) -> bool:
        """Deliver some more. Whether there may be more still."""
        after = self._flight.place(state)
        until = state.replay_until if state.lane == "replay" else None
        with self._engine.connect() as connection:
            head = journal.head(connection) if until is None else until
            entries = journal.read(connection, after=after, until=head, wanted=self._one.wanted, limit=_READ)
        if not entries:
            if not self._flight.sent and head > state.place:  # nothing up to here is wanted: no need to look again
                self._done(Done(lane=state.lane, place=head, refused_in_row=self._in_row))
            return state.lane == "replay" and not self._flight.sent
        entries, held_back, counters = self._within_budget(state, entries)
        for group in self._groups(entries):
            self._deliver(state.lane, group)
            if self._over():
                return True
        last = entries[-1].id if entries else 0
        passed = sum(entry.id < last for entry in held_back)
        if counters or passed:
            with writing(self._engine) as connection:
                exports.spent(connection, self._one.name, counters=counters, held_back=passed, now=self._now())
        if held_back and held_back[-1].id > last and not self._flight.sent:
            more = len(held_back) - passed
            place = held_back[-1].id
            self._done(Done(lane=state.lane, place=place, held_back=more, refused_in_row=self._in_row))
        return not (held_back and self._flight.sent)

    def _within_budget(self, state: State, entries: list[Entry]) -> tuple[list[Entry], list[Entry], int]:
        """What is to be sent; mere numbers beyond the day's budget; and how many of these are sent."""
        if state.lane == "replay":
            return entries, [], 0
        left = self._one.counters - (state.budget_used if state.budget_day == self._now() // _DAY else 0)
        kept, held_back, used = [], [], 0
        for entry in entries:
            if entry.counters and used >= left:
                held_back.append(entry)
            else:
                used += entry.counters
                kept.append(entry)
        return kept, held_back, used

    def _groups(self, entries: list[Entry]) -> list[list[Entry]]:
        """Where a receiver answers for each record, no two events of a thing are under way at once."""
        if not self._one.carrier.one_each:
            return [entries] if entries else []
        groups: list[list[Entry]] = []
        about: set[str] = set()
        for entry in entries:
            if not groups or entry.about in about:
                groups.append([])
                about = set()
            groups[-1].append(entry)
            about.add(entry.about)
        return groups

    def _deliver(self, lane: Lane, entries: list[Entry]) -> None:
        """Send entries in their order, and keep what came of it. Raises ``Failure``."""
        while entries:
            some, failures = self._carry(entries)
            stop = min((at for at, why in failures.items() if not isinstance(why, Refused)), default=len(some))
            self._keep(lane, some[:stop], {at: why for at, why in failures.items() if at < stop})
            if stop < len(some):
                raise failures[stop]
            entries = entries[len(some) :]
            if self._over():
                break

    def _keep(self, lane: Lane, entries: list[Entry], refused: Mapping[int, Failure]) -> None:
        if not entries:
            return
        for at in range(len(entries)):
            self._in_row = self._in_row + 1 if at in refused else 0
        if self._in_row >= MOST_REFUSED:
            raise RefusesAll(f"the receiver refuses every event: {refused[len(entries) - 1]}")
        dead = tuple((entries[at], str(why)) for at, why in sorted(refused.items()))
        now = self._now()
        if self._one.carrier.settles and not dead:
            self._flight.sent.extend((entry.id, now) for entry in entries)
            self._sent += len(entries)
            return
        if self._flight.sent:  # whatever is in flight counts as delivered with what follows it
            self._flight.sent.clear()
        delivered = len(entries) - len(dead)
        self._done(Done(lane=lane, place=entries[-1].id, delivered=delivered, dead=dead, refused_in_row=self._in_row))
        self._sent += delivered
        self._dead += len(dead)

    def _done(self, what: Done) -> None:
        with writing(self._engine) as connection:
            if not exports.done(connection, self._one.name, what, holder=self._holder, now=self._now()):
                raise Failure("another collector delivers to it")

    def _carry(self, entries: list[Entry]) -> tuple[list[Entry], dict[int, Failure]]:
        """Send as many of the first as one batch takes. Returns them, and what is wrong with those not taken.

        A batch that is refused for what it holds is halved until it is clear which event is to blame.
        """
        carrier, format_ = self._one.carrier, self._one.format
        records = [rendered(self._one, event) for event in self._events(self._one, entries)]
        good = [(at, record) for at, record in enumerate(records) if isinstance(record, bytes)]
        most = min(carrier.most_bytes, format_.largest_body)
        at_once = min(carrier.most_records, self._flight.most or carrier.most_records)
        taken = cut([record for _, record in good], most_records=at_once, most_bytes=most)
        last = good[taken][0] if taken < len(good) else len(entries)
        failures: dict[int, Failure] = {
            at: record for at, record in enumerate(records[:last]) if isinstance(record, Refused)
        }
        failures |= self._send(entries, good[:taken])
        return entries[:last], failures

    def _send(self, entries: list[Entry], good: Sequence[tuple[int, bytes]]) -> dict[int, Failure]:
        if not good:
            return {}
        records = tuple(record for _, record in good)
        batch = Batch(
            records=records,
            uids=tuple(entries[at].uid for at, _ in good),
            body=self._one.format.body(records),
            content_type=self._one.format.content_type,
        )
        try:
            failed = self._one.carrier.send(batch, now=self._now())
        except Refused as refused:
            if len(good) > 1:
                self._flight.most = len(good) // 2  # remembered: a failure in between must not undo the search
                return self._halved(entries, good)
            self._refusals += 1
            if self._refusals >= MOST_REFUSED:
                raise RefusesAll(f"the receiver refuses every event: {refused}") from None
            return {good[0][0]: refused}
        self._refusals = 0
        if self._flight.most:
            doubled = 2 * self._flight.most
            self._flight.most = doubled if doubled < self._one.carrier.most_records else 0
        return {good[at][0]: why for at, why in failed.items()}

    def _halved(self, entries: list[Entry], good: Sequence[tuple[int, bytes]]) -> dict[int, Failure]:
        half = len(good) // 2
        first = self._send(entries, good[:half])
        if any(not isinstance(why, Refused) for why in first.values()):
            return first
        try:
            return first | self._send(entries, good[half:])
        except RefusesAll:
            raise
        except Failure as failure:
            return first | {good[half][0]: failure}
