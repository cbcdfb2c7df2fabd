"""Whatever is done to a past entry, verifying names the first bad one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector import audit
from aimscope_collector.audit import START, Entry, Head
from aimscope_collector.store import audit as store
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.people import AUDIT

FACTS = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5))


def chain(length: int) -> list[Entry]:
    before, found = START, []
    for number in range(length):
        entry = audit.following(before, at=number, actor="ann", action="x.y", about="z", facts={"n": number})
        found.append(entry)
        before = Head(entry.sequence, entry.hash)
    return found


def fill(database: sa.Engine, length: int) -> Head:
    for number in range(length):
        with writing(database) as connection:
            store.record(
                connection, at=number, actor="ann", action="finding.decided", about=f"f-{number}", facts={"n": number}
            )
    with database.connect() as connection:
        return store.head(connection)


def verified(database: sa.Engine, head: Head | None = None) -> int | None:
    with database.connect() as connection:
        return store.verify(connection, head=head)


@given(st.lists(st.tuples(st.integers(0, 99), st.text(max_size=8), FACTS), max_size=8))
def test_a_chain_as_written_is_whole(written: list[tuple[int, str, dict[str, audit.Fact]]]) -> None:
    before, found = START, []
    for at, actor, facts in written:
        found.append(audit.following(before, at=at, actor=actor, action="a", about="b", facts=facts))
        before = Head(found[-1].sequence, found[-1].hash)
    assert audit.verify(found) is None
    assert audit.verify(found, before) is None
    assert audit.verify(found, Head(len(found) + 1, "f" * 64)) == len(found) + 1


@given(st.integers(0, 5), st.sampled_from(["at", "actor", "action", "about", "previous", "hash"]))
def test_any_change_of_any_part_is_named(place: int, part: str) -> None:
    entries = chain(6)
    value = 77 if part == "at" else "0" * 63 + "1"
    changed = msgspec.structs.replace(entries[place], **{part: value})
    assert audit.verify([*entries[:place], changed, *entries[place + 1 :]]) == place + 1


def test_a_chain_written_anew_fits_itself_and_not_the_head_kept_elsewhere(database: sa.Engine) -> None:
    kept = fill(database, 4)
    with writing(database) as connection:
        connection.execute(AUDIT.delete())
    other = fill(database, 3)
    with writing(database) as connection:
        store.record(connection, at=9, actor="eve", action="login", about="eve", facts={})
    assert verified(database) is None
    assert verified(database, other) is None
    assert verified(database, kept) == 4


def test_entries_after_the_head_that_was_kept_are_fine(database: sa.Engine) -> None:
    kept = fill(database, 2)
    fill(database, 3)
    assert verified(database, kept) is None
    with database.connect() as connection:
        assert store.verify(connection, after=kept) is None


@pytest.mark.parametrize("sequence", [1, 3, 6])
def test_a_deleted_entry(database: sa.Engine, sequence: int) -> None:
    kept = fill(database, 6)
    with writing(database) as connection:
        connection.execute(AUDIT.delete().where(AUDIT.c.sequence == sequence))
    assert verified(database, kept) == sequence
    assert verified(database) == (None if sequence == 6 else sequence)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", 5000),
        ("actor", "bob"),
        ("action", "finding.asked"),
        ("object", "f-99"),
        ("facts", '{"n":7}'),
        ("facts", '{ "n":2}'),
        ("facts", "{"),
        ("facts", '{"n":[1]}'),
        ("facts", '{"n":2,"n":2}'),
        ("previous", "f" * 64),
        ("hash", "f" * 64),
    ],
)
def test_an_altered_entry(database: sa.Engine, column: str, value: str | int) -> None:
    fill(database, 5)
    with writing(database) as connection:
        connection.execute(AUDIT.update().where(AUDIT.c.sequence == 3).values({column: value}))
    assert verified(database) == 3


def test_two_entries_in_each_others_place(database: sa.Engine) -> None:
    fill(database, 6)
    with writing(database) as connection:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            connection.execute(AUDIT.update().where(AUDIT.c.sequence == old).values(sequence=new))
    assert verified(database) == 3


def test_an_end_cut_off_is_seen_by_the_head_alone(database: sa.Engine) -> None:
    kept = fill(database, 6)
    with writing(database) as connection:
        connection.execute(AUDIT.delete().where(AUDIT.c.sequence > 4))
    assert verified(database) is None
    assert verified(database, kept) == 5
    with writing(database) as connection:
        connection.execute(AUDIT.delete())
    assert verified(database) is None
    assert verified(database, kept) == 1


def test_writers_at_the_same_time_make_one_chain(database: sa.Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fill(database, 5), range(4)))
    with database.connect() as connection:
        assert store.head(connection).sequence == 20
    assert verified(database) is None


def test_what_was_rolled_back_left_no_entry(database: sa.Engine) -> None:
    fill(database, 1)

    def fails() -> None:
        with writing(database) as connection:
            store.record(connection, at=1, actor="a", action="b", about="c", facts={})
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    fill(database, 1)
    with database.connect() as connection:
        assert [entry.sequence for entry in store.entries(connection)] == [1, 2]
    assert verified(database) is None


def test_hostile_texts_are_kept_and_verify(database: sa.Engine) -> None:
    with writing(database) as connection:
        store.record(
            connection, at=1, actor="a\0b", action="x\ud800", about="é" * 9000, facts={"\0": "\udfff\n", "b": None}
        )
    assert verified(database) is None
    with database.connect() as connection:
        [entry] = store.entries(connection)
    assert len(entry.about) == store.LONGEST


def test_filters(database: sa.Engine) -> None:
    with writing(database) as connection:
        for at, (actor, action) in enumerate(
            [("ann", "login.done"), ("bob", "login.refused"), ("ann", "loginx"), ("ann", "finding.decided")]
        ):
            store.record(connection, at=at, actor=actor, action=action, about="o", facts={})
    with database.connect() as connection:

        def sequences(**filters: object) -> list[int]:
            return [entry.sequence for entry in store.entries(connection, **filters)]  # type: ignore[arg-type]

        assert sequences() == [1, 2, 3, 4]
        assert sequences(newest_first=True, limit=2) == [4, 3]
        assert sequences(newest_first=True, after=3) == [2, 1]
        assert sequences(after=2) == [3, 4]
        assert sequences(actor="ann", actions=["login."]) == [1]
        assert sequences(actions=["login.", "finding.decided"]) == [1, 2, 4]
        assert sequences(since=1, until=3) == [2, 3]
        assert sequences(about="p") == []
