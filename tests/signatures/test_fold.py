from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures.fold import fold
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
