"""Names, addresses, networks and patterns by which rows and ignores name machines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.authorisation import Machines, Place, is_pseudonym

PSEUDONYM = "device-07bdf8db18b5"


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("laptop-7", "LAPTOP-7", True),
        ("Laptop-*", "laptop-7", True),
        ("laptop-7", "laptop-70", False),
        ("laptop-7", "my-laptop-7", False),
        ("laptop-?", "laptop-70", False),
        (" laptop-7 ", "laptop-7", True),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.70", False),
        ("10.0.0.7", "110.0.0.7", False),
        ("10.0.0.*", "10.0.0.7", True),
        ("10.0.0.*", "10.0.1.7", False),
        ("10.0.0.0/24", "10.0.0.255", True),
        ("10.0.0.0/24", "10.0.1.0", False),
        ("10.0.0.9/24", "10.0.0.1", True),  # a host with its mask means the network
        ("10.0.0.4/30", "10.0.0.7", True),
        ("10.0.0.4/30", "10.0.0.8", False),
        ("10.0.0.7/32", "10.0.0.7", True),
        ("0.0.0.0/0", "10.0.0.7", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("0.0.0.0/0", "laptop-7", False),
        ("10.0.0.0/33", "10.0.0.7", False),
        ("lab/7", "lab/7", True),
        ("10.0.0.7", "::ffff:10.0.0.7", True),
        ("2001:DB8:0::1", "2001:db8::1", True),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("2001:db8::/32", "32.1.13.184", False),  # the same bits, of the other version
        ("*", "anything", True),
        ("*", "", True),
        ("?*", "", False),
        ("laptop-7", "", False),
        ("", "", False),
    ],
)
def test_what_a_pattern_covers(pattern: str, name: str, covered: bool) -> None:
    assert Machines((pattern,)).cover(Place(host=name)) is covered


def test_one_of_several_is_enough() -> None:
    machines = Machines(("server-*", "10.0.0.0/24", "10.1.0.0/16", "laptop-7"))
    covered = [name for name in ("server-1", "10.0.0.9", "10.1.9.9", "laptop-7") if machines.cover(Place(host=name))]
    assert len(covered) == 4
    assert not machines.cover(Place(host="10.2.0.1"))
    assert not Machines(()).cover(Place(host="laptop-7"))


def test_a_machine_has_several_names() -> None:
    place = Place(host="laptop-7", names=("10.0.0.7", "laptop-7.corp.example"))
    assert Machines(("10.0.0.0/24",)).cover(place)
    assert Machines(("*.corp.example",)).cover(place)
    assert not Machines(("10.0.1.0/24",)).cover(place)


@pytest.mark.parametrize("pattern", ["d*", "device-*", "device-????????????", "*5", "0.0.0.0/0"])
def test_a_pseudonym_fits_no_pattern_by_chance(pattern: str) -> None:
    assert not Machines((pattern,)).cover(Place(host=PSEUDONYM))
    assert Machines((pattern, PSEUDONYM)).cover(Place(host=PSEUDONYM))
    assert Machines((pattern, "*")).cover(Place(host=PSEUDONYM))


def test_what_a_pseudonym_is() -> None:
    assert is_pseudonym(PSEUDONYM)
    for near in ("device-07bdf8db18b", "device-07bdf8db18b5f", "device-07bdf8db18bg", "user-07bdf8db18b5", "device-12"):
        assert not is_pseudonym(near)
    assert Machines(("device-*",)).cover(Place(host="device-12"))


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=20))
def test_any_text_may_stand_there(patterns: list[str], name: str) -> None:
    assert Machines(patterns).cover(Place(host=name)) in (True, False)
    assert Machines([*patterns, "*"]).cover(Place(host=name))
