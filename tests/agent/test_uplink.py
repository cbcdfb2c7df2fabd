from __future__ import annotations

import hashlib
import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.agent.collector_at import Collector, problem, served
from tests.agent.reporting import NOW, event, key_of_total, look, run, state
from tests.agent.signing import OWN, feed, root

from aimscope_agent import identity as identities
from aimscope_agent.identity import Identity
from aimscope_agent.ledger import Ledger
from aimscope_agent.ledger.sent import SentLog
from aimscope_agent.trust import Trust
from aimscope_agent.uplink import About, Https, Server, Uplink
from aimscope_signatures import wire
from aimscope_signatures.signed import Role

Begin = Callable[[], "Agent"]


class Agent:
    """An agent as the service assembles it, with a clock that runs as far as it waits."""

    def __init__(self, folder: Path, url: str) -> None:
        self.now = float(NOW)
        self.ledger = Ledger(folder / "ledger.db", now=NOW, epoch="e1")
        self.trust = Trust(folder / "trust")
        self.identity_file = folder / "identity.json"
        self.fed: list[Role] = []
        self.sent = SentLog(folder / "sent.log")
        numbers = itertools.count(1)

        def randoms(size: int) -> bytes:
            return hashlib.shake_256(b"%d" % next(numbers)).digest(size)

        known = identities.load(self.identity_file)
        if known is None:
            known = identities.draw("0" * 64, url, randoms)
            identities.keep(self.identity_file, known)
        self.transport = Https(Server(url), monotonic=time.monotonic, version="1")
        self.uplink = Uplink(
            self.transport,
            self.ledger,
            self.trust,
            identity=known,
            identity_file=self.identity_file,
            about=lambda: About(name="pc-1", version="1", notices=("a sensor was stopped",)),
            sent=self.sent,
            chance=random.Random(3).random,
            random=randoms,
            on_feed=self.fed.append,
        )

    def steps(self, count: int) -> list[float]:
        waits = []
        for _ in range(count):
            waits.append(self.uplink.step(int(self.now)))
            self.now += waits[-1]
        return waits

    def until_known(self, most: int = 200) -> int:
        """Steps until the collector knows all there is."""
        for taken in range(most):
            if self.ledger.waiting() == 0:
                return taken
            self.steps(1)
        raise AssertionError(f"{self.ledger.waiting()} rows still wait: {self.uplink.trouble}")

    def identity(self) -> Identity:
        found = identities.load(self.identity_file)
        assert found is not None
        return found

    def close(self) -> None:
        self.ledger.close()
        self.transport.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with served(Collector()) as running:
        yield running


@pytest.fixture
def begin(collector: Collector, tmp_path: Path) -> Iterator[Begin]:
    agents: list[Agent] = []

    def start() -> Agent:
        for agent in agents:
            agent.close()
        agents[:] = [Agent(tmp_path, collector.url)]
        return agents[0]

    yield start
    for agent in agents:
        agent.close()


def agrees(agent: Agent, collector: Collector) -> bool:
    return collector.model.counts("e1") == {
        key_of_total(total): (total.count, total.first, total.last, total.days, total.bytes_out)
        for total in agent.ledger.sightings()
    }


def test_what_is_seen_arrives(begin: Begin, collector: Collector) -> None:
    agent = begin()
    for number in range(2_500):
        agent.ledger.commit([event(number % 50)], {})
    agent.ledger.commit([state(number) for number in range(1_200)], {}, looks=[look(1)], runs=[run(1)])
    agent.until_known()
    assert agrees(agent, collector)
    assert (len(collector.model.looks), len(collector.model.runs)) == (1, 1)
    assert max(collector.squeezed) < 200_000
    said = collector.check_ins[0]
    assert (said.name, said.pending, said.notices) == ("pc-1", 1_252, ("a sensor was stopped",))
    (wait,) = agent.steps(1)
    assert 60 <= wait <= 66


