from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.agent.reporting import NOW
from tests.agent.signing import NEXT, root

from aimscope_agent import identity as identities
from aimscope_agent.enrol import EnrolError, Enrolment, Machine, enrol, is_copy, set_aside
from aimscope_agent.identity import Identity, IdentityError, machine_digest
from aimscope_agent.ledger.sent import SentLog
from aimscope_agent.trust import Trust
from aimscope_agent.uplink.transport import Answer, Unreachable
from aimscope_signatures import signed, wire

URL = "https://collector.example"
HERE = Machine(digest=machine_digest("here"), name="pc-1")
THERE = Machine(digest=machine_digest("there"), name="pc-2")
Reply = Callable[[wire.Enrol], Answer]


def random() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda size: hashlib.shake_256(b"%d" % next(numbers)).digest(size)


def welcome(request: wire.Enrol, approved: bool = True, envelope: str = "") -> Answer:
    return Answer(200, msgspec.json.encode(wire.Enrolled(agent=request.agent, approved=approved, root=envelope)))


class Desk:
    """What a collector keeps of those who ask. ``reply`` decides the answer."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[wire.Enrol] = []

    def ask(self, method: str, path: str, *, body: bytes = b"", credential: str = "", largest: int = 0) -> Answer:
        assert (method, path, credential) == ("POST", "/v1/enrol", "")
        self.asked.append(msgspec.json.decode(body, type=wire.Enrol))
        return self.reply(self.asked[-1])


class Site:
    def __init__(self, folder: Path) -> None:
        self.identity = folder / "identity.json"
        self.trust = Trust(folder / "trust")
        self.sent = SentLog(folder / "sent.log")
        self.random = random()

    def enrol(
        self, desk: Desk, machine: Machine = HERE, fingerprint: str = "", collector: str = URL, again: bool = False
    ) -> Enrolment:
        return enrol(
            desk,
            self.identity,
            self.trust,
            token="et-1",
            collector=collector,
            machine=machine,
            now=NOW,
            random=self.random,
            sent=self.sent,
            fingerprint=fingerprint,
            again=again,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def kept(site: Site) -> Identity:
    found = identities.load(site.identity)
    assert found is not None
    return found


def test_the_collector_is_told_a_hash_and_the_secret_is_kept_here(site: Site) -> None:
    desk = Desk(lambda request: welcome(request, envelope=root()))
    done = site.enrol(desk)
    assert done.approved
    assert not done.anew
    assert kept(site) == done.identity
    assert desk.asked[0].secret == hashlib.sha256(done.identity.secret.encode()).hexdigest()
    assert done.identity.secret not in repr(done)
    assert site.trust.versions() == {"root": 1}
    assert site.identity.stat().st_mode & 0o777 == 0o600


def test_whoever_hears_no_answer_asks_again_as_the_same(site: Site) -> None:
    def silence(_: wire.Enrol) -> Answer:
        assert kept(site).enrolled_at == 0, "the identity is kept before anybody is told"
        raise Unreachable("no route to host")

    with pytest.raises(EnrolError, match="no route") as caught:
        site.enrol(Desk(silence))
    assert caught.value.passing
    before = kept(site)
    done = site.enrol(Desk(welcome))
    assert (done.identity.uid, done.identity.secret, done.anew) == (before.uid, before.secret, False)
    assert site.enrol(Desk(welcome)).identity == done.identity


def test_a_copied_disk_enrols_as_a_machine_of_its_own(site: Site) -> None:
    first = site.enrol(Desk(welcome)).identity
    assert not is_copy(first, HERE.digest)
    assert is_copy(first, THERE.digest)
    done = site.enrol(Desk(welcome), THERE)
    assert done.anew
    assert (done.identity.uid != first.uid, done.identity.secret != first.secret) == (True, True)


def test_another_collector_gets_another_identity(site: Site) -> None:
    first = site.enrol(Desk(welcome)).identity
    assert site.enrol(Desk(welcome), collector="https://other.example").identity.uid != first.uid


def test_a_machine_may_have_to_wait_for_approval(site: Site) -> None:
    assert not site.enrol(Desk(lambda request: welcome(request, approved=False))).approved
    assert not kept(site).approved


@pytest.mark.parametrize(
    ("status", "passing"), [(403, False), (409, False), (429, True), (500, True), (503, True), (302, False)]
)
def test_a_refusal_is_told_in_the_collectors_words(site: Site, status: int, passing: bool) -> None:
    problem = msgspec.json.encode(wire.Problem(type="bad-token", title="The token has expired.", status=status))
    with pytest.raises(EnrolError, match=r"The token has expired\.") as caught:
        site.enrol(Desk(lambda _: Answer(status, problem, "application/problem+json", 7)))
    assert (caught.value.passing, caught.value.retry_after) == (passing, 7)


@pytest.mark.parametrize("body", [b"", b"<html>Log in to the guest network</html>", b"[]", b"\xff"])
def test_what_is_no_collector_is_not_believed(site: Site, body: bytes) -> None:
    with pytest.raises(EnrolError, match="no collector"):
        site.enrol(Desk(lambda _: Answer(200, body)))
    assert kept(site).enrolled_at == 0


def test_an_answer_for_another_agent_is_not_believed(site: Site) -> None:
    with pytest.raises(EnrolError, match="another agent"):
        site.enrol(Desk(lambda _: Answer(200, msgspec.json.encode(wire.Enrolled(agent="x", approved=True)))))


def test_the_root_may_be_known_beforehand(site: Site) -> None:
    pin = signed.fingerprint_of(root())
    for envelope in (root(1, NEXT), ""):
        with pytest.raises(EnrolError, match="root of trust"):
            site.enrol(Desk(lambda request, given=envelope: welcome(request, envelope=given)), fingerprint=pin)  # type: ignore[misc]
    assert site.enrol(Desk(lambda request: welcome(request, envelope=root())), fingerprint=pin).identity.enrolled_at


def test_the_token_is_in_nothing_that_is_kept(site: Site, tmp_path: Path) -> None:
    site.enrol(Desk(lambda request: welcome(request, envelope=root())))
    assert [entry.route for entry in site.sent.entries()] == ["/v1/enrol"]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"et-1" not in path.read_bytes()
            assert path == site.identity or kept(site).secret.encode() not in path.read_bytes()


def test_an_identity_others_can_read_or_that_is_torn_is_not_used(site: Site) -> None:
    site.enrol(Desk(welcome))
    site.identity.chmod(0o644)
    with pytest.raises(IdentityError, match="read by others"):
        identities.load(site.identity)
    site.identity.chmod(0o600)
    site.identity.write_bytes(site.identity.read_bytes()[:-9])
    with pytest.raises(IdentityError, match="damaged"):
        identities.load(site.identity)


def test_the_digest_tells_machines_apart_and_not_what_their_identifier_is() -> None:
    assert machine_digest("abc\n") == machine_digest("abc") != machine_digest("abd")
    assert machine_digest("abc") != hashlib.sha256(b"abc").hexdigest()


def revoked(request: wire.Enrol) -> Answer:
    return Answer(403, msgspec.json.encode(wire.Problem(type="revoked", title="This agent was revoked.", status=403)))


def test_whoever_was_revoked_enrols_as_another_where_a_person_says_so(site: Site) -> None:
    first = site.enrol(Desk(welcome)).identity
    with pytest.raises(EnrolError, match="revoked"):
        site.enrol(Desk(revoked))
    assert kept(site).uid == first.uid
    desk = Desk(lambda request: revoked(request) if request.agent == first.uid else welcome(request))
    done = site.enrol(desk, again=True)
    assert [request.agent == first.uid for request in desk.asked] == [True, False]
    assert (done.anew, done.identity.uid == first.uid) == (True, False)
    assert desk.asked[0].secret != desk.asked[1].secret


def test_other_refusals_keep_the_identity(site: Site) -> None:
    first = site.enrol(Desk(welcome)).identity
    refused = wire.Problem(type="bad-token", title="Ask for a new one.", status=403)
    with pytest.raises(EnrolError, match="new one"):
        site.enrol(Desk(lambda _: Answer(403, msgspec.json.encode(refused))), again=True)
    assert kept(site) == first


def test_totals_of_the_identity_before_are_set_aside_also_where_enrolling_took_two_attempts(
    site: Site, tmp_path: Path
) -> None:
    first = site.enrol(Desk(welcome)).identity
    refused = wire.Problem(type="token-used-up", title="No uses left.", status=403)

    def reply(request: wire.Enrol) -> Answer:
        return revoked(request) if request.agent == first.uid else Answer(403, msgspec.json.encode(refused))

    with pytest.raises(EnrolError, match="No uses left"):
        site.enrol(Desk(reply), again=True)
    done = site.enrol(Desk(welcome))
    assert done.anew
    assert kept(site).anew, "whoever is killed now still sets them aside"
    ledger = tmp_path / "ledger.db"
    ledger.write_bytes(b"totals")
    set_aside(ledger, site.identity, NOW)
    assert not ledger.exists()
    assert not kept(site).anew
    ledger.write_bytes(b"totals")
    assert not site.enrol(Desk(welcome)).anew
