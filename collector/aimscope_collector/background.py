"""What the collector does on its own: judges what came in, rolls up, looks at the clock, expires, delivers.

One thread, and one for each job that waits for others; they end soon after they are told to. A job that fails is said
in the log and done again at its next time. With several collectors on one database, a job of the day is done by
whichever comes first.
"""

from __future__ import annotations

import datetime
import functools
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector import feeds, rematching, retention, rolling_up
from aimscope_collector.feeds import FeedsError
from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.services import Service
from aimscope_collector.store import credentials, decisions, expiry, inventories, placing, privacy, settings
from aimscope_collector.store.database import writing
from aimscope_collector.store.sightings import Batch, Kept
from aimscope_collector.store.tables.sightings import EVIDENCE
from aimscope_collector.store.writer import Writer
from aimscope_signatures.matcher import Matcher

_LOG = logging.getLogger("aimscope.collector")
_TICK: Final = 1.0
_MINUTE: Final = 60
_RECONSIDER: Final = 300
_HOUR: Final = 3_600
_DAY: Final = 86_400
_CHUNK: Final = 5_000
_MOST_MOVED: Final = 500
"""Of more agents at once everything is judged anew."""
_MONTHS: Final = 24
RETENTION: Final = "retention"
Jobs = dict[str, tuple[int, Callable[[], object]]]
"""By name: how often in seconds, and what to do."""
Fact = tuple[int, int]
"""Month and evidence of a total that came in."""


class Noting(Writer):
    """A writer that tells, after the commit, which evidence was reported of in which month."""

    def __init__(self, engine: sa.Engine, note: Callable[[Iterable[Fact]], None], **bounds: int) -> None:
        super().__init__(engine, **bounds)
        self._note = note

    async def keep(self, batch: Batch) -> Kept:
        """Merge a report; returns when it is on disk."""
        kept = await super().keep(batch)
        if batch.rows:
            self._note({(row[0], row[4]) for row in batch.rows})
        return kept


