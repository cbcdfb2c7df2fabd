from __future__ import annotations

import contextlib
import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent import schedule
from aimscope_agent.schedule import DAY, PATIENCE, Schedule, ScheduleError, anchor, cron, due, duration, quiet, wait

HOUR = 3_600
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")]
)
MOMENTS = st.integers(1_600_000_000, 2_000_000_000)
DRAWS = st.floats(0, 1)
CRONS = st.builds(
    lambda minute, hour, day: f"{minute} {hour} * * {day}",
    st.sampled_from(["0", "30", "*/15", "5,50"]),
    st.sampled_from(["*", "2", "3", "0-6/2", "23"]),
    st.sampled_from(["*", "1-5", "0", "7", "6,3"]),
)
SPANS = st.sampled_from([(), ("22:00-06:00",), ("08:00-12:00", "13:00-18:30"), ("00:00-02:30",)])


def at(text: str, zone: datetime.tzinfo = BERLIN, fold: int = 0) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp())


def shown(moment: int, zone: datetime.tzinfo = BERLIN) -> str:
    return datetime.datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d %H:%M")


def nightly(text: str = "30 3 * * *") -> Schedule:
    return Schedule(cron=cron(text))


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("6h", 6 * HOUR), ("1d", DAY)])
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "6 h", "-6h", "1.5h", "6H", "367d", "²h", "99999999999d"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "0 0 30 2 *",
        "a * * * *",
        "1/5 * * * *",
        "1,, * * * *",
        "* * * * * *",
    ],
)
def test_what_is_no_time_of_the_clock_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        cron(text)


@pytest.mark.parametrize("text", ["22-06", "24:00-06:00", "22:60-06:00", "22:00", "22:00-22:00"])
def test_what_are_no_quiet_hours_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        quiet((text,))


def test_quiet_hours_leave_some_time() -> None:
    with pytest.raises(ScheduleError, match="no time"):
        quiet(("00:00-12:00", "12:00-00:00"))
    assert quiet(("00:00-12:00", "12:01-00:00"))


@pytest.mark.parametrize(
    ("text", "after", "then"),
    [
        ("30 3 * * *", "2026-01-10 03:29", "2026-01-10 03:30"),
        ("30 3 * * *", "2026-01-10 03:30", "2026-01-11 03:30"),
        ("*/20 * * * *", "2026-01-10 03:30", "2026-01-10 03:40"),
        ("0 8 * * 1-5", "2026-01-09 09:00", "2026-01-12 08:00"),
        ("0 8 * * 7", "2026-01-09 09:00", "2026-01-11 08:00"),
        ("0 0 29 2 *", "2026-01-09 09:00", "2028-02-29 00:00"),
        ("0 0 13 * 5", "2026-01-01 00:00", "2026-01-02 00:00"),
        ("0 0 */2 * 5", "2026-01-01 00:00", "2026-01-09 00:00"),
    ],
)
def test_times_of_the_clock(text: str, after: str, then: str) -> None:
    assert shown(due(nightly(text), at(after), 0.0, BERLIN)) == then


def test_a_time_that_summer_time_leaves_out_comes_an_hour_later() -> None:
    before = at("2026-03-28 12:00")
    moment = due(nightly("30 2 * * *"), before, 0.0, BERLIN)
    assert shown(moment) == "2026-03-29 03:30"
    assert shown(due(nightly("30 2 * * *"), moment, 0.0, BERLIN)) == "2026-03-30 02:30"


def test_a_time_that_comes_twice_counts_once() -> None:
    moment = due(nightly("30 2 * * *"), at("2026-10-24 12:00"), 0.0, BERLIN)
    assert moment == at("2026-10-25 02:30")
    assert due(nightly("30 2 * * *"), moment, 0.0, BERLIN) == at("2026-10-26 02:30")


def test_what_was_never_done_is_due_at_once() -> None:
    assert wait(Schedule(every=HOUR, jitter=HOUR), 0, at("2026-01-10 12:00"), 1.0) == 0


def test_what_was_missed_is_done_once() -> None:
    times, last, now = nightly(), at("2026-01-01 04:00"), at("2026-01-10 12:00")
    assert wait(times, last, now, 0.0, zone=BERLIN) == 0
    assert shown(now + wait(times, now, now, 0.0, zone=BERLIN)) == "2026-01-11 03:30"


def test_it_waits_for_the_end_of_quiet_hours() -> None:
    late = Schedule(every=HOUR, quiet=quiet(("22:00-06:00",)))
    last = at("2026-01-10 21:30")
    assert shown(due(late, last, 0.0, BERLIN)) == "2026-01-11 06:00"
    assert wait(late, last, at("2026-01-10 23:00"), 0.0, zone=BERLIN) == 7 * HOUR
    assert wait(late, 0, at("2026-01-10 23:00"), 0.0, zone=BERLIN) == 7 * HOUR


