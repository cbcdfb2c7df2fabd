from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host import resolver


def entry(name: str, *, until: int = 100, address: list[int] | None = None, alias: str = "") -> dict[str, object]:
    key = {"class": 1, "type": 5 if alias else 1, "name": name}
    record: dict[str, object] = {"key": key} | ({"name": alias} if alias else {"address": address})
    return {"key": key, "rrs": [{"rr": record, "raw": "AAAA"}], "until": until}


def cache(*entries: dict[str, object], protocol: str = "dns") -> str:
    return json.dumps([{"protocol": protocol, "ifindex": 2, "ifname": "eth0", "cache": entries}])


ADDRESS = [203, 0, 113, 7]


def test_an_address_leads_to_the_name_that_was_asked_for() -> None:
    text = cache(
        entry("api.example.com", alias="edge.cdn.example."),
        entry("edge.cdn.example", alias="x.cdn.example"),
        entry("x.cdn.example", address=ADDRESS),
    )
    assert resolver.systemd_answers(text, 50) == {"203.0.113.7": "api.example.com"}


def test_version_six() -> None:
    text = cache(entry("a.example", address=[0x20, 1, 0xD, 0xB8] + [0] * 11 + [1]))
    assert resolver.systemd_answers(text, 50) == {"2001:db8::1": "a.example"}


def test_an_address_of_several_names_says_nothing() -> None:
    text = cache(entry("a.example", address=ADDRESS), entry("b.example", address=ADDRESS))
    assert resolver.systemd_answers(text, 50) == {}
    text = cache(
        entry("a.example", alias="cdn.example"),
        entry("b.example", alias="cdn.example"),
        entry("cdn.example", address=ADDRESS),
    )
    assert resolver.systemd_answers(text, 50) == {}


def test_what_has_expired_or_failed_or_came_from_the_neighbourhood_is_left_out() -> None:
    assert resolver.systemd_answers(cache(entry("a.example", address=ADDRESS, until=50)), 50) == {}
    assert resolver.systemd_answers(cache({"key": {"name": "a"}, "type": "nxdomain", "until": 99}), 50) == {}
    assert resolver.systemd_answers(cache(entry("a.local", address=ADDRESS), protocol="mdns"), 50) == {}


def test_aliases_in_a_circle_end() -> None:
    text = cache(entry("a", alias="b"), entry("b", alias="a"), entry("a", address=ADDRESS))
    assert resolver.systemd_answers(text, 50) == {}


def test_windows() -> None:
    rows = [
        {"Entry": "api.example.com", "Data": "203.0.113.7", "TimeToLive": 20, "Type": 1},
        {"Entry": "api.example.com", "Data": "edge.example", "TimeToLive": 20, "Type": 5},
        {"Entry": "old.example", "Data": "203.0.113.8", "TimeToLive": 0, "Type": 1},
        {"Entry": None, "Data": None, "TimeToLive": 9, "Type": 28},
    ]
    assert resolver.windows_answers(json.dumps(rows)) == {"203.0.113.7": "api.example.com"}
    assert resolver.windows_answers("") == {}


@given(st.text(max_size=50) | st.sampled_from(["[1]", "{}", "[" * 5000, '[{"cache": 1}]']))
def test_anything_else_is_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        resolver.systemd_answers(text, 0)
    with contextlib.suppress(ValueError):
        resolver.windows_answers(text)
    with pytest.raises(ValueError):
        resolver.systemd_answers("nonsense", 0)
