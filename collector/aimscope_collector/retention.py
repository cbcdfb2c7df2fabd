"""How long each table keeps what it knows: pure."""

from __future__ import annotations

import datetime
from typing import Annotated

import msgspec

Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Days after which rows go. Findings, decisions, inventory versions and the audit chain stay.

    Evidence, devices that gateways saw and people go half a day or more after the last row that names them.

    Scan runs are what an auditor asks for, and hold no person and no name: they stay longest.
    """

    sightings: Days = 400
    """Whole months: one goes when its last day is that old."""
    coverage: Days = 400
    usage: Days = 1_100
    runs: Days = 1_100
    alerts: Days = 400
    delivered: Days = 30
    addresses: Days = 400


class Cutoffs(msgspec.Struct, frozen=True, kw_only=True):
    """What is before these goes: a month, days, and moments."""

    month: int
    coverage_day: int
    usage_day: int
    runs: int
    alerts: int
    delivered: int
    addresses: int


def cutoffs(retention: Retention, now: int) -> Cutoffs:
    """The moments that a retention means now."""
    day = 86_400
    return Cutoffs(
        month=_day(now - retention.sightings * day) // 100,
        coverage_day=_day(now - retention.coverage * day),
        usage_day=_day(now - retention.usage * day),
        runs=now - retention.runs * day,
        alerts=now - retention.alerts * day,
        delivered=now - retention.delivered * day,
        addresses=now - retention.addresses * day,
    )


def _day(moment: int) -> int:
    day = datetime.datetime.fromtimestamp(max(moment, 0), datetime.UTC).date()
    return day.year * 10_000 + day.month * 100 + day.day