def test_after_quiet_hours_a_fleet_does_not_begin_as_one() -> None:
    late = Schedule(every=HOUR, jitter=1_800, quiet=quiet(("22:00-06:00",)))
    begins = {shown(due(late, at("2026-01-10 21:30"), draw, BERLIN)) for draw in (0.0, 0.5, 1.0)}
    assert begins == {"2026-01-11 06:00", "2026-01-11 06:15", "2026-01-11 06:30"}


def test_on_battery_it_waits_for_mains_a_day_at_most() -> None:
    plan, last = Schedule(every=HOUR), at("2026-01-10 12:00")
    now = last + HOUR
    assert wait(plan, last, now, 0.0, battery=True) > 0
    assert wait(plan, last, now, 0.0, battery=False) == 0
    assert wait(plan, last, now + PATIENCE, 0.0, battery=True) == 0
    assert wait(Schedule(every=HOUR, on_battery=True), last, now, 0.0, battery=True) == 0


def test_a_clock_set_back_delays_by_one_interval_at_most() -> None:
    plan, last, now = Schedule(every=HOUR), at("2036-01-10 12:00"), at("2026-01-10 12:00")
    settled = anchor(plan, last, now)
    assert wait(plan, settled, now, 0.0) <= HOUR
    assert anchor(plan, settled, now + HOUR) == settled
    assert wait(plan, settled, now + HOUR, 0.0) == 0


def test_a_clock_set_back_a_little_brings_no_time_twice() -> None:
    done, now = at("2026-01-10 03:30"), at("2026-01-10 03:25")
    assert shown(due(nightly(), anchor(nightly(), done, now), 0.0, BERLIN)) == "2026-01-11 03:30"


@given(MOMENTS, CRONS, ZONES, st.integers(0, HOUR), DRAWS, SPANS)
def test_the_next_time_is_later_and_loud(
    last: int, text: str, zone: ZoneInfo, jitter: int, draw: float, spans: tuple[str, ...]
) -> None:
    plan = Schedule(cron=cron(text), jitter=jitter, quiet=quiet(spans))
    moment = due(plan, last, draw, zone)
    assert last < moment <= last + 10 * DAY
    wall = datetime.datetime.fromtimestamp(moment, zone)
    minute = wall.hour * 60 + wall.minute
    for start, until in plan.quiet:
        assert not (start <= minute < until if start < until else minute >= start or minute < until)


@given(MOMENTS, CRONS, ZONES)
def test_a_year_of_times_has_each_day_once_whatever_clocks_do(start: int, text: str, zone: ZoneInfo) -> None:
    """As many as there are on the calendar: none twice, none left out."""
    times = cron(text)
    moment, seen = start, []
    for _ in range(50):
        moment = due(Schedule(cron=times), moment, 0.0, zone)
        seen.append(moment)
    assert seen == sorted(set(seen))
    walls = [datetime.datetime.fromtimestamp(each, zone).replace(tzinfo=None) for each in seen]
    for wall, each in zip(walls, seen, strict=True):
        shifted = any(
            (wall - datetime.timedelta(minutes=gap)).minute in times.minutes
            and (wall - datetime.timedelta(minutes=gap)).hour in times.hours
            for gap in (0, 30, 60)
        )
        assert shifted, (shown(each, zone), text)


@given(MOMENTS, st.integers(60, 30 * DAY), st.integers(0, DAY), DRAWS, st.integers(0, 90 * DAY), ZONES, SPANS)
def test_something_happens_in_the_end(
    last: int, every: int, jitter: int, draw: float, slept: int, zone: ZoneInfo, spans: tuple[str, ...]
) -> None:
    """Whoever waits as long as is said gets there in a few steps, however long the machine slept before."""
    plan = Schedule(every=every, jitter=jitter, quiet=quiet(spans))
    now = last + slept
    for _ in range(8):
        seconds = wait(plan, last, now, draw, zone=zone)
        if seconds == 0:
            break
        now += seconds
    else:
        pytest.fail("it never comes")
    assert now <= max(last + slept + DAY, last + every + 2 * jitter + 2 * DAY)


@given(MOMENTS, MOMENTS, st.integers(60, 30 * DAY), DRAWS)
def test_a_clock_that_is_set_never_stops_it(last: int, now: int, every: int, draw: float) -> None:
    plan = Schedule(every=every)
    settled = anchor(plan, last, now)
    assert settled <= max(now, min(last, now))
    assert wait(plan, settled, now, draw) <= every


@given(st.text(max_size=30))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    for read in (schedule.cron, schedule.duration, lambda one: schedule.quiet((one,))):
        with contextlib.suppress(ScheduleError):
            read(text)
