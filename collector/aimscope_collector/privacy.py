"""What is shown of people: no group too small, time no finer than policy says, and what widens that is said aloud."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

import msgspec

Grain = Literal["none", "month", "day"]
GRAINS: Final[tuple[Grain, ...]] = ("none", "month", "day")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class PrivacyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the organisation agreed to show. What agents may collect is a policy of its own, signed and sent to them."""

    least_group: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 5
    """Fewer people than this are not told apart from others."""
    time: Grain = "day"
    """How fine moments are shown."""
    excluded_groups: Annotated[tuple[str, ...], msgspec.Meta(max_length=1_000)] = ()
    """Nothing is kept of people and devices in these; shown as a gap of coverage."""
    second_person: bool = True
    """Whether a reveal needs somebody else's consent."""
    reveal_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24
    """How long after it was asked for a name may be opened."""


class Broken(msgspec.Struct, frozen=True):
    """A total by group: ``shown`` are large enough, ``others`` is everybody in the rest together."""

    shown: dict[str, int]
    others: int = 0


def broken_down(counts: Mapping[str, int], least: int) -> Broken:
    """Counts of people by group, with groups smaller than ``least`` put together.

    If those together are still fewer, the smallest groups that could be shown join them: else whoever knows the total
    could work them out. Groups of nobody are left out. The total stays the same.
    """
    shown: dict[str, int] = {}
    others = 0
    for group, count in sorted(counts.items(), key=_size):
        if count >= least and (others == 0 or others >= least):
            shown[group] = count
        else:
            others += max(0, count)
    return Broken(shown, others)


def _size(item: tuple[str, int]) -> tuple[int, str]:
    return (item[1], item[0])


def fit_to_show(count: int, least: int) -> int | None:
    """A number of people, or ``None`` (say "fewer than …") where it is so small that it tells who they are."""
    return count if count == 0 or count >= least else None


def coarse(moment: int | None, grain: Grain) -> str:
    """A moment as it may be shown: ``2026-11-23``, ``2026-11`` or nothing. UTC."""
    if moment is None or grain == "none":
        return ""
    try:
        day = (_EPOCH + datetime.timedelta(seconds=moment)).date().isoformat()
    except OverflowError:
        return ""
    return day if grain == "day" else day[:7]


def excluded(groups: Iterable[str], policy: PrivacyPolicy) -> bool:
    """Whether nothing may be kept of a person or device in these groups; letter case aside."""
    barred = {group.casefold() for group in policy.excluded_groups}
    return any(group.casefold() in barred for group in groups)


def widenings(before: PrivacyPolicy, after: PrivacyPolicy) -> tuple[str, ...]:
    """Each way in which a change shows or keeps more of people than before, as a sentence."""
    found = []
    if after.least_group < before.least_group:
        found.append(f"Groups of {after.least_group} are shown; until now it took {before.least_group}.")
    if GRAINS.index(after.time) > GRAINS.index(before.time):
        found.append(f"Time is shown by {after.time}; until now by {before.time}.")
    included = sorted({group.casefold() for group in before.excluded_groups}.difference(_folded(after)))
    if included:
        found.append(f"No longer excluded: {', '.join(included)}.")
    if before.second_person and not after.second_person:
        found.append("A name can be revealed without a second person.")
    if after.reveal_hours > before.reveal_hours:
        found.append(f"A reveal stays open for {after.reveal_hours} hours; until now for {before.reveal_hours}.")
    return tuple(found)


def _folded(policy: PrivacyPolicy) -> set[str]:
    return {group.casefold() for group in policy.excluded_groups}
