from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.agent.reporting import NOW
from tests.agent.signing import NEXT, OFFICE, OWN, YEAR, feed, root

from aimscope_agent.trust import Trust, TrustError
from aimscope_signatures import signed
from aimscope_signatures.signed import Accepted, Parcel, Refused, Role, Statement

FIRST, SECOND = b"first catalogue", b"second catalogue"


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    trust = Trust(tmp_path / "trust")
    assert isinstance(trust.begin(root(), NOW), Accepted)
    offered(trust, "catalogue", 1, FIRST)
    return trust


def offered(
    trust: Trust, role: Role, version: int, body: bytes, now: int = NOW, expires: int = NOW + YEAR, sent: bytes = b""
) -> Accepted | Refused:
    return trust.offer(role, feed(role, version, body, expires), now, lambda _: sent or body)


def why(result: Accepted | Refused) -> str:
    assert isinstance(result, Refused), result
    return result.why


def never(_: Statement) -> bytes:
    raise AssertionError("nothing was to be fetched")


def test_what_is_good_is_in_force_after_a_restart(trust: Trust, tmp_path: Path) -> None:
    assert isinstance(offered(trust, "catalogue", 2, SECOND), Accepted)
    assert isinstance(offered(trust, "policy", 7, b"policy"), Accepted)
    again = Trust(tmp_path / "trust")
    assert (again.body("catalogue"), again.body("policy"), again.body("overlay")) == (SECOND, b"policy", None)
    assert again.versions() == {"root": 1, "catalogue": 2, "policy": 7}
    assert len(list((tmp_path / "trust").glob("catalogue-*"))) == 1
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "trust").iterdir()} == {0}


def test_what_is_refused_changes_nothing_and_is_not_fetched(trust: Trust) -> None:
    offered(trust, "catalogue", 2, SECOND)
    forged = feed("catalogue", 3, b"forged", key=OWN)
    assert why(trust.offer("catalogue", forged, NOW, never)) == "signatures"
    assert why(trust.offer("catalogue", feed("catalogue", 1, FIRST), NOW, never)) == "rollback"
    assert why(trust.offer("catalogue", feed("catalogue", 3, b"late", expires=NOW), NOW, never)) == "expired"
    assert why(trust.offer("policy", feed("overlay", 1, b"overlay"), NOW, never)) == "role"
    assert why(offered(trust, "catalogue", 3, b"third", sent=b"THIRD")) == "body"
    assert why(offered(trust, "catalogue", 3, b"third", sent=b"third and more")) == "body"
    assert trust.body("catalogue") == SECOND
    assert isinstance(offered(trust, "catalogue", 3, b"third"), Accepted)


def test_the_clock_is_remembered_though_the_check_failed(trust: Trust, tmp_path: Path) -> None:
    soon = NOW + 1_000
    short = feed("catalogue", 2, SECOND, expires=soon)
    assert why(trust.offer("catalogue", short, soon, never)) == "expired"
    again = Trust(tmp_path / "trust")
    refused = again.offer("catalogue", short, NOW, never)
    assert why(refused) == "expired"
    assert isinstance(refused, Refused)
    assert "set back" in refused.reason
    again.reset_clock(NOW)
    assert isinstance(again.offer("catalogue", short, NOW, lambda _: SECOND), Accepted)


def test_what_expires_in_force_stays_in_force_and_is_stale(trust: Trust) -> None:
    assert trust.stale(NOW) == ()
    assert trust.stale(NOW + YEAR) == ("catalogue",)
    trust.observe(NOW + YEAR)
    assert trust.stale(NOW) == ("catalogue",)
    assert trust.body("catalogue") == FIRST


