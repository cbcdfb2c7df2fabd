"""The service itself: a loop that starts what is due, keeps what children see, and reports.

Everything waits on one queue. Only this process has the ledger open; children hand over, and are told once it is kept.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from typing import Final

import msgspec

from aimscope_agent import schedule
from aimscope_agent.config import Collector, Config, ConfigError
from aimscope_agent.enrol import set_aside
from aimscope_agent.ledger import LedgerError
from aimscope_agent.service import policy
from aimscope_agent.service.book import Book
from aimscope_agent.service.children import ENDLESS, Child, Event, Inbox
from aimscope_agent.service.clock import Clock
from aimscope_agent.service.folder import Folder, FolderError
from aimscope_agent.service.frames import Broken, Keep, Notice, Task
from aimscope_agent.service.gathering import gathered
from aimscope_agent.service.presence import Presence
from aimscope_agent.service.reporter import Given, Halted, Reporter, about
from aimscope_agent.service.status import Status
from aimscope_agent.service.timetable import Timetable
from aimscope_agent.trust import Trust
from aimscope_agent.uplink import About
from aimscope_agent.watchdog import give_back_memory
from aimscope_signatures.signed import Role

DUTIES: Final = ("endpoint", "network", "logs", "traffic")
_SENSOR: Final = {"endpoint": "endpoint", "network": "network", "logs": "logs", "traffic": "packets"}
"""What a duty as a whole is called in coverage."""
_STEPS: Final = frozenset({"", "walk", "match", "keep"})
"""Of a scan that are no sensor's."""
_LONGEST_NAP: Final = 60.0
_STATUS_EVERY: Final = 600.0
_PATIENCE: Final = 10.0
"""Seconds in which those that look all the time come to an end."""
_ATTEMPTS: Final = 4
"""Of one scan, each without the sensor that ran away in the one before."""
_LEFT_OUT: Final = 86_400.0


