"""Weeks, ids of findings, and places: the small pure parts."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.inventory.model import Ignore
from aimscope_collector.judging import WEEKS, Behind, Device, Places, Weeks, finding_id, limited
from aimscope_collector.store.coverage import day_of
from tests.collector.example import inventory, use

DAYS = st.dates(datetime.date(2000, 1, 1), datetime.date(2100, 1, 1))


@given(today=DAYS, days=st.lists(st.dates(datetime.date(1999, 1, 1), datetime.date(2100, 12, 31)), max_size=5))
def test_a_day_is_in_its_week_counted_from_this_one(today: datetime.date, days: list[datetime.date]) -> None:
    weeks = Weeks(today)
    for day in days:
        monday = today - datetime.timedelta(days=today.weekday())
        ago = (monday - (day - datetime.timedelta(days=day.weekday()))).days // 7
        expected = 1 << (WEEKS - 1 - ago) if 0 <= ago < WEEKS else 0
        assert weeks.of(day.year * 100 + day.month, 1 << (day.day - 1)) == expected


@given(today=DAYS, one=st.integers(0, (1 << 31) - 1), other=st.integers(0, (1 << 31) - 1))
def test_weeks_of_several_days_are_those_of_each(today: datetime.date, one: int, other: int) -> None:
    weeks, month = Weeks(today), today.year * 100 + today.month
    assert weeks.of(month, one | other) == weeks.of(month, one) | weeks.of(month, other)
    assert weeks.of(month, 1 << (today.day - 1)) == 1 << (WEEKS - 1)


def test_a_trend_counts_each_device_once_a_week() -> None:
    assert Behind({1: 0b11, 2: 0b01, 3: 1 << 12}).trend() == (2, 1, *[0] * 10, 1)


def test_ids_are_of_all_three_parts_and_never_change() -> None:
    assert finding_id("cursor", "emea", "") == "f-9894871c3bf9e850efe0"
    several = {finding_id(*key) for key in (("a", "b", ""), ("a", "", "b"), ("", "a", "b"), ("ab", "", ""))}
    assert len(several) == 4
    assert all(len(each) == 22 for each in several)


def test_devices_no_row_tells_apart_share_a_place() -> None:
    devices = [
        Device(id=1, pseudonym="d-1", unit="emea", groups=("x",)),
        Device(id=2, pseudonym="d-2", unit="emea", groups=("y",)),
        Device(id=3, pseudonym="d-3", unit="emea", groups=("vip", "y")),
        Device(id=4, pseudonym="d-4", unit="emea", fits=frozenset({"lab-*", "other-*"})),
    ]
    places = Places(devices, inventory(use(allowed_device_groups=("vip",), hosts=("lab-*",))))
    assert places.number[1] == places.number[2]
    assert len({places.number[each] for each in (1, 3, 4)}) == 3
    assert Places(reversed(devices), inventory(use(allowed_device_groups=("vip",), hosts=("lab-*",)))).places == (
        places.places
    )


def test_an_ignore_of_a_unit_holds_below_it_only() -> None:
    ignore = limited(Ignore(service="x", reason="r", expiry=datetime.date.max), "emea")
    units = ("emea", "EMEA/sales", "emeasouth", "")
    devices = [Device(id=number, pseudonym=f"d-{number}", unit=unit) for number, unit in enumerate(units)]
    places = Places(devices, None, [ignore])
    held = {place.unit for place in places.places if place.fits and not place.fits.isdisjoint(ignore.hosts)}
    assert held == {"emea", "EMEA/sales"}


def test_days_are_utc() -> None:
    assert day_of(0) == 19_700_101
