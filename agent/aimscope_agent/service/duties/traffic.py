"""The traffic of interfaces, as long as the agent runs."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

from aimscope_agent.host.live import now as own
from aimscope_agent.intake.capture import open_live
from aimscope_agent.intake.capture_filter import narrowed, traffic_filter
from aimscope_agent.intake.pcap import Capture
from aimscope_agent.ledger import LedgerError
from aimscope_agent.recognise import Recogniser
from aimscope_agent.service.clock import of_child
from aimscope_agent.service.desk import Desk, clean
from aimscope_agent.service.frames import SLICE, Task
from aimscope_agent.service.knowledge import curtain, open_catalogue
from aimscope_agent.service.looks import Record, looks_of
from aimscope_agent.service.telling import Looks, Telling
from aimscope_agent.traffic.coverage import EMITS, Look, coverage
from aimscope_agent.traffic.dissector import Dissector
from aimscope_agent.traffic.sieve import Sieve
from aimscope_signatures.fold import Tally
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation

MODE = "gateway"
_EVERY = 5.0
"""Seconds of traffic that are lost with a machine that loses its power."""


class _Traffic:
    """From packets to totals, handed over now and then by a thread of its own."""

    def __init__(self, task: Task, desk: Desk) -> None:
        catalogue = open_catalogue(Path(task.trust), desk.notice)
        matcher = Matcher(catalogue)
        self._task = task
        self._now = of_child(own, task.ahead)
        self._desk = desk
        self._kept = curtain(task.config, task.key)
        self._recogniser = Recogniser(matcher, curtain=self._kept)
        self._dissector = Dissector(self._observed, Sieve(matcher))
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._record = Record(
            uid=task.uid,
            sequence=task.sequence,
            mode=MODE,
            started=self._now(),
            catalogue=catalogue.version,
            policy=task.policy,
        )
        self._telling = Telling(desk, self._record, time.monotonic(), self._now())
        self._source = ", ".join(task.config.gateway.interfaces)
        self._dissector.names.source = self._source

    def run(self, capture: Capture) -> None:
        """To the end of the capture."""
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        teller = threading.Thread(target=self._tell, args=(capture,), name="teller", daemon=True)
        teller.start()
        try:
            capture.run(self._packet)
        finally:
            self._over.set()
            teller.join()
        with self._turn:
            self._dissector.finish()
        self._hand_over()
        self._telling.tell(self._looks(capture), self._now())

    def _packet(self, at: float, link: int, data: bytes, size: int) -> None:
        with self._turn:
            self._dissector.packet(at - self._task.ahead, link, data, size)

    def _observed(self, made: Observation) -> None:
        self._recogniser.take(made)

    def _tell(self, capture: Capture) -> None:
        while not self._over.wait(_EVERY):
            self._hand_over()
            if self._telling.is_due(time.monotonic(), self._now()):
                self._telling.tell(self._looks(capture), self._now())

    def _hand_over(self) -> None:
        """What cannot be kept now is kept later."""
        with self._turn:
            tally, self._recogniser.tally = self._recogniser.tally, Tally("")
        found = [clean(sighting) for sighting in tally.sightings()]
        for start in range(0, len(found), SLICE):
            part = found[start : start + SLICE]
            try:
                self._desk.keep(part)
            except LedgerError:
                with self._turn:
                    for sighting in found[start:]:
                        self._recogniser.tally.merge(sighting)
                return
            self._record.saw(part)

    def _looks(self, capture: Capture) -> Looks:
        look = Look(source=self._source, passed=capture.passed, dropped=capture.dropped, problems=capture.problems)
        with self._turn:
            told = coverage(self._dissector, (look,), self._veil)
        self._record.looked(told)
        return looks_of(told, EMITS, self._task.sequence, self._now())

    def _veil(self, device: str) -> str:
        return self._kept.veiled(Observation("dns.query", {}, asset=device)).asset


def duty(task: Task, desk: Desk) -> None:
    """Look at traffic until the agent says stop. Raises ``CaptureError`` and ``ValueError``."""
    gateway = task.config.gateway
    traffic = _Traffic(task, desk)
    wanted = narrowed(gateway.filter) if gateway.filter else traffic_filter
    with open_live(gateway.interfaces, filter=wanted, promiscuous=gateway.promiscuous) as capture:
        desk.on_stop = capture.stop
        if desk.stopping.is_set():
            return
        traffic.run(capture)
