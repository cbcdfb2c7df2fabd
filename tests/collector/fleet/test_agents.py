"""Who is let in, by which token, as which device; who is let out again."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.store import agents, audit
from aimscope_collector.store.agents import AgentError
from aimscope_collector.store.database import writing
from aimscope_collector.store.enrolment import Refused, enrol
from aimscope_collector.store.tables.fleet import AGENT, ASSET, TOKEN, UNIT
from aimscope_signatures import wire
from tests.collector.fleet.at_the_door import DEVICES, DOOR, NOW, rows

DAY = 86_400


def _token(engine: sa.Engine, **more: Any) -> str:
    with writing(engine) as connection:
        said = {"draw": lambda: f"token-{len(agents.tokens(connection))}", "by": "root", "now": NOW, "uses": 9, **more}
        return agents.create_token(connection, **said)[1]


def _machine(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _enrol(
    engine: sa.Engine, token: str, uid: str, *, machine: str = "", name: str = "", at: int = NOW, **more: Any
) -> tuple[bool, int]:
    address = more.pop("address", "192.0.2.1")
    secret = more.pop("secret", uid)
    request = wire.Enrol(
        schema=1,
        token=token,
        agent=uid,
        secret=agents.digest(secret),
        machine=_machine(machine or uid),
        name=name or f"host-{uid}",
        **more,
    )
    with writing(engine) as connection:
        return enrol(connection, request, door=DOOR, address=address, now=at)


def _asset(engine: sa.Engine, uid: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.select(AGENT.c.asset).where(AGENT.c.uid == uid)).scalar_one())


def test_a_token_lets_a_machine_in_and_asking_twice_uses_it_once(database: sa.Engine) -> None:
    token = _token(database, uses=1)
    first = _enrol(database, token, "a")
    assert first[0]
    assert _enrol(database, token, "a") == first
    with pytest.raises(Refused) as refused:
        _enrol(database, token, "b")
    assert refused.value.word == "token-used-up"
    assert rows(database, "select count(*) from agent") == [(1,)]
    assert rows(database, "select used from token") == [(1,)]


def test_the_same_identity_with_another_secret_is_refused(database: sa.Engine) -> None:
    token = _token(database)
    _enrol(database, token, "a")
    with pytest.raises(Refused) as refused:
        _enrol(database, token, "a", secret="another")
    assert refused.value.word == "identity-taken"


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"at": NOW + DAY}, "bad-token"),
    ({"networks": ["10.0.0.0/8", "2001:db8::/32"]}, {"address": "192.0.2.1"}, "wrong-network"),
    ({"networks": ["10.0.0.0/8"]}, {"address": ""}, "wrong-network"),
    ({"devices": ["SN-1", "SN-2"]}, {"device_id": "SN-3"}, "wrong-device"),
    ({"devices": ["SN-1", "SN-2"]}, {}, "wrong-device"),
]
ACCEPTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"at": NOW + DAY - 1}),
    ({"networks": ["10.0.0.0/8"]}, {"address": "10.1.2.3"}),
    ({"networks": ["10.0.0.0/8"]}, {"address": "::ffff:10.1.2.3"}),
    ({"networks": ["2001:db8::/32"]}, {"address": "2001:db8::9"}),
    ({"devices": ["SN-1", "SN-2"], "seconds": 90 * DAY}, {"device_id": "sn-2", "at": NOW + 89 * DAY}),
]


@pytest.mark.parametrize(("token", "request_", "word"), REFUSED)
def test_a_token_is_good_for_what_it_says_only(
    database: sa.Engine, token: dict[str, Any], request_: dict[str, Any], word: str
) -> None:
    text = _token(database, **token)
    with pytest.raises(Refused) as refused:
        _enrol(database, text, "a", **request_)
    assert refused.value.word == word
    assert rows(database, "select used from token") == [(0,)]
    assert rows(database, "select count(*) from asset") == [(0,)]


@pytest.mark.parametrize(("token", "request_"), ACCEPTED)
def test_a_token_is_good_for_what_it_says(database: sa.Engine, token: dict[str, Any], request_: dict[str, Any]) -> None:
    assert _enrol(database, _token(database, **token), "a", **request_)[0]


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"seconds": DAY + 1}, "list of devices"),
        ({"seconds": 400 * DAY, "approval": True}, "a year"),
        ({"seconds": 0}, "a minute"),
        ({"uses": 0}, "uses"),
        ({"unit": "nowhere"}, "no unit nowhere"),
        ({"networks": ["10.0.0.0/64"]}, "no network"),
    ],
)
def test_a_token_out_of_bounds_is_not_made(database: sa.Engine, more: dict[str, Any], match: str) -> None:
    with pytest.raises(AgentError, match=match):
        _token(database, **more)
    assert rows(database, "select count(*) from token") == [(0,)]


def test_neither_token_nor_secret_nor_name_is_in_the_database(database: sa.Engine) -> None:
    token = _token(database)
    _enrol(database, token, "a", secret="very-secret", name="alices-laptop", address="198.51.100.23")
    with database.connect() as connection:
        everything = repr([[*row] for table in (TOKEN, AGENT, ASSET) for row in connection.execute(table.select())])
        assert not any("hash" in row for row in agents.tokens(connection))
    assert token not in everything
    assert "very-secret" not in everything
    assert "alices" not in everything
    assert "198.51" not in everything
    from aimscope_collector import keys

    (sealed,) = rows(database, "select sealed from asset")
    assert keys.opened(DEVICES, bytes(sealed[0])) == "alices-laptop"


def test_a_reinstalled_machine_keeps_its_asset(database: sa.Engine) -> None:
    token = _token(database)
    _, old = _enrol(database, token, "old", machine="m", name="laptop")
    _, new = _enrol(database, token, "new", machine="m", name="renamed")
    assert _asset(database, "old") == _asset(database, "new")
    assert rows(database, "select uid, replaced_by from agent order by id") == [("old", new), ("new", None)]
    assert old != new
    with pytest.raises(Refused):
        _enrol(database, token, "old", machine="m", name="laptop")


def test_copies_of_a_golden_image_are_hosts_of_their_own(database: sa.Engine) -> None:
    token = _token(database)
    for number in range(3):
        _enrol(database, token, f"vdi-{number}", machine=f"m{number}", name="GOLDEN")
    assert len({_asset(database, f"vdi-{number}") for number in range(3)}) == 3
    _enrol(database, token, "again", machine="m1", name="GOLDEN")
    assert _asset(database, "again") == _asset(database, "vdi-1")


def test_a_device_that_was_imported_or_seen_by_a_gateway_is_the_same_device(database: sa.Engine) -> None:
    with writing(database) as connection:
        values = {"pseudonym": DOOR.device("Laptop").pseudonym, "source": "gateway", "first_seen": 1, "last_seen": 1}
        known = connection.execute(ASSET.insert().returning(ASSET.c.id).values(**values)).scalar_one()
    _enrol(database, _token(database), "a", name="laptop")
    assert _asset(database, "a") == known
    assert rows(database, "select managed, source from asset") == [(True, "agent")]


def test_the_unit_is_the_tokens_unless_a_person_or_an_import_has_said_otherwise(database: sa.Engine) -> None:
    with writing(database) as connection:
        for path in ("emea", "amer"):
            connection.execute(UNIT.insert().values(path=path))
        for name, by in (("one", "person"), ("two", "rule")):
            seen = {"first_seen": 1, "last_seen": 1, "unit": 2, "unit_by": by}
            connection.execute(ASSET.insert().values(pseudonym=DOOR.device(name).pseudonym, **seen))
    token = _token(database, unit="emea", tags=["kiosk"])
    for name in ("one", "two", "three"):
        _enrol(database, token, name, name=name)
    assert rows(database, "select unit, unit_by from asset order by id") == [(2, "person"), (1, "token"), (1, "token")]
    assert rows(database, "select distinct tags from agent") == [('["kiosk"]',)]


def test_approval_revocation_and_the_token_of_a_thief(database: sa.Engine) -> None:
    token = _token(database, approval=True, seconds=30 * DAY)
    assert not _enrol(database, token, "a")[0]
    _enrol(database, token, "b")
    with writing(database) as connection:
        assert [row["uid"] for row in agents.waiting(connection)] == ["a", "b"]
        agents.approve(connection, "a", by="root", now=NOW)
        assert [row["uid"] for row in agents.waiting(connection)] == ["b"]
        assert agents.enrolled_by(connection, 1) == ["a", "b"]
    assert _enrol(database, token, "a")[0]
    with writing(database) as connection:
        assert agents.revoke_token(connection, 1, by="root", now=NOW, agents_too="the token was stolen") == 2
    assert rows(database, "select revoked_why from agent") == [("the token was stolen",)] * 2
    for uid, word in (("a", "revoked"), ("c", "bad-token")):
        with pytest.raises(Refused) as refused:
            _enrol(database, token, uid)
        assert refused.value.word == word
    with database.connect() as connection:
        done = [entry.action for entry in audit.entries(connection)]
    assert done.count("agent.revoked") == 2
    assert {"token.created", "agent.enrolled", "agent.approved", "token.revoked"} <= set(done)


def test_who_waits_for_approval_displaces_nobody(database: sa.Engine) -> None:
    """A thief of a token that knows another machine's digest must not put that machine's agent out."""
    with writing(database) as connection:
        connection.execute(UNIT.insert().values(path="thieves"))
    _enrol(database, _token(database), "a")
    stolen = _token(database, approval=True, seconds=30 * DAY, unit="thieves")
    assert not _enrol(database, stolen, "thief", machine="a")[0]
    replaced = "select uid, replaced_by is not null from agent order by id"
    assert [(uid, bool(gone)) for uid, gone in rows(database, replaced)] == [("a", False), ("thief", False)]
    assert rows(database, "select unit from asset") == [(None,)]
    with writing(database) as connection:
        agents.approve(connection, "thief", by="root", now=NOW)
    assert [(uid, bool(gone)) for uid, gone in rows(database, replaced)] == [("a", True), ("thief", False)]
    with writing(database) as connection:
        agents.revoke(connection, "thief", why="stolen", by="root", now=NOW)
    with pytest.raises(AgentError, match="revoked"), writing(database) as connection:
        agents.approve(connection, "thief", by="root", now=NOW)


def test_revoking_needs_a_reason_and_an_agent(database: sa.Engine) -> None:
    with pytest.raises(AgentError, match="reason"), writing(database) as connection:
        agents.revoke(connection, "a", why=" ", by="root", now=NOW)
    with pytest.raises(AgentError, match="no agent"), writing(database) as connection:
        agents.revoke(connection, "a", why="stolen", by="root", now=NOW)
    with pytest.raises(AgentError, match="no token"), writing(database) as connection:
        agents.revoke_token(connection, 7, by="root", now=NOW)


def test_changes_are_numbered_in_their_order(database: sa.Engine) -> None:
    token = _token(database)
    _enrol(database, token, "a")
    _enrol(database, token, "b")
    with database.connect() as connection:
        everybody = list(agents.known(connection))
        assert [known.uid for known in everybody] == ["a", "b"]
        assert list(agents.known(connection, since=everybody[-1].changed)) == []
    with writing(database) as connection:
        agents.revoke(connection, "a", why="stolen", by="root", now=NOW)
    with database.connect() as connection:
        (changed,) = agents.known(connection, since=everybody[-1].changed)
    assert (changed.uid, changed.revoked_at) == ("a", NOW)