def test_a_root_is_replaced_by_one_the_old_keys_have_signed(trust: Trust) -> None:
    assert why(trust.offer("root", root(2, NEXT), NOW, never)) == "signatures"
    assert isinstance(trust.offer("root", root(2, NEXT, signers=[*OFFICE, *NEXT], own=NEXT[0]), NOW, never), Accepted)
    assert why(offered(trust, "policy", 1, b"policy")) == "signatures"
    fresh = feed("policy", 1, b"policy", key=NEXT[0])
    assert isinstance(trust.offer("policy", fresh, NOW, lambda _: b"policy"), Accepted)
    assert trust.body("catalogue") == FIRST


def test_another_root_of_another_organisation_is_not_begun_with(trust: Trust) -> None:
    assert isinstance(trust.begin(root(), NOW), Accepted)
    assert why(trust.begin(root(9, NEXT), NOW)) == "signatures"


def test_nothing_is_believed_without_a_root(tmp_path: Path) -> None:
    trust = Trust(tmp_path)
    assert why(trust.offer("catalogue", feed("catalogue", 1, FIRST), NOW, never)) == "signatures"
    assert why(trust.begin(root(), NOW, fingerprint="0" * 64)) == "signatures"
    assert isinstance(trust.begin(root(), NOW, fingerprint=signed.fingerprint_of(root())), Accepted)


def test_a_body_that_was_damaged_on_disk_is_not_used_and_is_had_again(trust: Trust, tmp_path: Path) -> None:
    (path,) = (tmp_path / "trust").glob("catalogue-*")
    path.write_bytes(b"tampered!!")
    assert trust.body("catalogue") is None
    assert "catalogue" not in trust.versions()
    assert why(offered(trust, "catalogue", 1, b"another of this number")) == "rollback"
    assert isinstance(offered(trust, "catalogue", 1, FIRST), Accepted)
    assert trust.body("catalogue") == FIRST


def test_a_torn_state_is_made_good_by_its_copy(trust: Trust, tmp_path: Path) -> None:
    for name in ("state.json", "state.copy.json"):
        path = tmp_path / "trust" / name
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        if name == "state.json":
            assert Trust(tmp_path / "trust").versions() == trust.versions()
            path.write_bytes(data[:-1] + b" ")
    with pytest.raises(TrustError, match="enrol again"):
        Trust(tmp_path / "trust")


def test_a_file_brings_a_catalogue_to_a_machine_no_collector_reaches(tmp_path: Path) -> None:
    trust = Trust(tmp_path)
    second = root(2, NEXT, signers=[*OFFICE, *NEXT])
    parcel = Parcel("catalogue", feed("catalogue", 4, SECOND), SECOND, (root(), second))
    assert isinstance(trust.import_parcel(msgspec.json.encode(parcel), NOW), Accepted)
    assert (trust.versions(), trust.body("catalogue")) == ({"root": 2, "catalogue": 4}, SECOND)
    later = msgspec.structs.replace(parcel, envelope=feed("catalogue", 5, FIRST), body=FIRST)
    assert isinstance(trust.import_parcel(msgspec.json.encode(later), NOW), Accepted)
    assert why(trust.import_parcel(msgspec.json.encode(parcel), NOW)) == "rollback"
    swapped = msgspec.structs.replace(later, envelope=feed("catalogue", 6, b"x"), body=b"y")
    assert why(trust.import_parcel(msgspec.json.encode(swapped), NOW)) == "body"
    for noise in (b"", b"{}", b"\xff" * 10, b"[" * 100_000):
        assert why(trust.import_parcel(noise, NOW)) == "malformed"


def test_where_nothing_can_be_written_what_was_in_force_stays(trust: Trust, tmp_path: Path) -> None:
    folder = tmp_path / "trust"
    (folder / "state.json.new").mkdir()
    with pytest.raises(TrustError, match="stays in force"):
        offered(trust, "catalogue", 2, SECOND)
    assert trust.versions()["catalogue"] == 1
    (folder / "state.json.new").rmdir()
    assert isinstance(offered(trust, "catalogue", 2, SECOND), Accepted)