def test_what_left_this_machine_can_be_shown_exactly(begin: Begin, collector: Collector) -> None:
    agent = begin()
    agent.ledger.commit([event()], {})
    agent.until_known()
    assert [(entry.route, bytes(entry.body)) for entry in agent.sent.entries()] == collector.asked
    assert agent.identity().secret not in str(list(agent.sent.entries()))


def test_lost_answers_outages_and_restarts_neither_lose_nor_double(begin: Begin, collector: Collector) -> None:
    chooser = random.Random(5)
    collector.lost = lambda _path, _body: chooser.random() < 0.3
    collector.faults = lambda _path, _body: problem(503, "unavailable") if chooser.random() < 0.2 else None
    agent = begin()
    for number in range(60):
        agent.ledger.commit([event(number % 7), state(number)], {}, looks=[look(number)])
        agent.steps(chooser.randrange(3))
        if number % 15 == 14:
            agent = begin()
    agent.until_known(2_000)
    assert agrees(agent, collector)


def test_nobody_is_asked_sooner_than_it_said(begin: Begin, collector: Collector) -> None:
    agent = begin()
    collector.faults = lambda _path, _body: problem(429, "too-fast", **{"Retry-After": "1234"})
    assert all(wait >= 1_234 for wait in agent.steps(3))


def test_a_revoked_agent_sends_nothing_and_keeps_what_it_saw(begin: Begin, collector: Collector) -> None:
    agent = begin()
    agent.ledger.commit([event()], {})
    collector.faults = lambda _path, _body: problem(401, "revoked")
    agent.steps(5)
    assert agent.uplink.revoked
    assert len(collector.asked) == 1
    assert agent.ledger.waiting() == 1
    assert "enrol again" in agent.uplink.notices[0]


def test_an_agent_that_waits_for_approval_only_checks_in(begin: Begin, collector: Collector) -> None:
    agent = begin()
    agent.ledger.commit([event()], {})
    collector.faults = lambda path, _body: problem(403, "not-approved") if path == "/v1/ingest" else None
    agent.steps(6)
    assert not agent.identity().approved
    collector.faults = lambda _path, _body: None
    agent.until_known()
    assert agent.identity().approved


def test_a_report_too_large_is_halved(begin: Begin, collector: Collector) -> None:
    agent = begin()
    agent.ledger.commit([state(number) for number in range(600)], {})
    collector.faults = lambda _path, body: problem(413, "too-large") if len(body) > 20_000 else None
    agent.until_known()
    assert agrees(agent, collector)
    assert agent.uplink.notices == ()


def test_one_row_the_collector_cannot_read_holds_nothing_up(begin: Begin, collector: Collector) -> None:
    agent = begin()
    agent.ledger.commit([state(number) for number in range(300)], {}, looks=[look(1)])
    collector.faults = lambda _path, body: problem(422, "malformed") if b'"tool77.service"' in body else None
    agent.until_known()
    assert len(collector.model.cells) == 299
    assert len(collector.model.looks) == 1
    (notice,) = agent.uplink.notices
    assert "1 rows" in notice
    assert "service of tool" in notice
    agent.steps(2)
    assert notice in collector.check_ins[-1].notices


def test_a_collector_restored_from_a_backup_is_told_everything(begin: Begin, collector: Collector) -> None:
    agent = begin()
    backup = collector.model.copy()
    for number in range(3):
        agent.ledger.commit([event(number)], {})
        agent.until_known()
        if number == 0:
            backup = collector.model.copy()
    collector.model = backup
    agent.ledger.commit([event(9)], {})
    agent.steps(12)
    assert agent.ledger.waiting() == 0
    assert agrees(agent, collector)


