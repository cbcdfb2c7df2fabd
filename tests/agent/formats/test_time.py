from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.formats._time import Clock, zone_of

NOW = int(datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC).timestamp())
AT = int(datetime.datetime(2026, 11, 23, 16, 5, 7, tzinfo=datetime.UTC).timestamp())


@pytest.mark.parametrize(
    "text",
    [
        f"{AT}",
        f"{AT}.123456",
        f"{AT}123",
        f"{AT}123456",
        f"{AT}123456789",
        "2026-11-23T16:05:07Z",
        "2026-11-23T16:05:07.123456Z",
        "2026-11-23T17:05:07.123+01:00",
        "2026-11-23 16:05:07",
        "2026-11-23 16:05:07 UTC",
        "2026/11/23 16:05:07",
        "23/Nov/2026:17:05:07 +0100",
        "[23/Nov/2026:17:05:07 +0100]",
        "23-Nov-2026 16:05:07.123",
        "Mon Nov 23 16:05:07 2026",
        "Nov 23 2026 16:05:07",
        "Nov 23 16:05:07",
        "Mon, 23 Nov 2026 16:05:07 GMT",
        "11/23/2026 4:05:07 PM",
        "23/11/2026 16:05:07",
        "23.11.2026 16:05:07",
        "20261123160507",
    ],
)
def test_ways_to_write_a_time(text: str) -> None:
    assert Clock("auto", datetime.UTC, NOW).read(text) == AT


@pytest.mark.parametrize(
    "text", ["", "-", "yesterday", "2026-13-41 25:61:61", "99999999999999999999", "Nov 31 10:00:00"]
)
def test_what_is_no_time(text: str) -> None:
    assert Clock("auto", datetime.UTC, NOW).read(text) == 0


def test_a_stated_form() -> None:
    assert Clock("%d|%m|%Y %H.%M.%S", datetime.UTC, NOW).read("23|11|2026 16.05.07") == AT
    assert Clock("epoch_ms", None, NOW).read(f"{AT}999") == AT


def test_a_missing_year_is_the_last_one_possible() -> None:
    clock = Clock("auto", datetime.UTC, NOW)
    assert datetime.datetime.fromtimestamp(clock.read("Dec 31 10:00:00"), datetime.UTC).year == 2025
    assert datetime.datetime.fromtimestamp(clock.read("Jan  1 10:00:00"), datetime.UTC).year == 2026
    assert datetime.datetime.fromtimestamp(clock.read("Nov 24 23:00:00"), datetime.UTC).year == 2026  # clocks differ
    assert datetime.datetime.fromtimestamp(clock.read("Feb 29 10:00:00"), datetime.UTC).year == 2024
    assert clock.without_year == 4


def test_zones() -> None:
    assert Clock("auto", zone_of("+02:00"), NOW).read("2026-11-23 18:05:07") == AT
    assert Clock("auto", zone_of("Europe/Berlin"), NOW).read("2026-11-23 17:05:07") == AT
    clock = Clock("auto", zone_of("utc"), NOW)
    assert clock.read("2026-11-23 11:05:07", "-0500") == AT
    assert clock.read("2026-11-23 16:05:07", "nonsense") == AT  # what is stated and no zone is as if nobody said
    assert clock.without_zone == 1
    with pytest.raises(ValueError, match="time zone"):
        zone_of("Middle/Earth")


@given(st.text(max_size=60), st.text(max_size=8))
def test_any_text(text: str, offset: str) -> None:
    for form in ("auto", "epoch", "epoch_ns", "%Y %m"):
        assert 0 <= Clock(form, datetime.UTC, NOW).read(text, offset) <= 253_402_300_799


def test_a_syslog_header_has_times_of_its_own() -> None:
    clock = Clock("%d%b%Y %H:%M:%S", datetime.UTC, NOW)
    assert clock.read("23Nov2026 16:05:07") == AT
    assert clock.read_syslog("Nov 23 16:05:07") == AT
    assert clock.read("23Nov2026 16:05:07") == AT
    assert clock.read("Nov 23 16:05:07") == 0