class Service:
    """An agent at work. ``load`` gives the configuration, again whenever it is to be read anew."""

    def __init__(self, folder: Folder, load: Callable[[], Config], given: Given) -> None:
        """Raises ``ConfigError``, ``FolderError``, ``LedgerError`` and ``TrustError``."""
        self._folder = folder
        self._load = load
        known = folder.remembered()
        self._clock = Clock(given.clock, given.monotonic, ahead=known.ahead, told=known.told)
        self._given = given = msgspec.structs.replace(given, clock=self._clock, own=given.clock)
        folder.make()
        self._local = load()
        self._key = folder.key(given.random)
        self.trust = Trust(folder.trust)
        reserve = self._local.limits.disk_mb << 20
        self.book = Book(folder, self.trust, clock=given.clock, random=given.random, reserve=reserve, tell=given.tell)
        self._inbox: Inbox = queue.SimpleQueue()
        self._children: dict[str, Child] = {}
        self._timetable = Timetable(self.book, given)
        self._without: dict[str, float] = {}
        """Sensors that ran away, and until when they are left out."""
        self._attempts = 0
        self._started = given.clock()
        self._shown = (b"", -_STATUS_EVERY)
        self._next_report = 0.0
        self._halted = False
        self._feeds_changed = self._clock_changed = False
        self.config = self._in_force()
        self.reporter = self._new_reporter()
        self._presence = Presence(folder.lock)

    def halt(self) -> None:
        """Come to an end: for the handler of a signal."""
        self._halted = True
        self._inbox.put((None, "stop"))
        line = self.reporter.line
        if line is not None and line.asking:
            raise Halted

    def reload(self) -> None:
        """Read the configuration again: for the handler of a signal."""
        self._inbox.put((None, "reload"))

    def run(self) -> None:
        """Work until ``halt``."""
        with contextlib.suppress(Halted):
            while not self._halted:
                self._report()  # first: the collector says what time it is
                self._start_what_is_due()
                self.tell_status()
                self._take(self._next_event(self._nap()))
        self._end_children()
        self.tell_status(force=True)

    def once(self) -> tuple[str, ...]:
        """Scan once and report; what could not be done of it."""
        failed: list[str] = []
        try:
            self._reported()  # the collector says what time it is
            for duty in ("endpoint", "network"):
                if not self._wanted(duty) or self._halted:
                    continue
                self._begin(duty, "once")
                while duty in self._children and not self._halted:
                    self._take(self._next_event(_LONGEST_NAP))
                if self._timetable.failing(duty) or self._halted:
                    failed.append(self.book.said(duty) or f"{duty}: stopped")
            while not self._halted and self._reported() <= 0 and not self.reporter.trouble:
                pass
        except Halted:
            failed.append("stopped")
        self._end_children()
        self.tell_status(force=True)
        return tuple(failed)

    def close(self) -> None:
        """Let go of the ledger and of connections."""
        self.reporter.close()
        self.book.close()
        self._presence.end()

    def tell_status(self, *, force: bool = False) -> None:
        """Write down how things are, where that has changed."""
        status = self.status()
        shown = msgspec.json.encode(msgspec.structs.replace(status, at=0))
        now = self._given.monotonic()
        if not force and shown == self._shown[0] and now < self._shown[1] + _STATUS_EVERY:
            return
        with contextlib.suppress(FolderError):  # a full disk: what matters is said elsewhere
            self._folder.write_status(msgspec.json.encode(status))
            self._shown = shown, now

    def status(self) -> Status:
        """How things are."""
        wanted = ((duty, self._when(duty)) for duty in DUTIES if self._wanted(duty))
        return gathered(
            self.reporter,
            self.book,
            self.trust,
            at=self._given.clock(),
            started=self._started,
            upcoming={duty: self._timetable.due(duty, when) for duty, when in wanted if when},
            running=tuple(self._children),
        )

    # what is due

    def _wanted(self, duty: str) -> bool:
        config = self.config
        if duty == "endpoint":
            return config.endpoint.enabled
        if duty == "network":
            return config.network.enabled and bool(config.network.ranges)
        return bool(config.logs.paths or config.logs.syslog) if duty == "logs" else bool(config.gateway.interfaces)

    def _when(self, duty: str) -> schedule.Schedule | None:
        return (
            None if duty in ENDLESS else (self.config.endpoint if duty == "endpoint" else self.config.network).schedule
        )

    def _start_what_is_due(self) -> None:
        for duty in DUTIES:
            if duty not in self._children and self._wanted(duty) and self._timetable.wait(duty, self._when(duty)) <= 0:
                self._begin(duty, "schedule" if duty == "endpoint" else duty)

    def _nap(self) -> float:
        """Seconds until something is due; at most a minute, for clocks are set and laptops unplugged."""
        waits = [
            self._timetable.wait(duty, self._when(duty))
            for duty in DUTIES
            if duty not in self._children and self._wanted(duty)
        ]
        return min([_LONGEST_NAP, self._next_report - self._given.monotonic(), *waits])

    def _begin(self, duty: str, mode: str) -> None:
        now = self._given.monotonic()
        self._without = {sensor: until for sensor, until in self._without.items() if until > now}
        ledger = self.book.ledger
        try:
            places = ledger.places() if duty == "logs" else {}
            task = Task(
                duty=duty,
                config=msgspec.structs.replace(self.config, collector=Collector()),
                sequence=ledger.begin_scan(),
                uid=self._given.random(16).hex(),
                mode=mode,
                trust=str(self._folder.trust),
                policy=str(self.trust.versions().get("policy", "")),
                key=self._key,
                without=tuple(self._without) if duty == "endpoint" else (),
                places=places,
                afresh=self.book.afresh and not places,
                seed=int.from_bytes(self._given.random(4), "big"),
                ahead=self._clock.off(),
            )
            self._children[duty] = Child(task, self._inbox, monotonic=self._given.monotonic)
            self._timetable.begun(duty)
        except LedgerError as error:
            self._timetable.put_off(duty, str(error))
            if error.damaged:
                self._begin_anew()
        except OSError as error:
            self._timetable.put_off(duty, f"no process could be started: {error.strerror or error}")

    # what children say

    def _next_event(self, seconds: float) -> Event | None:
        try:
            return self._inbox.get(timeout=seconds) if seconds > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None

    def _take(self, event: Event | None) -> None:
        match event:
            case (None, "reload"):
                self._reload()
            case (Child() as child, Keep() as keep):
                self._keep(child, keep)
            case (Child() as child, Notice(about, text)):
                self.book.say(f"{child.task.duty} {about}", text)
            case (Child() as child, Broken(text)):
                child.broken = text
            case (Child() as child, "ended"):
                self._ended(child)
            case _:
                pass

    def _keep(self, child: Child, keep: Keep) -> None:
        try:
            child.stored(self.book.keep(keep))
        except LedgerError as error:
            child.stored(str(error))
            self._begin_anew()

    def _ended(self, child: Child) -> None:
        duty = child.task.duty
        status = child.close()
        if self._children.get(duty) is child:
            del self._children[duty]
        if child.guard.stopped:
            self._ran_away(child)
        elif status != 0 or child.broken:
            self._failed(child, child.broken or f"it ended with status {status}")
        elif duty not in ENDLESS:
            self._done(child)

    def _done(self, child: Child) -> None:
        duty = child.task.duty
        if duty == "endpoint":
            self._attempts = 0
            for sensor in child.task.without:
                self.book.missing(sensor, self.book.said(f"sensor {sensor}"), child.task.sequence)
            self.book.tell_of_feeds(child.task.sequence)
            self.book.forget()
            give_back_memory()
        self._timetable.done(duty)

    def _ran_away(self, child: Child) -> None:
        """Say what was stopped, and go on without it."""
        duty, step, reason = child.task.duty, child.guard.step, child.guard.stopped
        if duty != "endpoint" or step in _STEPS or self._attempts + 1 >= _ATTEMPTS or self._halted:
            self._attempts = 0
            self._failed(child, reason)
            return
        self._attempts += 1
        self._without[step] = self._given.monotonic() + _LEFT_OUT
        self.book.say(f"sensor {step}", f"sensor {step}: {reason}")
        self._begin(duty, child.task.mode)

    def _failed(self, child: Child, reason: str) -> None:
        self.book.missing(_SENSOR[child.task.duty], reason, child.task.sequence)
        self._timetable.put_off(child.task.duty, reason)

    def _end_children(self) -> None:
        """Scans at once, for they are made again; those that look all the time in good order."""
        for duty, child in self._children.items():
            if duty in ENDLESS:
                child.stop()
            else:
                child.kill()
        until = self._given.monotonic() + _PATIENCE
        while self._children and self._given.monotonic() < until:
            match self._next_event(until - self._given.monotonic()):
                case (Child() as child, Keep() as keep):
                    self._keep(child, keep)
                case (Child() as child, "ended"):
                    child.close()
                    self._children.pop(child.task.duty, None)
        for child in self._children.values():
            child.kill()
            child.close()
        self._children.clear()

    # the configuration, the policy and the collector

    def _in_force(self) -> Config:
        """The local configuration, as the signed policy leaves it."""
        body = self.trust.body("policy")
        self.book.say("policy", "")
        if body is None:
            return self._local
        try:
            return policy.applied(self._local, policy.read(body))
        except policy.PolicyError as error:
            self.book.say("policy", str(error))
            return self._local

    def _reload(self) -> None:
        try:
            self._local = self._load()
            self.book.say("configuration", "")
        except ConfigError as error:
            self.book.say("configuration", f"the configuration is not read anew: {error}")
            return
        self._put_in_force(new_collector=True)

    def _put_in_force(self, *, new_collector: bool) -> None:
        self.config = self._in_force()
        self._end_children()
        self._timetable.clear()
        self._without.clear()
        if new_collector:
            self._renew_reporter()

    def _begin_anew(self, between: Callable[[], object] = lambda: None) -> None:
        for child in self._children.values():
            child.kill()
        self.book.begin_anew(between)
        self._renew_reporter()

    def _begin_anew_where_it_is_another(self) -> bool:
        """Totals belong to the identity they were reported under."""
        if not self.reporter.anew:
            return False
        self._begin_anew(lambda: set_aside(self._folder.ledger, self._folder.identity, self._given.clock()))
        return True

    def _renew_reporter(self) -> None:
        self.reporter.close()
        self.reporter = self._new_reporter()
        self._next_report = 0.0

    def _new_reporter(self) -> Reporter:
        return Reporter(
            self.config.collector,
            self._folder,
            self.book.ledger,
            self.trust,
            self._given,
            about=self._about,
            on_feed=self._feed,
            on_time=self._time,
        )

    def _feed(self, role: Role) -> None:
        self._feeds_changed = self._feeds_changed or role != "root"

    def _time(self, moment: int) -> None:
        self._clock_changed = self._clock.hear(moment) or self._clock_changed
        self.book.say("clock", self._clock.notice)
        if self._clock_changed:
            self.book.heard(self._clock.ahead, self._clock.told)

    def _report(self) -> None:
        if self._given.monotonic() >= self._next_report:
            wait = self._reported()
            self._next_report = self._given.monotonic() + wait

    def _reported(self) -> float:
        """One step of the way to the collector; the seconds until the next."""
        wait = self.reporter.step()
        if self._begin_anew_where_it_is_another():
            return 0.0
        if self._feeds_changed or self._clock_changed:  # children judge by both
            self._feeds_changed = self._clock_changed = False
            self._put_in_force(new_collector=False)
        return wait

    def _about(self) -> About:
        understood = not self.book.said("policy")
        return about(self.trust.versions(), self.book.catalogue, self.book.notices, policy_in_force=understood)
