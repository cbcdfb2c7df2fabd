"""Names end at the door, and only the right key opens them."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector import keys
from aimscope_collector.door import Door
from tests.collector.fleet.at_the_door import DEVICES, DOOR, PEOPLE


def test_a_name_has_one_pseudonym_whatever_its_case() -> None:
    assert DOOR.person("Alice").pseudonym == DOOR.person("aLICE").pseudonym
    assert DOOR.person("alice").pseudonym != DOOR.person("alicf").pseudonym
    assert DOOR.person("alice").pseudonym.startswith("p-")
    assert len(DOOR.person("alice").pseudonym) == 18


def test_a_person_and_a_device_of_one_name_are_not_told_to_be_the_same() -> None:
    assert len({made("x").pseudonym[2:] for made in (DOOR.person, DOOR.device, DOOR.address)}) == 3


def test_another_key_makes_another_pseudonym() -> None:
    other = Door(b"o" * 32, PEOPLE.public_key, DEVICES.public_key)
    assert other.person("alice").pseudonym != DOOR.person("alice").pseudonym


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:DB8::1", "2001:db8:0:0::1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::1")],
)
def test_an_address_has_one_pseudonym_however_it_is_written(one: str, other: str) -> None:
    assert DOOR.address(one).pseudonym == DOOR.address(other).pseudonym
    assert DOOR.asset(one).pseudonym == DOOR.address(other).pseudonym == DOOR.asset_pseudonym(other)


@pytest.mark.parametrize("name", ["laptop-1", "10.0.0", "1.2.3.4.example", "fe80", ""])
def test_a_name_is_no_address(name: str) -> None:
    assert DOOR.asset(name).pseudonym.startswith("d-")


def test_only_the_right_key_opens_a_name() -> None:
    sealed = DOOR.person("Alice Ünal").sealed
    assert keys.opened(PEOPLE, sealed) == "Alice Ünal"
    assert b"Alice" not in sealed
    with pytest.raises(keys.KeysError, match="another key"):
        keys.opened(DEVICES, sealed)
    with pytest.raises(keys.KeysError):
        keys.opened(PEOPLE, sealed[:-1])


@given(st.text(max_size=300))
def test_any_text_has_a_pseudonym_of_one_form(name: str) -> None:
    for veiled in (DOOR.person(name), DOOR.asset(name)):
        assert veiled.pseudonym.isascii()
        assert len(veiled.pseudonym) == 18


def test_keys_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = keys.create(folder, secrets.token_bytes)
    assert keys.load(folder) == made
    assert "pseudonym" not in repr(made)
    assert repr(made.pseudonym) not in repr(made)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    with pytest.raises(keys.KeysError, match="made once"):
        keys.create(folder, secrets.token_bytes)
    assert keys.load(folder) == made
    sealed = made.door().device("laptop").sealed
    assert keys.opened(keys.private(folder, "devices"), sealed) == "laptop"


def test_the_private_keys_may_be_elsewhere(tmp_path: Path) -> None:
    made = keys.create(tmp_path, secrets.token_bytes)
    (tmp_path / "people.private").unlink()
    assert keys.load(tmp_path) == made
    with pytest.raises(keys.KeysError, match="not there"):
        keys.private(tmp_path, "people")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    keys.create(tmp_path, secrets.token_bytes)
    (tmp_path / "pseudonym.key").chmod(0o644)
    with pytest.raises(keys.KeysError, match="chmod 600"):
        keys.load(tmp_path)


@pytest.mark.parametrize("content", ["", "zz", "00", "é" * 64])
def test_a_file_that_is_no_key_is_said(tmp_path: Path, content: str) -> None:
    keys.create(tmp_path, secrets.token_bytes)
    (tmp_path / "devices.public").write_text(content, "utf-8")
    with pytest.raises(keys.KeysError, match="holds no key"):
        keys.load(tmp_path)
