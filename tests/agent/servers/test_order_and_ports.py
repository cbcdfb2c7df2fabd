"""The order of a scan, and its ports."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.servers import ports
from aimscope_agent.servers.order import order
from aimscope_signatures.catalogue import load


@given(st.integers(1, 300), st.sets(st.integers(1, 65_535), min_size=1, max_size=8), st.integers())
def test_everything_once_and_the_same_for_the_same_seed(addresses: int, wanted: set[int], seed: int) -> None:
    found = list(order(addresses, sorted(wanted), seed))
    assert sorted(found) == sorted((address, port) for address in range(addresses) for port in wanted)
    assert found == list(order(addresses, sorted(wanted), seed))


def test_no_host_and_no_network_gets_a_burst() -> None:
    tried = [address for address, _ in order(1_024, [80, 443, 8000], seed=7)]
    assert tried[:1_024] != sorted(tried[:1_024])
    assert all(abs(one - two) > 64 for one, two in pairwise(tried[:1_024]))
    for address in range(0, 1_024, 100):
        places = [place for place, each in enumerate(tried) if each == address]
        assert all(later - earlier > 1 for earlier, later in pairwise(places))


def test_seeds_differ() -> None:
    assert list(order(100, [80, 443], seed=1)) != list(order(100, [80, 443], seed=2))


def test_ports_of_the_catalogue_and_usual_ones() -> None:
    found = ports.usual(load())
    assert {11434, 8000, 7860, 6333, 443, 8888} <= set(found)
    assert list(found) == sorted(set(found))
    assert len(found) < 150


def test_ports_as_people_write_them() -> None:
    assert ports.read(["8000", "443,80", "9000-9002"]) == (80, 443, 8000, 9000, 9001, 9002)


@pytest.mark.parametrize("word", ["", "0", "65536", "http", "90-80", "80-", "-80", "80;81", "８０"])
def test_what_is_no_port_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is no port"):
        ports.read([word])
