"""Names behind pseudonyms: opened for who may and has a reason, forgotten for who asks, and always audited."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey

from aimscope_collector import privacy
from aimscope_collector.accounts import Principal
from aimscope_collector.door import Door
from aimscope_collector.privacy import PrivacyPolicy
from aimscope_collector.store import audit, reveals
from aimscope_collector.store import privacy as store
from aimscope_collector.store.database import writing
from aimscope_collector.store.reveals import NotRevealed, Reveal
from aimscope_collector.store.tables.fleet import ASSET
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, SUBJECT

NOW = 1_000_000
PEOPLE, DEVICES = PrivateKey(b"p" * 32), PrivateKey(b"d" * 32)
DOOR = Door(b"k" * 32, PEOPLE.public_key, DEVICES.public_key)
ANN = Principal(account=1, name="ann", roles=("security",))
BOB = Principal(account=2, name="bob", roles=("privacy",))
EVE = Principal(account=3, name="eve", roles=("reviewer", "auditor"))
ROOT = Principal(account=4, name="root", roles=("admin",))
FOUR_EYES = PrivacyPolicy()
ALONE = PrivacyPolicy(second_person=False)


@pytest.fixture
def person(database: sa.Engine) -> str:
    """The pseudonym of somebody who used a service, and installed it, on one machine."""
    somebody, device = DOOR.person("Erika Muster"), DOOR.device("laptop-17")
    with writing(database) as connection:
        connection.execute(SUBJECT.insert(), [{"id": 0, "pseudonym": "machine"}])
        connection.execute(
            SUBJECT.insert(),
            [{"id": 1, "pseudonym": somebody.pseudonym, "sealed": somebody.sealed, "groups": '["sales"]'}],
        )
        connection.execute(
            ASSET.insert(),
            [{"id": 1, "pseudonym": device.pseudonym, "sealed": device.sealed, "first_seen": 1, "last_seen": 2}],
        )
        for number, kind in ((1, "dns.query"), (2, "application")):
            connection.execute(
                EVIDENCE.insert(),
                [
                    {
                        "id": number,
                        "key": bytes([number]) * 16,
                        "service": "chatgpt",
                        "kind": kind,
                        "fields": '{"a":"b"}',
                    }
                ],
            )
        connection.execute(
            SIGHTING.insert(),
            [
                total(1, 1, count=5, first=10, last=50, bytes_out=7, days=0b11),
                total(1, 0, count=3, first=5, last=20, bytes_out=None, days=0b10),
                total(2, 1, count=2, days=0b110),
                total(2, 0, count=2, days=0b011),
                total(1, 1, month=202602, count=9),
            ],
        )
    return somebody.pseudonym


def total(evidence: int, subject: int, **more: Any) -> dict[str, Any]:
    row = {
        "month": 202601,
        "agent": 1,
        "epoch": 1,
        "asset": 1,
        "evidence": evidence,
        "subject": subject,
        "count": 1,
        "first": 1,
        "last": 2,
        "bytes_out": None,
        "bytes_in": None,
        "days": 1,
        "identity": 2,
        "presence": 4,
    }
    return row | more


def ask(database: sa.Engine, pseudonym: str, **more: Any) -> Reveal:
    known: dict[str, Any] = {
        "what": "person",
        "by": ANN,
        "role": "security",
        "reason": "Incident 7",
        "at": NOW,
        "policy": FOUR_EYES,
    }
    with writing(database) as connection:
        return reveals.ask(connection, pseudonym=pseudonym, **known | more)


def opened(database: sa.Engine, reveal: Reveal, **more: Any) -> str:
    known: dict[str, Any] = {"by": ANN, "at": NOW + 5, "key": PEOPLE, "policy": FOUR_EYES}
    with writing(database) as connection:
        return reveals.open_name(connection, reveal=reveal.id, **known | more)


def said(database: sa.Engine) -> list[tuple[str, str, str]]:
    with database.connect() as connection:
        assert audit.verify(connection) is None
        return [(entry.actor, entry.action, entry.about) for entry in audit.entries(connection)]


def test_a_name_is_opened_after_a_second_person_agreed(database: sa.Engine, person: str) -> None:
    reveal = ask(database, person)
    assert reveal.stage == "waiting"
    with pytest.raises(NotRevealed, match="second person"):
        opened(database, reveal)
    with writing(database) as connection:
        assert [one.id for one in reveals.reveals(connection, waiting=True)] == [reveal.id]
        for who in (ANN, EVE):
            with pytest.raises(NotRevealed):
                reveals.agree(connection, reveal=reveal.id, by=who, at=NOW + 1)
        assert reveals.agree(connection, reveal=reveal.id, by=BOB, at=NOW + 1).stage == "agreed"
        with pytest.raises(NotRevealed, match="already"):
            reveals.agree(connection, reveal=reveal.id, by=BOB, at=NOW + 2)
        assert reveals.reveals(connection, waiting=True) == []
    assert opened(database, reveal) == "Erika Muster"
    assert opened(database, reveal, at=NOW + 9) == "Erika Muster"
    assert said(database) == [
        ("ann", "reveal.asked", person),
        ("bob", "reveal.agreed", person),
        ("ann", "reveal.opened", person),
        ("ann", "reveal.opened", person),
    ]
    with database.connect() as connection:
        assert "Erika" not in repr(audit.entries(connection))
        assert reveals.reveals(connection, pseudonym=person)[0].stage == "opened"
        seen = store.seen_by_privacy(connection)
    assert [entry.action for entry in seen][-1] == "reveal.asked"


def test_one_person_is_enough_only_where_policy_says_so(database: sa.Engine, person: str) -> None:
    reveal = ask(database, person, policy=ALONE)
    assert reveal.stage == "agreed"
    assert opened(database, reveal, policy=ALONE) == "Erika Muster"
    reveal = ask(database, person, policy=ALONE)
    with pytest.raises(NotRevealed, match="second person"):
        opened(database, reveal, policy=FOUR_EYES)
    reveal = ask(database, person, policy=FOUR_EYES)
    with pytest.raises(NotRevealed, match="second person"):
        opened(database, reveal, policy=ALONE)


@pytest.mark.parametrize(
    "changes",
    [
        {"by": EVE, "role": "reviewer"},
        {"by": ROOT, "role": "admin"},
        {"role": "reviewer"},
        {"by": msgspec.structs.replace(ANN, scopes=frozenset(("findings:read",)))},
        {"by": msgspec.structs.replace(ANN, must_change=True)},
        {"reason": " "},
        {"reason": "x" * 4_001},
        {"what": "device"},
    ],
)
def test_who_may_not_ask_is_refused(database: sa.Engine, person: str, changes: dict[str, Any]) -> None:
    with pytest.raises(NotRevealed):
        ask(database, person, **changes)
    with pytest.raises(NotRevealed):
        ask(database, "p-unknown")
    assert said(database) == []


def test_a_refused_an_old_and_another_ones_reveal_open_nothing(database: sa.Engine, person: str) -> None:
    reveal = ask(database, person, policy=ALONE)
    for changes in (
        {"by": msgspec.structs.replace(ANN, name="carl")},
        {"by": EVE},
        {"at": NOW + 24 * 3_600},
        {"at": NOW - 1},
        {"key": DEVICES},
    ):
        with pytest.raises(NotRevealed):
            opened(database, reveal, **{"policy": ALONE} | changes)
    with writing(database) as connection:
        assert reveals.refuse(connection, reveal=reveal.id, by=BOB, at=NOW + 1).stage == "refused"
        with pytest.raises(NotRevealed):
            reveals.agree(connection, reveal=reveal.id, by=BOB, at=NOW + 1)
        with pytest.raises(NotRevealed, match="no such"):
            reveals.agree(connection, reveal=99, by=BOB, at=NOW + 1)
    with pytest.raises(NotRevealed, match="refused"):
        opened(database, reveal, policy=ALONE)


def test_a_device_is_opened_with_the_devices_key(database: sa.Engine, person: str) -> None:
    pseudonym = DOOR.device("laptop-17").pseudonym
    reveal = ask(database, pseudonym, what="device", policy=ALONE)
    assert opened(database, reveal, key=DEVICES, policy=ALONE) == "laptop-17"


def test_subject_access_tells_everything_about_one_pseudonym(database: sa.Engine, person: str) -> None:
    ask(database, person)
    with writing(database) as connection:
        with pytest.raises(NotRevealed):
            store.access(connection, pseudonym=person, by=ANN, reason="x", at=NOW)
        with pytest.raises(NotRevealed):
            store.access(connection, pseudonym="p-unknown", by=BOB, reason="x", at=NOW)
        with pytest.raises(NotRevealed):
            store.access(connection, pseudonym=person, by=BOB, reason="", at=NOW)
        told = store.access(connection, pseudonym=person, by=BOB, reason="Asked by letter.", at=NOW)
    assert (told.groups, told.named, told.complete) == (("sales",), True, True)
    assert [(one.month, one.kind, one.count) for one in told.seen] == [
        (202601, "dns.query", 5),
        (202601, "application", 2),
        (202602, "dns.query", 9),
    ]
    assert told.seen[0].evidence == {"a": "b"}
    assert [one.reason for one in told.reveals] == ["Incident 7"]
    assert [entry.action for entry in told.audit] == ["reveal.asked"]
    assert said(database)[-1] == ("bob", "subject.accessed", person)


def test_erasure_forgets_who_and_keeps_how_much(database: sa.Engine, person: str) -> None:
    reveal = ask(database, person, policy=ALONE)
    with writing(database) as connection:
        for who in (ANN, BOB):
            with pytest.raises(NotRevealed):
                store.erase(connection, pseudonym=person, by=who, reason="x", at=NOW)
        assert store.erase(connection, pseudonym=person, by=ROOT, reason="Asked by letter.", at=NOW) == 3
        assert store.erase(connection, pseudonym=person, by=ROOT, reason="Again.", at=NOW) == 0
        rows: dict[Any, Any] = {
            (row.month, row.evidence): row
            for row in connection.execute(sa.select(SIGHTING).order_by(SIGHTING.c.evidence))
            if row.subject == 0
        }
        assert len(connection.execute(sa.select(SIGHTING)).all()) == len(rows) == 3
        told = store.access(connection, pseudonym=person, by=ROOT, reason="x", at=NOW)
    event = rows[(202601, 1)]
    assert (event.count, event.first, event.last, event.bytes_out, event.days) == (8, 5, 50, 7, 0b11)
    assert rows[(202601, 2)].count == 3, "a state counts once a day"
    assert rows[(202602, 1)].count == 9
    assert (told.named, told.groups, told.seen, told.erased_at) == (False, (), (), NOW)
    with pytest.raises(NotRevealed):
        opened(database, reveal, policy=ALONE)
    with pytest.raises(NotRevealed, match="erased"):
        ask(database, person)


def test_what_was_on_its_way_during_erasure_is_swept(database: sa.Engine, person: str) -> None:
    with writing(database) as connection:
        store.erase(connection, pseudonym=person, by=ROOT, reason="x", at=NOW)
        connection.execute(SIGHTING.insert(), [total(1, 1, month=202603, count=4)])
        assert store.sweep(connection) == 1
        assert store.sweep(connection) == 0
        assert not connection.execute(sa.select(SIGHTING).where(SIGHTING.c.subject == 1)).all()


def test_many_totals_are_moved(database: sa.Engine, person: str) -> None:
    with writing(database) as connection:
        connection.execute(SIGHTING.insert(), [total(1, 1, agent=number) for number in range(2, 1_302)])
        connection.execute(SIGHTING.insert(), [total(1, 0, agent=number) for number in range(2, 702)])
        assert store.erase(connection, pseudonym=person, by=ROOT, reason="x", at=NOW) == 1_303
        assert connection.execute(sa.select(sa.func.sum(SIGHTING.c.count))).scalar_one() == 5 + 3 + 3 + 9 + 2_000


def test_every_widening_is_said(database: sa.Engine) -> None:
    strict = PrivacyPolicy(least_group=10, time="month", excluded_groups=("Works Council", "legal"), reveal_hours=8)
    with writing(database) as connection:
        assert store.policy(connection) == PrivacyPolicy()
        assert store.set_policy(connection, strict, by="root", at=NOW) == ()
        wider = store.set_policy(connection, PrivacyPolicy(excluded_groups=("LEGAL",)), by="root", at=NOW)
        assert len(wider) == 4
        assert store.set_policy(connection, store.policy(connection), by="root", at=NOW) == ()
        assert len(store.set_policy(connection, ALONE, by="root", at=NOW)) == 2
        widened = [entry for entry in store.seen_by_privacy(connection) if entry.action == store.WIDENED]
    assert len(widened) == 6
    assert {entry.actor for entry in widened} == {"root"}


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 30), max_size=8), st.integers(1, 10))
def test_no_group_too_small_can_be_seen_or_worked_out(counts: dict[str, int], least: int) -> None:
    broken = privacy.broken_down(counts, least)
    assert sum(broken.shown.values()) + broken.others == sum(counts.values())
    assert all(count >= least and counts[group] == count for group, count in broken.shown.items())
    assert broken.others == 0 or broken.others >= least or not broken.shown


def test_large_groups_stay_as_they_are() -> None:
    counts = {"sales": 40, "hr": 5, "it": 12}
    assert privacy.broken_down(counts, 5) == privacy.Broken(counts, 0)
    assert privacy.broken_down({"sales": 40, "hr": 4, "it": 12}, 5) == privacy.Broken({"sales": 40}, 16)


def test_small_numbers_and_fine_moments_are_not_shown() -> None:
    assert [privacy.fit_to_show(count, 5) for count in (0, 1, 4, 5)] == [0, None, None, 5]
    moment = 1_795_392_000
    assert [privacy.coarse(moment, grain) for grain in privacy.GRAINS] == ["", "2026-11", "2026-11-23"]
    assert privacy.coarse(None, "day") == privacy.coarse(10**18, "day") == ""
    assert privacy.excluded(["Sales", "LEGAL"], PrivacyPolicy(excluded_groups=("legal",)))
    assert not privacy.excluded(["sales"], PrivacyPolicy(excluded_groups=("legal",)))