@pytest.mark.parametrize("lost", [False, True])
def test_the_secret_is_renewed_though_an_answer_is_lost(begin: Begin, collector: Collector, lost: bool) -> None:
    agent = begin()
    first = agent.identity().secret
    collector.secrets = {identities.secret_hash(first)}
    collector.pace = wire.Pace(next_check_in=60, rotate=True)
    agent.steps(1)
    collector.pace = wire.Pace(next_check_in=60)
    fresh = agent.identity().next_secret
    assert fresh is not None
    if lost:
        collector.lost = lambda _path, _body: True
        agent.steps(1)
        assert agent.identity().next_secret == fresh
        collector.lost = lambda _path, _body: False
        collector.secrets = {identities.secret_hash(fresh)}
        agent = begin()
    agent.steps(2)
    assert (agent.identity().secret, agent.identity().next_secret) == (fresh, None)
    collector.secrets = {identities.secret_hash(fresh)}
    agent.ledger.commit([event()], {})
    agent.until_known()
    assert collector.check_ins[1].new_secret == identities.secret_hash(fresh)


def offer(collector: Collector, role: Role, version: int, body: bytes, envelope: str) -> None:
    sha256 = hashlib.sha256(body).hexdigest()
    collector.bodies[f"/v1/{role}/{sha256}"] = body
    offered = {**collector.pace.feeds, role: wire.Feed(version, sha256, envelope)}
    collector.pace = msgspec.structs.replace(collector.pace, feeds=offered)


def test_feeds_are_fetched_by_hash_and_believed_for_their_signatures(begin: Begin, collector: Collector) -> None:
    agent = begin()
    agent.trust.begin(root(), NOW)
    offer(collector, "catalogue", 2, b"new", feed("catalogue", 2, b"new"))
    offer(collector, "policy", 1, b"policy", feed("policy", 1, b"policy"))
    agent.steps(2)
    assert (agent.trust.body("catalogue"), agent.trust.body("policy")) == (b"new", b"policy")
    assert agent.fed == ["catalogue", "policy"]
    offer(collector, "catalogue", 3, b"forged", feed("catalogue", 3, b"forged", key=OWN))
    offer(collector, "policy", 2, b"other", feed("policy", 2, b"signed"))
    agent.steps(2)
    assert (agent.trust.body("catalogue"), agent.trust.body("policy")) == (b"new", b"policy")
    assert len(agent.uplink.notices) == 2
    assert any("catalogue version 3 was refused" in notice for notice in collector.check_ins[-1].notices)
    assert collector.check_ins[-1].versions == {"root": 1, "catalogue": 2, "policy": 1}


HUGE = b"x" * (2 << 20)


@pytest.mark.parametrize(
    "fault",
    [
        (200, {}, HUGE),
        (200, {"Content-Type": "text/html"}, b"<html>Please log in</html>"),
        (200, {"Content-Encoding": "gzip", "Content-Type": "application/json"}, b"\x1f\x8b"),
        (302, {"Location": "https://elsewhere.example/"}, b""),
        (400, {"Content-Type": "text/html"}, b"Bad Request"),
        (200, {"Content-Type": "application/json"}, b'{"next_check_in": 1e99}'),
        (200, {"Content-Type": "application/json"}, b"[" * 100_000),
        (401, {"Content-Type": "application/problem+json"}, b"\xff"),
    ],
)
def test_what_is_no_collector_is_neither_believed_nor_hurried(
    begin: Begin, collector: Collector, fault: tuple[int, dict[str, str], bytes]
) -> None:
    agent = begin()
    agent.ledger.commit([event()], {})
    collector.faults = lambda _path, _body: fault
    waits = agent.steps(4)
    assert max(waits) <= 900
    assert agent.uplink.trouble
    assert agent.uplink.last_contact == 0
    assert agent.ledger.waiting() == 1
    collector.faults = lambda _path, _body: None
    agent.until_known()
    assert agrees(agent, collector)


def test_a_ledger_that_cannot_be_written_does_not_silence_the_agent(begin: Begin, collector: Collector) -> None:
    agent = begin()
    agent.ledger.commit([event()], {})
    agent.ledger._database.execute("pragma query_only = on")
    agent.steps(5)
    assert len(collector.check_ins) > 1
    assert any("nothing was committed" in notice for notice in collector.check_ins[-1].notices)
    agent.ledger._database.execute("pragma query_only = off")
    agent.until_known()