class Inbox:
    """What waits for the background: evidence reported of, services to be judged anew, keys that were used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts: set[Fact] = set()
        self._everything = False
        self._services: set[str] = set()
        self._used: dict[int, int] = {}
        self._moved: set[int] = set()

    def note(self, facts: Iterable[Fact]) -> None:
        """Something was reported of them."""
        with self._lock:
            self._facts.update(facts)

    def touch(self, services: frozenset[str] | None) -> None:
        """Services are to be judged anew; ``None`` is all of them."""
        with self._lock:
            if services is None:
                self._everything = True
            else:
                self._services |= services

    def moved(self, agents: Iterable[int]) -> None:
        """Their devices are in another unit now: what they reported is to be judged anew."""
        with self._lock:
            self._moved.update(agents)

    def take_moved(self) -> set[int]:
        """Agents whose devices are in another unit."""
        with self._lock:
            taken, self._moved = self._moved, set()
        return taken

    def used(self, key: int, at: int) -> None:
        """An API key was used."""
        with self._lock:
            self._used[key] = at

    def take(self) -> tuple[set[Fact], set[str], bool]:
        """What is to be judged."""
        with self._lock:
            taken = (self._facts, self._services, self._everything)
            self._facts, self._services, self._everything = set(), set(), False
        return taken

    def take_used(self) -> dict[int, int]:
        """When keys were last used."""
        with self._lock:
            taken, self._used = self._used, {}
        return taken


class Background:
    """The thread. ``jobs`` are more work; those ``apart`` wait for others, and have a thread each.

    ``published`` gives the services in force where they are others than when it was last asked.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        reconciler: Reconciler,
        inbox: Inbox,
        services: Sequence[Service],
        matcher: Callable[[], Matcher],
        catalogue: bytes,
        signing: Path,
        now: Callable[[], int],
        published: Callable[[sa.Connection], Sequence[Service] | None] = lambda _: None,
        jobs: Jobs | None = None,
        apart: Jobs | None = None,
    ) -> None:
        self._engine = engine
        self._reconciler = reconciler
        self._inbox = inbox
        self._services = services
        self._matcher = matcher
        self._catalogue = catalogue
        self._signing = signing
        self._now = now
        self._published = published
        self._knowledge = Knowledge(None, services)
        self._inventory: int | None = -1
        self._stopping = threading.Event()
        self._apart = apart or {}
        self._threads: list[threading.Thread] = []
        self._next: dict[str, float] = {}
        self._jobs: Jobs = {
            "keys": (_MINUTE, self._keys_used),
            "reviews": (_RECONSIDER, self.reconsider),
            "everything": (_HOUR, lambda: inbox.touch(None)),
            "day": (_HOUR, self._day),
            **(jobs or {}),
        }

    def start(self) -> None:
        """Begin; everything is judged first."""
        self._inbox.touch(None)
        self._threads = [threading.Thread(target=self._run, name="background", daemon=True)]
        for name, (every, job) in self._apart.items():
            again = functools.partial(self._again, name, every, job)
            self._threads.append(threading.Thread(target=again, name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the job at hand."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._attempt("keys", self._keys_used)

    def _run(self) -> None:
        self._attempt("rematch", self._rematch)
        while not self._stopping.wait(_TICK):
            self._attempt("judge", self.judge)
            at = time.monotonic()
            for name, (every, job) in self._jobs.items():
                if at >= self._next.get(name, 0.0):
                    self._next[name] = at + every
                    self._attempt(name, job)

    def _again(self, name: str, every: int, job: Callable[[], object]) -> None:
        while not self._stopping.wait(every):
            self._attempt(name, job)

    def _attempt(self, name: str, job: Callable[[], Any]) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - one job's failure is no reason to end the others
            _LOG.warning(
                "%s could not be done: %s", name, error if isinstance(error, FeedsError) else type(error).__name__
            )
            _LOG.debug("%s", name, exc_info=error)

    def judge(self) -> bool:
        """Judge what came in, or everything after a change of the inventory. Whether there was anything."""
        self._learn()
        facts, services, everything = self._inbox.take()
        moved = self._inbox.take_moved()
        try:
            if len(moved) > _MOST_MOVED:
                everything = True
            elif moved and not everything:
                services |= self._reported_by(moved)
            touched = self._touched(facts)
            for of_month in touched.values():
                services |= of_month
            if not services and not everything:
                return False
            if touched:
                rolling_up.roll_up(self._engine, touched)
            if everything:
                self._reconciler.run(self._knowledge, now=self._now())
            else:
                self._reconciler.run(self._knowledge, now=self._now(), services=sorted(services))
        except BaseException:
            self._inbox.note(facts)
            self._inbox.moved(moved)
            self._inbox.touch(None if everything else frozenset(services))
            raise
        return True

    def _learn(self) -> None:
        """The inventory in force, or the organisation's own services, may be others than before."""
        with self._engine.connect() as connection:
            services = self._published(connection)
            version = inventories.current(connection, at=self._now())
            number = version.number if version else None
            if number == self._inventory and services is None:
                return
            inventory = inventories.content_of(connection, number) if number is not None else None
        if services is not None:
            self._services = services
            self._attempt("rematch", self._rematch)
        self._knowledge = Knowledge(inventory, self._services)
        self._inventory = number
        self._inbox.touch(None)

    def _touched(self, facts: Iterable[Fact]) -> dict[int, set[str]]:
        """Month → services that something was reported of."""
        months: dict[int, set[int]] = defaultdict(set)
        for month, evidence in facts:
            months[evidence].add(month)
        found: dict[int, set[str]] = defaultdict(set)
        ids = sorted(months)
        with self._engine.connect() as connection:
            for start in range(0, len(ids), _CHUNK):
                query = sa.select(EVIDENCE.c.id, EVIDENCE.c.service)
                for row in connection.execute(query.where(EVIDENCE.c.id.in_(ids[start : start + _CHUNK]))):
                    for month in months[row.id]:
                        found[month].add(row.service)
        return dict(found)

    def _reported_by(self, agents: set[int]) -> set[str]:
        """What agents reported themselves. What gateways saw of their devices is judged anew within the hour."""
        today = datetime.datetime.fromtimestamp(self._now(), datetime.UTC)
        number = today.year * 12 + today.month
        months = [(each - 1) // 12 * 100 + (each - 1) % 12 + 1 for each in range(number - _MONTHS, number + 2)]
        with self._engine.connect() as connection:
            return placing.services_of(connection, agents, months=months)

    def reconsider(self) -> None:
        """Ends and review days that passed reopen findings."""
        with writing(self._engine) as connection:
            decisions.reconsider(connection, now=self._now())

    def _keys_used(self) -> None:
        used = self._inbox.take_used()
        if used:
            with writing(self._engine) as connection:
                credentials.used(connection, used)

    def _rematch(self) -> None:
        touched = rematching.rematch(self._engine, self._matcher())
        if touched:
            self._inbox.touch(touched)
            rolling_up.roll_up_all(self._engine)

    def _day(self) -> None:
        """What is done once a day, by one collector of a database."""
        today = str(self._now() // _DAY)
        with writing(self._engine) as connection:
            if settings.read(connection, "jobs.day") == today:
                return
            settings.write(connection, "jobs.day", today)
            text = settings.read(connection, RETENTION)
            kept = msgspec.json.decode(text, type=retention.Retention) if text else retention.Retention()
        self._attempt("feeds", self._refresh)
        self._attempt(
            "retention", lambda: expiry.expire(self._engine, retention.cutoffs(kept, self._now()), now=self._now())
        )
        self._attempt("erasure", self._sweep)
        self._attempt("roll-up", lambda: rolling_up.roll_up_all(self._engine))
        self._inbox.touch(None)

    def _refresh(self) -> None:
        with writing(self._engine) as connection:
            feeds.refresh(connection, self._signing, catalogue=self._catalogue, now=self._now())

    def _sweep(self) -> None:
        with writing(self._engine) as connection:
            privacy.sweep(connection)
