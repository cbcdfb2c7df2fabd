"""Plays a simulated fleet against a collector, through the routes that agents use."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import random
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx
import msgspec

from aimscope_cli.output import Failure
from aimscope_collector.simulate.days import events, ledger_of, reaches
from aimscope_collector.simulate.looks import looks, run
from aimscope_collector.simulate.plan import Event, Fleet, Machine
from aimscope_collector.simulate.totals import Book
from aimscope_signatures import wire

_CONNECTIONS: Final = 24
_TIMEOUT: Final = 60.0
_ATTEMPTS: Final = 60
_SILENCE: Final = 120.0
"""Seconds without any answer after which the collector is given up: long enough for it to be started anew."""
_IDLE: Final = 2.0
"""Seconds after which an idle connection is used no more: less than a collector keeps it open."""
_LONGEST_WAIT: Final = 30.0
_REPORTS: Final = 1 / 3
"""Part of the days on which a machine that is switched on has time to report."""
_REPEATED: Final = 0.05
"""Reports whose answer is lost, so that they are sent again."""
_LATE: Final = 0.03
"""Reports that arrive once more after later ones."""
_BUSY: Final = frozenset({429, 503})
Tell = Callable[[str, int, int], None]


class Played(msgspec.Struct, kw_only=True):
    """What was done."""

    agents: int = 0
    reports: int = 0
    rows: int = 0
    repeated: int = 0
    check_ins: int = 0
    put_off: int = 0
    """Answers that asked to come again later."""
    unanswered: int = 0
    """Requests without an answer, which were sent again."""
    clones: int = 0
    """Machines that first showed up as the golden image they were copied from."""


class _Agent:
    """One enrolment of one machine."""

    def __init__(self, machine: Machine, which: int, run: str) -> None:
        self.machine = machine
        self.uid = f"sim-{run}-{machine.number}-{which}"
        self.secret = secrets.token_urlsafe(32)
        self.digest = hashlib.sha256(f"{run} {machine.name}".encode()).hexdigest()
        self.book = Book(f"{self.uid}-ledger")
        self.enrolled = False
        self.looked = -1
        """The latest day of which it said how well it could look."""
        self.last = b""


class Player:
    """A fleet at one collector. ``tokens`` are enrolment tokens by unit; ``""`` is for every unit without one.

    ``run`` sets the names of its agents apart from those of another run. ``trust`` says who may vouch for the
    collector.
    """

    def __init__(
        self,
        fleet: Fleet,
        url: str,
        tokens: Mapping[str, str],
        *,
        run: str,
        now: int,
        tell: Tell,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._fleet = fleet
        self._url = url
        self._tokens = tokens
        self._run = run
        self._now = now
        self._tell = tell
        self._trust = trust
        self._heard = 0.0
        self._today = 0
        self._agents: dict[tuple[int, int], _Agent] = {}
        self._images = {one.unit: one for one in fleet.machines if one.role == "image"}
        self.played = Played()

    def names(self) -> dict[tuple[int, int], tuple[str, str]]:
        """Agent and epoch by machine and ledger."""
        return {key: (agent.uid, agent.book.name) for key, agent in self._agents.items()}

    async def play(self) -> Played:
        """All days, as fast as the collector answers. Raises ``Failure``."""
        several = {"max_connections": _CONNECTIONS, "max_keepalive_connections": _CONNECTIONS}
        self._heard = asyncio.get_running_loop().time()
        async with httpx.AsyncClient(
            base_url=self._url,
            timeout=_TIMEOUT,
            limits=httpx.Limits(**several, keepalive_expiry=_IDLE),
            verify=self._trust or True,
            trust_env=False,
        ) as client:
            self._client = client
            await self._days()
        return self.played

    async def _days(self) -> None:
        plan, machines = self._fleet.plan, self._fleet.machines
        life = {machine.number: events(self._fleet, machine) for machine in machines}
        ahead = {machine.number: next(life[machine.number], None) for machine in machines}
        await self._all([(one, 0) for one in self._images.values()], "images", self._enrol_first)
        for day in range(plan.days):
            self._today = day
            jobs: list[tuple[Machine, int]] = []
            for machine in machines:
                entry = ahead[machine.number]
                if entry is not None and entry[0] == day:
                    ahead[machine.number] = next(life[machine.number], None)
                    jobs.append((machine, self._note(machine, day, entry[1])))
            due = [(one, which) for one, which in jobs if self._reports(one, day) or self._has_old(one, which)]
            await self._all(due, f"day {day + 1} of {plan.days}", self._day)
        rest = [key for key, agent in self._agents.items() if agent.book.waiting or not agent.enrolled]
        await self._all([(self._agents[key].machine, key[1]) for key in rest], "the rest", self._day)

    def _note(self, machine: Machine, day: int, seen: list[Event]) -> int:
        which = ledger_of(machine, day)
        self._agent(machine, which).book.add(seen)
        return which

    def _reports(self, machine: Machine, day: int) -> bool:
        chance = random.Random(f"report {self._fleet.plan.seed} {machine.number} {day}")  # noqa: S311 - to be repeated
        return reaches(self._fleet, machine, day) and chance.random() < _REPORTS

    def _has_old(self, machine: Machine, which: int) -> bool:
        """Before it was set up anew, it told what it knew."""
        old = self._agents.get((machine.number, 0)) if which else None
        return old is not None and old.book.waiting > 0

    def _agent(self, machine: Machine, which: int) -> _Agent:
        agent = self._agents.get((machine.number, which))
        if agent is None:
            agent = self._agents[machine.number, which] = _Agent(machine, which, self._run)
        return agent

    async def _all(self, jobs: list[tuple[Machine, int]], what: str, work: Callable[[Machine, int], Any]) -> None:
        """Every job, on a few connections at one time."""
        left, done = iter(jobs), 0

        async def lane(mine: Iterator[tuple[Machine, int]]) -> None:
            nonlocal done
            for machine, which in mine:
                await work(machine, which)
                done += 1
                self._tell(what, done, len(jobs))

        async with asyncio.TaskGroup() as group:
            for _ in range(_CONNECTIONS):
                group.create_task(lane(left))

    async def _enrol_first(self, machine: Machine, which: int) -> None:
        await self._enrol(self._agent(machine, which))

    async def _day(self, machine: Machine, which: int) -> None:
        for each in range(which + 1):  # what was known before it was set up anew comes first
            agent = self._agents.get((machine.number, each))
            if agent is None or (each < which and not agent.book.waiting):
                continue
            if not agent.enrolled:
                await self._enrol(agent)
            await self._check_in(agent, agent.digest)
            await self._report(agent)

    async def _enrol(self, agent: _Agent) -> None:
        machine = agent.machine
        image = self._images.get(machine.unit)
        if machine.copied and image is not None and not agent.uid.endswith("-1"):
            await self._check_in(self._agent(image, 0), agent.digest)  # the copied disk still has the image's identity
            self.played.clones += 1
        request = wire.Enrol(
            schema=wire.SCHEMA,
            token=self._tokens.get(machine.unit) or self._tokens[""],
            agent=agent.uid,
            secret=hashlib.sha256(agent.secret.encode()).hexdigest(),
            machine=agent.digest,
            name=machine.name,
            platform="linux",
            version="simulated",
            addresses=(machine.address,),
        )
        await self._post("/v1/enrol", msgspec.json.encode(request), None)
        agent.enrolled = True
        self.played.agents += 1

    async def _check_in(self, agent: _Agent, digest: str) -> None:
        machine = agent.machine
        request = wire.CheckIn(
            schema=wire.SCHEMA,
            epoch=agent.book.name,
            acknowledged=agent.book.acknowledged,
            sent=self._now + machine.skew,
            name=machine.name,
            addresses=(machine.address,),
            machine=digest,
            platform="linux",
            version="simulated",
            pending=agent.book.waiting,
        )
        await self._post("/v1/check-in", msgspec.json.encode(request), agent)
        self.played.check_ins += 1

    async def _report(self, agent: _Agent) -> None:
        rng = random.Random(f"wire {self._fleet.plan.seed} {agent.machine.number} {agent.book.sequence}")  # noqa: S311
        for report in agent.book.reports(self._now + agent.machine.skew):
            body = msgspec.json.encode(self._with_looks(report, agent))
            pace = await self._post("/v1/ingest", body, agent)
            if rng.random() < _REPEATED:
                await self._again(body, agent)
            if agent.last and rng.random() < _LATE:
                await self._again(agent.last, agent)
            if pace.committed < report.sequence or pace.full_state or pace.notice:
                raise Failure(f"{agent.uid}: the collector did not keep a report: {pace.notice or pace}", status=1)
            agent.last = body
            self.played.reports += 1
            self.played.rows += len(report.cells)
        agent.book.settle()

    def _with_looks(self, report: wire.Report, agent: _Agent) -> wire.Report:
        """The first report of a day says how well the machine could look on it."""
        if agent.looked == self._today:
            return report
        agent.looked = self._today
        machine, plan = agent.machine, self._fleet.plan
        scan = run(
            machine,
            plan,
            self._today,
            report.sequence,
            uid=f"{agent.uid}-{report.sequence}",
            sightings=len(report.cells),
        )
        told = looks(machine, plan, self._today, report.sequence)
        return msgspec.structs.replace(report, looks=told, runs=(scan,))

    async def _again(self, body: bytes, agent: _Agent) -> None:
        await self._post("/v1/ingest", body, agent)
        self.played.repeated += 1

    async def _post(self, path: str, body: bytes, agent: _Agent | None) -> wire.Pace:
        """The answer, however often one has to come again. Raises ``Failure``."""
        headers = {"authorization": f"Bearer {agent.uid}.{agent.secret}"} if agent else {}
        if len(body) > 1_024:
            body = gzip.compress(body, 1)
            headers["content-encoding"] = "gzip"
        clock, attempts = asyncio.get_running_loop().time, 0
        while attempts < _ATTEMPTS:
            try:
                answer = await self._client.post(path, content=body, headers=headers)
            except httpx.TransportError as error:  # whether it arrived nobody knows: it is sent again, as agents do
                self.played.unanswered += 1
                if clock() > self._heard + _SILENCE or not self.played.check_ins + self.played.agents:
                    why = str(error) or type(error).__name__
                    raise Failure(f"{self._url} does not answer: {why}", status=1) from None
                await asyncio.sleep(1)
                continue
            self._heard, attempts = clock(), attempts + 1
            if answer.status_code == 200:
                return msgspec.json.decode(answer.content, type=wire.Pace)
            if answer.status_code not in _BUSY:
                raise Failure(f"{self._url}{path} answered {answer.status_code}: {answer.text[:300]}", status=1)
            self.played.put_off += 1
            await asyncio.sleep(min(_LONGEST_WAIT, float(answer.headers.get("retry-after", "1"))))
        raise Failure(f"{self._url}{path}: the collector is busy all the time", status=1)
