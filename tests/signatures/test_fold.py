from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures.fold import Tally, fold
from aimscope_signatures.model import Detection, Observation

DAY = 86_400
START = 1_790_000_000


def detection(kind: str, at: int, *, service: str = "s", user: str = "ann", name: str = "n") -> Detection:
    field = "name" if kind == "process" else "package"
    observation = Observation(kind, {field: name, "version": "1"}, source="~/x", subject=user, at=at)
    return Detection(service, "c", "high", "used", (), observation)


def test_state_counts_once_a_day_and_events_every_time() -> None:
    times = [START, START + 60, START + DAY]
    (state,) = fold([detection("package", at) for at in times], "host")
    (event,) = fold([detection("process", at) for at in times], "host")
    assert (state.count, event.count) == (2, 3)
    assert (state.first, state.last) == (START, START + DAY)
    assert state.days.bit_count() == 2


def test_evidence_carries_no_user_and_no_version() -> None:
    (sighting,) = fold([detection("package", START)], "host")
    assert sighting.evidence == (("package", "n"),)
    assert sighting.details == (("version", "1"),)


@given(
    st.lists(
        st.builds(
            detection,
            st.sampled_from(["package", "process"]),
            st.integers(START, START + 40 * DAY),
            service=st.sampled_from("ab"),
            user=st.sampled_from(["ann", ""]),
        ),
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_order_does_not_matter(detections: list[Detection], shuffler: random.Random) -> None:
    shuffled = detections[:]
    shuffler.shuffle(shuffled)
    assert fold(shuffled, "h") == fold(detections, "h")


def call(asset: str, user: str = "", **fields: str | int | bool) -> Detection:
    observation = Observation(
        "tls.client_hello", {"server_name": "claude.ai", **fields}, "log", user, 1_700_000_000, asset
    )
    return Detection("claude", "domains", "high", "used", (), observation)


def test_devices_are_told_apart_and_volumes_add_up_where_they_are_known() -> None:
    seen = (
        call("10.0.0.1", bytes_out=5),
        call("10.0.0.1", bytes_out=7, bytes_in=1),
        call("10.0.0.1"),
        call("10.0.0.2"),
    )
    one, other = fold(seen, "gateway")
    assert (one.asset, one.count, one.bytes_out, one.bytes_in) == ("10.0.0.1", 3, 12, 1)
    assert (other.asset, other.count, other.bytes_out, other.bytes_in) == ("10.0.0.2", 1, None, None)
    assert fold([call("")], "gateway")[0].asset == "gateway"


def test_an_attempt_that_was_blocked_is_evidence_of_its_own() -> None:
    sightings = fold([call("10.0.0.1", blocked=True), call("10.0.0.1")], "gateway")
    assert sorted(dict(each.evidence).get("blocked", "") for each in sightings) == ["", "True"]


def test_too_many_devices_are_counted_together_and_none_is_lost() -> None:
    tally = Tally("gateway", most=10)
    for number in range(100):
        tally.add(call(f"10.0.0.{number}", f"user{number}"))
    totals = tally.sightings()
    assert sum(each.count for each in totals) == 100
    assert len(totals) == 11
    assert (tally.collapsed, tally.refused) == (90, 0)


def test_what_has_no_room_even_so_is_counted() -> None:
    tally = Tally("gateway", most=2)
    for number in range(10):
        tally.add(call("10.0.0.1", server_name=f"{number}.claude.ai"))
    assert len(tally.sightings()) + tally.refused == 10
