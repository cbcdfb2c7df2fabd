"""What the service keeps: the ledger, when things were done, and what somebody should know."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from typing import Final

import msgspec

from aimscope_agent.ledger import Ledger, LedgerError
from aimscope_agent.service.folder import Folder, FolderError
from aimscope_agent.service.frames import Keep
from aimscope_agent.service.looks import looks_of, missing
from aimscope_agent.trust import Trust
from aimscope_signatures.model import Coverage, Gap, Status

_MONTHS_KEPT: Final = 3
_REMEDY: Final = "raise limits in the configuration, or switch it off there"


class Book:
    """Open as long as the service runs. One process at a time has it."""

    def __init__(
        self,
        folder: Folder,
        trust: Trust,
        *,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
        reserve: int,
        tell: Callable[[str], None],
    ) -> None:
        """``reserve`` bytes are held for a full disk; ``tell`` hears each notice once. Raises ``LedgerError``."""
        self._tell = tell
        self.trust = trust
        self._folder = folder
        self._clock = clock
        self._random = random
        self._reserve = reserve
        self._notices: dict[str, str] = {}
        self.afresh = False
        """What was kept is lost: logs go on at their end."""
        self._remembered = folder.remembered()
        self.ledger = self._opened()

    @property
    def notices(self) -> tuple[str, ...]:
        """What somebody should know."""
        return tuple(self._notices.values())

    @property
    def catalogue(self) -> str:
        """Version of the catalogue last judged by."""
        return self._remembered.catalogue

    @property
    def last(self) -> dict[str, int]:
        """When each duty was last done."""
        return self._remembered.last

    def say(self, about: str, text: str) -> None:
        """Something that somebody should know; empty: no longer."""
        if text:
            if self._notices.get(about) != text[:500]:
                self._tell(text[:500])
            self._notices[about] = text[:500]
        else:
            self._notices.pop(about, None)

    def said(self, about: str) -> str:
        """What was last said of it."""
        return self._notices.get(about, "")

    def done(self, duty: str, moment: int) -> None:
        """A duty was done."""
        self._remember(last={**self._remembered.last, duty: moment})

    def keep(self, what: Keep) -> str:
        """Keep what a child has seen, all of it or nothing; why not, where it cannot be.

        Raises ``LedgerError`` where the ledger is damaged: ``begin_anew`` is what helps.
        """
        try:
            self.ledger.commit(what.sightings, what.places, looks=what.looks, runs=what.runs)
        except LedgerError as error:
            self.say("ledger", str(error))
            if error.damaged:
                raise
            return str(error)
        self.say("ledger", "")
        for run in what.runs:
            if run.catalogue != self._remembered.catalogue:
                self._remember(catalogue=run.catalogue)
        return ""

    def missing(self, sensor: str, reason: str, sequence: int) -> None:
        """A sensor came to nothing: that is a gap."""
        remedy = _REMEDY if "stopped" in reason else ""
        with contextlib.suppress(LedgerError):
            self.ledger.commit((), {}, looks=missing(sensor, reason, remedy, sequence, self._clock()))

    def tell_of_feeds(self, sequence: int) -> None:
        """Whether what is judged by is fresh: past its time it goes on being used."""
        gaps = tuple(
            Gap(role, Status.PARTIAL, f"the {role} in force has expired", remedy="see why no newer one arrives")
            for role in self.trust.stale(self._clock())
        )
        coverage = Coverage("feeds", Status.PARTIAL if gaps else Status.COMPLETE, gaps)
        with contextlib.suppress(LedgerError):
            self.ledger.commit((), {}, looks=looks_of(coverage, (), sequence, self._clock()))

    def forget(self) -> None:
        """Let go of totals of months that are long over, as far as the collector knows them."""
        day = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        month = day.year * 12 + day.month - 1 - _MONTHS_KEPT
        with contextlib.suppress(LedgerError):
            self.ledger.forget(f"{month // 12:04}-{month % 12 + 1:02}")

    def begin_anew(self, between: Callable[[], object] = lambda: None) -> None:
        """Open the ledger again, damaged or moved by ``between``; everything is due. Raises ``LedgerError``."""
        self.ledger.close()
        between()
        self._lost()
        self.ledger = self._opened()

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()

    def _opened(self) -> Ledger:
        epoch = self._random(16).hex()
        ledger = Ledger(self._folder.ledger, now=self._clock(), epoch=epoch, reserve=self._reserve)
        if ledger.set_aside is not None:
            self.say("set aside", f"the ledger was damaged and is set aside as {ledger.set_aside.name}")
            self._lost()
        return ledger

    def _lost(self) -> None:
        self.afresh = True
        self._remember(last={})

    def heard(self, ahead: int, told: int) -> None:
        """What the collector said of the time."""
        self._remembered = msgspec.structs.replace(self._remembered, ahead=ahead, told=told)
        self._remember()

    def _remember(self, *, last: dict[str, int] | None = None, catalogue: str | None = None) -> None:
        before = self._remembered
        self._remembered = msgspec.structs.replace(
            before,
            last=before.last if last is None else last,
            catalogue=before.catalogue if catalogue is None else catalogue,
        )
        try:
            self._folder.remember(self._remembered)
            self.say("folder", "")
        except FolderError as error:
            self.say("folder", str(error))
