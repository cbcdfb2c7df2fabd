"""A child's side of the pipe: what it was given, and handing over what it has seen."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from aimscope_agent.ledger import LedgerError
from aimscope_agent.service import frames
from aimscope_agent.service.frames import SLICE, Begins, Keep, Notice, Stop, Stored
from aimscope_signatures import wire
from aimscope_signatures.model import Sighting

ORPHANED = 3
"""Exit status of a child whose agent is gone: nobody would keep what it sees."""


class Desk:
    """Hands over, and waits until it is kept. One thread at a time hands over."""

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes], orphaned: Callable[[], None] | None = None) -> None:
        self.stopping = threading.Event()
        """The child is to come to an end."""
        self.on_stop: Callable[[], None] = lambda: None
        self._incoming = incoming
        self._outgoing = outgoing
        self._orphaned = orphaned or (lambda: os._exit(ORPHANED))
        self._answers: queue.SimpleQueue[Stored] = queue.SimpleQueue()
        self._turn = threading.Lock()

    def listen(self) -> None:
        """Begin to hear what the agent says."""
        threading.Thread(target=self._listen, name="desk", daemon=True).start()

    def begins(self, step: str) -> None:
        """A step of the work begins: what is slow or runs away is known by it."""
        with self._turn:
            frames.write(self._outgoing, Begins(step))

    def notice(self, about: str, text: str) -> None:
        """Something that somebody should know; empty: no longer."""
        with self._turn:
            frames.write(self._outgoing, Notice(about, text))

    def keep(
        self,
        sightings: Iterable[Sighting] = (),
        places: Mapping[str, bytes | None] | None = None,
        *,
        looks: tuple[wire.Look, ...] = (),
        runs: tuple[wire.Run, ...] = (),
    ) -> None:
        """Have it kept, all of it or nothing. Raises ``LedgerError``: then nothing is."""
        found = tuple(sightings)
        with self._turn:
            try:
                frames.write(self._outgoing, Keep(sightings=found, places=dict(places or {}), looks=looks, runs=runs))
            except UnicodeEncodeError:
                raise LedgerError("a name that is no text") from None
            error = self._answers.get().error
        if error:
            raise LedgerError(error)

    def keep_many(self, sightings: Iterable[Sighting]) -> None:
        """Have totals kept slice by slice. Raises ``LedgerError``: then some are, and some are not."""
        waiting: list[Sighting] = []
        for sighting in sightings:
            waiting.append(sighting)
            if len(waiting) == SLICE:
                self.keep(waiting)
                waiting = []
        if waiting:
            self.keep(waiting)

    def _listen(self) -> None:
        while True:
            try:
                message = frames.read_task(self._incoming)
            except (OSError, ValueError, frames.FrameError):
                message = None
            if message is None:
                self._orphaned()
                return
            if isinstance(message, Stored):
                self._answers.put(message)
            elif isinstance(message, Stop):
                self.stopping.set()
                self.on_stop()


class DeskLedger:
    """What looks like a ledger to those that follow logs: the agent keeps it."""

    path = Path("the ledger")

    def __init__(self, desk: Desk, places: dict[str, bytes], saw: Callable[[Iterable[Sighting]], None]) -> None:
        self._desk = desk
        self._places = places
        self._saw = saw

    def places(self) -> dict[str, bytes]:
        """How far logs were read."""
        return self._places

    def commit(self, sightings: Iterable[Sighting], places: Mapping[str, bytes | None]) -> None:
        """As ``Ledger.commit``: totals, and the places behind them. Raises ``LedgerError``."""
        found = tuple(clean(sighting) for sighting in sightings)
        self._desk.keep(found, places)
        self._saw(found)


def clean(sighting: Sighting) -> Sighting:
    """As it can be sent over the pipe: names of files may be any bytes."""
    try:
        msgspec.msgpack.encode(sighting)
    except UnicodeEncodeError:
        clean = {
            name: value.encode("utf-8", "replace").decode()
            for name, value in msgspec.structs.asdict(sighting).items()
            if isinstance(value, str)
        }
        sources = tuple(source.encode("utf-8", "replace").decode() for source in sighting.sources)
        return msgspec.structs.replace(sighting, sources=sources, **clean)
    return sighting
