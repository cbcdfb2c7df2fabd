"""Backups: whole, checked, and back as they were; a collector is founded once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from aimscope_collector import backup, feeds, founding, keys
from aimscope_collector.backup import BackupError
from aimscope_collector.founding import Config, FolderError, Founded
from aimscope_collector.store import audit, units
from aimscope_collector.store import feeds as stored
from aimscope_collector.store.database import connect, writing
from aimscope_signatures import signed

NOW = 1_800_000_000


def founded(folder: Path, database: str = "") -> Founded:
    """A collector in a folder."""
    return founding.found(
        folder,
        database=database,
        catalogue=b"catalogue",
        now=NOW,
        randomness=os.urandom,
        draw_token=lambda: "et_token",
    )


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_reads_the_folder(tmp_path: Path) -> None:
    founded(tmp_path / "c")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "c").rglob("*") if path.suffix != ".json"}
    modes["c"] = (tmp_path / "c").stat().st_mode & 0o777
    assert all(not mode & 0o077 for mode in modes.values()), modes


def test_a_collector_is_founded_once(tmp_path: Path) -> None:
    founded(tmp_path / "c")
    before = (tmp_path / "c" / "keys" / "pseudonym.key").read_bytes()
    with pytest.raises(FolderError, match="already"):
        founded(tmp_path / "c")
    (tmp_path / "c" / founding.CONFIG).unlink()
    with pytest.raises(FolderError, match="left of an earlier start"):
        founded(tmp_path / "c")
    assert (tmp_path / "c" / "keys" / "pseudonym.key").read_bytes() == before


def test_a_password_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="PASSWORD_FILE") as refused:
        founded(tmp_path / "c", "postgresql://me:s3cret@db/aimscope")
    assert "s3cret" not in str(refused.value)
    assert not (tmp_path / "c").exists()


def test_what_is_signed_is_believed_by_who_begins_with_the_root(tmp_path: Path) -> None:
    made = founded(tmp_path / "c")
    engine = connect(made.database)
    with engine.connect() as connection:
        offered = stored.current(connection)
        body = stored.body(connection, name="catalogue", sha256=offered["catalogue"].sha256)
    engine.dispose()
    root = signed.first_root(offered["root"].envelope, now=NOW, highest_clock=0, fingerprint=made.root_fingerprint)
    assert isinstance(root, signed.Accepted)
    for role in ("catalogue", "policy"):
        verified = signed.verify(
            offered[role].envelope, root.statement, role, now=NOW, highest_clock=0, known_version=0
        )
        assert isinstance(verified, signed.Accepted)
    assert body == b"catalogue"


def test_feeds_are_signed_anew_when_they_change_or_age(tmp_path: Path) -> None:
    made = founded(tmp_path / "c")
    signing = tmp_path / "c" / founding.SIGNING
    engine = connect(made.database)
    with writing(engine) as connection:
        assert feeds.refresh(connection, signing, catalogue=b"catalogue", now=NOW + 60) == ()
        assert feeds.refresh(connection, signing, catalogue=b"another", now=NOW + 60) == ("catalogue",)
        assert feeds.refresh(connection, signing, catalogue=b"another", now=NOW + 80 * 86_400) == ("catalogue",)
        assert stored.current(connection)["catalogue"].version == 3
        shutil.rmtree(signing)
        assert feeds.refresh(connection, signing, catalogue=b"third", now=NOW + 90 * 86_400) == ()
    engine.dispose()


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_backup_comes_back_as_it_was(tmp_path: Path, with_keys: bool) -> None:
    made = founded(tmp_path / "c")
    engine = connect(made.database)
    with writing(engine) as connection:
        units.ensure(connection, path="emea/sales", actor="ann", now=NOW)
    backup.backup(engine, tmp_path / "c", tmp_path / "b", keys=with_keys, actor="ann", now=NOW)
    with writing(engine) as connection:
        units.ensure(connection, path="later", actor="ann", now=NOW)
    engine.dispose()
    backup.restore_sqlite(tmp_path / "b", tmp_path / "new", now=NOW)
    restored = connect(str(tmp_path / "new" / backup.SQLITE))
    with restored.connect() as connection:
        assert list(units.units(connection)) == ["emea", "emea/sales"]
        assert audit.verify(connection) is None
        assert audit.entries(connection, actions=["backup.made"])
    restored.dispose()
    if with_keys:
        assert keys.load(tmp_path / "new" / "keys") == keys.load(tmp_path / "c" / "keys")
    else:
        assert not (tmp_path / "new" / "keys").exists()
        assert not list((tmp_path / "b").rglob("*.key"))


def test_a_backup_that_was_changed_is_refused(tmp_path: Path) -> None:
    made = founded(tmp_path / "c")
    engine = connect(made.database)
    backup.backup(engine, tmp_path / "c", tmp_path / "b", keys=False, actor="ann", now=NOW)
    engine.dispose()
    with (tmp_path / "b" / backup.SQLITE).open("r+b") as file:
        file.seek(5_000)
        file.write(b"\xff")
    with pytest.raises(BackupError, match="not as it was written"):
        backup.restore_sqlite(tmp_path / "b", tmp_path / "new", now=NOW)
    assert not (tmp_path / "new").exists()
    with pytest.raises(BackupError, match="no backup"):
        backup.check(tmp_path / "c")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made = founded(tmp_path / "c")
    engine = connect(made.database)
    backup.backup(engine, tmp_path / "c", tmp_path / "b", keys=True, actor="ann", now=NOW)
    with pytest.raises(BackupError, match="already"):
        backup.backup(engine, tmp_path / "c", tmp_path / "b", keys=True, actor="ann", now=NOW)
    engine.dispose()
    with pytest.raises(BackupError, match="already"):
        backup.restore_sqlite(tmp_path / "b", tmp_path / "c", now=NOW)
    (tmp_path / "half").mkdir()
    shutil.copytree(tmp_path / "c" / "keys", tmp_path / "half" / "keys")
    with pytest.raises(BackupError, match="keys are never replaced"):
        backup.restore_sqlite(tmp_path / "b", tmp_path / "half", now=NOW)


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="PostgreSQL's client programs are not installed")
def test_postgresql_is_backed_up_by_its_own_programs(tmp_path: Path, postgresql: str) -> None:
    server = sa.create_engine(
        postgresql.format(name="postgres").replace("postgresql://", "postgresql+psycopg://"),
        isolation_level="AUTOCOMMIT",
    )
    with server.connect() as connection:
        for name in ("before_it", "after_it"):
            connection.exec_driver_sql(f"create database {name}")
    made = founded(tmp_path / "c", postgresql.format(name="before_it"))
    engine = connect(founding.where(tmp_path / "c", Config(made.database)))
    with writing(engine) as connection:
        units.ensure(connection, path="emea", actor="ann", now=NOW)
    backup.backup(engine, tmp_path / "c", tmp_path / "b", keys=False, actor="ann", now=NOW)
    other = connect(postgresql.format(name="after_it"))
    backup.restore_postgresql(tmp_path / "b", tmp_path / "new", other, now=NOW)
    with other.connect() as connection:
        assert list(units.units(connection)) == ["emea"]
        assert audit.verify(connection) is None
    with pytest.raises(BackupError, match="not empty"):
        backup.restore_postgresql(tmp_path / "b", tmp_path / "new", other, now=NOW)
    engine.dispose()
    other.dispose()
    server.dispose()


def test_after_a_restore_agents_are_offered_versions_above_what_was_lost(tmp_path: Path) -> None:
    founded(tmp_path / "c")
    database = connect(str(tmp_path / "c" / backup.SQLITE))
    backup.backup(database, tmp_path / "c", tmp_path / "b", keys=True, actor="cli", now=NOW)
    signing = tmp_path / "c" / founding.SIGNING
    for role, body in (("policy", b"lost"), ("policy", b"lost, too"), ("overlay", b"lost")):
        with writing(database) as connection:
            feeds.publish(connection, signing, role=role, body=body, actor="ann", now=NOW)  # type: ignore[arg-type]
    with database.connect() as connection:
        lost = {name: feed.version for name, feed in stored.current(connection).items()}
    database.dispose()
    backup.restore_sqlite(tmp_path / "b", tmp_path / "new", now=NOW + 60)
    restored = connect(str(tmp_path / "new" / backup.SQLITE))
    signing = tmp_path / "new" / founding.SIGNING
    with writing(restored) as connection:
        changed = feeds.refresh(connection, signing, catalogue=b"catalogue", now=NOW + 120)
        feeds.publish(connection, signing, role="overlay", body=b"ours", actor="ann", now=NOW + 120)
        now = stored.current(connection)
        assert feeds.refresh(connection, signing, catalogue=b"catalogue", now=NOW + 180) == (), "once is enough"
        assert stored.body(connection, name="policy", sha256=now["policy"].sha256) == feeds.DEFAULT_POLICY
    restored.dispose()
    assert set(changed) == {"catalogue", "policy"}
    assert now["root"].version == lost["root"]
    assert all(now[role].version > lost[role] for role in ("catalogue", "policy", "overlay")), (now, lost)


def test_a_folder_of_an_earlier_version_gets_the_keys_it_never_had(tmp_path: Path) -> None:
    place = tmp_path / "c"
    founded(place)
    codes, reports = place / founding.KEYS / "codes.key", place / founding.SIGNING / "reports.key"
    database = connect(str(place / backup.SQLITE))

    def complete() -> tuple[str, ...]:
        return founding.complete(database, place, randomness=os.urandom, actor="cli", now=NOW)

    assert complete() == (), "what is there stays"
    codes.unlink()
    reports.unlink()
    with writing(database) as connection:
        audit.record(connection, at=NOW, actor="ann", action="report.made", about="findings", facts={})
    with pytest.raises(keys.KeysError, match="collector migrate"):
        keys.codes(place / founding.KEYS)
    with pytest.raises(feeds.FeedsError, match="collector migrate"):
        feeds.sign_report(place / founding.SIGNING, b"x")
    assert complete() == ("codes", "reports")
    keys.codes(place / founding.KEYS)
    feeds.sign_report(place / founding.SIGNING, b"x")
    assert {path.stat().st_mode & 0o777 for path in (codes, reports)} == {0o600}
    codes.unlink()
    reports.unlink()
    with writing(database) as connection:
        audit.record(connection, at=NOW, actor="ann", action="report.made", about="evidence-pack", facts={})
        connection.execute(sa.text("update account set totp = :sealed"), {"sealed": "sealed"})
    assert complete() == (), "a lost key is not replaced: nothing would fit it"
    with database.connect() as connection:
        assert audit.verify(connection) is None
        assert [one.about for one in audit.entries(connection, actions=("collector.key",))] == ["codes", "reports"]
    database.dispose()
