"""A network scan as a whole: connect, ask what is open, and say what was not tried."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from aimscope_agent.host.gaps import SEVERITY, Gaps
from aimscope_agent.intake.netprobe import Probed, Prober
from aimscope_agent.intake.netscan import Limits, Pace, Sweep
from aimscope_agent.recognise import Recogniser
from aimscope_agent.servers.targets import Targets
from aimscope_signatures.model import Coverage, Gap, Status

SENSOR: Final = "network"
EMITS: Final = {SENSOR: ("http.response", "mcp.handshake")}
PROBES_AT_ONCE: Final = 48
_PROBES_PER_HOST = 2
_MOST_WAITING = 2_000

Tell = Callable[[str, int, int], None]
Named = Callable[[str], Awaitable[str]]


class Survey(msgspec.Struct, frozen=True):
    """What a network scan covered. ``stopped``: it was interrupted, and the coverage says what is missing."""

    coverage: Coverage
    stopped: bool


async def survey(
    targets: Targets,
    ports: Sequence[int],
    limits: Limits,
    recogniser: Recogniser,
    *,
    now: int,
    seed: int,
    tell: Tell,
    named: Named | None = None,
) -> Survey:
    """Scan. What is recognised goes to the recogniser; ``named`` gives the device's name for an address.

    When cancelled (Ctrl-C), it stops at once and returns what is known by then.
    """
    return await _Survey(targets, ports, limits, recogniser, now=now, seed=seed, named=named).run(tell)


class _Host:
    """One address: how many of its open ports wait to be asked, and how many may be at once."""

    def __init__(self) -> None:
        self.ports = 0
        self.slots = asyncio.Semaphore(_PROBES_PER_HOST)


class _Survey:
    def __init__(
        self,
        targets: Targets,
        ports: Sequence[int],
        limits: Limits,
        recogniser: Recogniser,
        *,
        now: int,
        seed: int,
        named: Named | None,
    ) -> None:
        self._targets = targets
        self._ports = ports
        self._recogniser = recogniser
        self._named = named
        pace = Pace(limits.per_second)
        self._prober = Prober(recogniser, pace.turn, now=now)
        self._sweep = Sweep(
            targets, ports, limits, pace, seed=seed, opened=self._opened, full=lambda: len(self._tasks) >= _MOST_WAITING
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(PROBES_AT_ONCE)
        self._hosts: dict[str, _Host] = {}
        self._gaps = Gaps()
        self._counts: Counter[str] = Counter()
        self._names: dict[str, str] = {}

    async def run(self, tell: Tell) -> Survey:
        stopped = False
        try:
            await self._sweep.run(lambda done, total: tell("ports", done, total))
            opened = self._sweep.counts["open"]
            while self._tasks:
                tell("open ports", opened - len(self._tasks), opened)
                await asyncio.wait(self._tasks, timeout=0.2)
        except asyncio.CancelledError:
            stopped = True
            unasked = len(self._tasks)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tell_of_the_rest(unasked)
        return Survey(self._coverage(), stopped)

    def _tell_of_the_rest(self, unasked: int) -> None:
        left = self._sweep.total - self._sweep.tried
        if left:
            reason = f"stopped: {left:,} of {self._sweep.total:,} ports not tried"
            self._gaps.note(Gap(self._targets.described(), Status.PARTIAL, reason, count=left))
        if unasked:
            reason = f"stopped: {unasked:,} open ports not asked"
            self._gaps.note(Gap(self._targets.described(), Status.PARTIAL, reason, count=unasked))

    def _opened(self, address: str, port: int) -> None:
        task = asyncio.get_running_loop().create_task(self._ask(address, port))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, address: str, port: int) -> None:
        host = self._hosts.setdefault(address, _Host())
        host.ports += 1
        try:
            async with host.slots, self._slots:
                probed = await self._prober.probe(address, port, self._targets.names.get(address, ""))
        except Exception as error:  # noqa: BLE001 - one strange server must not end the scan
            self._gaps.note(Gap(_at(address, port), Status.FAILED, f"probe failed: {type(error).__name__}"))
            return
        finally:
            host.ports -= 1
            if not host.ports:
                del self._hosts[address]
        await self._take(probed)

    async def _take(self, probed: Probed) -> None:
        at = _at(probed.address, probed.port)
        self._counts["asked"] += 1
        self._counts["answered"] += probed.answered
        self._counts["recognised"] += probed.recognised
        if probed.wants_credentials:
            self._counts["want credentials"] += 1
            self._gaps.note(Gap(at, Status.DENIED, "would need credentials, and none are ever sent"))
        if probed.silence == "silent":
            self._gaps.note(Gap(at, Status.PARTIAL, "open, but says nothing in time"))
        elif probed.silence == "other":
            self._counts["other protocols"] += 1
        asset = await self._asset(probed.address) if probed.observations else ""
        for observation in probed.observations:
            self._recogniser.take(msgspec.structs.replace(observation, asset=asset))

    async def _asset(self, address: str) -> str:
        """The device: its reverse name where that was asked for, else its address."""
        if self._named is None:
            return address
        if address not in self._names:
            self._names[address] = await self._named(address)
        return self._names[address] or address

    def _coverage(self) -> Coverage:
        tally = self._sweep.counts
        if tally["not tried here"]:
            reason = "this machine refused to connect"
            self._gaps.note(Gap(self._targets.described(), Status.FAILED, reason, count=tally["not tried here"]))
        if tally["unreachable"] and tally["unreachable"] == self._sweep.tried:
            reason = "no way leads there from this machine"
            self._gaps.note(Gap(self._targets.described(), Status.FAILED, reason, count=tally["unreachable"]))
        gaps = self._gaps.told()
        counts = {
            "addresses": len(self._targets),
            "addresses answering": self._sweep.answering,
            "ports tried": self._sweep.tried,
            **{state: tally[state] for state in ("open", "closed", "filtered", "unreachable")},
            **{what: self._counts[what] for what in ("asked", "answered", "recognised")},
            **{what: number for what in ("other protocols", "want credentials") if (number := self._counts[what])},
            "requests": self._prober.counts["requests"],
        }
        worst = max((gap.status for gap in gaps), key=SEVERITY.index, default=Status.COMPLETE)
        return Coverage(SENSOR, worst, gaps, counts)


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
