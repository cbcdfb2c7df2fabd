"""Pages of a list that stay whole while the list changes: the cursor names the last row, not a position."""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from litestar.params import QueryParameter

from aimscope_collector.http.problems import Failed

MOST: Final = 500
_LONGEST: Final = 512
_DAY: Final = 86_400
_LARGEST: Final = 1 << 53

Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Rows of a page.")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=_LONGEST, description="`next` of the page before: where this one begins.")
]
Period = Annotated[
    Literal[7, 30, 90] | None, QueryParameter(description="The last so many days, instead of from and to.")
]
From = Annotated[datetime.date | None, QueryParameter(name="from", description="First day, UTC.")]
To = Annotated[datetime.date | None, QueryParameter(name="to", description="Last day, UTC.")]
Name = Annotated[str | None, QueryParameter(max_length=256)]

_Key = tuple[str, int | str, int | str]


def cursor_of(order: str, value: int | str, unique: int | str) -> str:
    """Where the next page begins: opaque to whoever holds it."""
    return base64.urlsafe_b64encode(msgspec.json.encode((order, value, unique))).decode().rstrip("=")


def read_cursor(text: str, order: str) -> tuple[int | str, int | str]:
    """The last row's values. Raises ``Failed`` for a cursor of another list or order."""
    try:
        padded = text + "=" * (-len(text) % 4)
        found = msgspec.json.decode(base64.urlsafe_b64decode(padded.encode("ascii")), type=_Key)
    except (binascii.Error, UnicodeError, msgspec.MsgspecError, ValueError):
        raise _bad() from None
    if found[0] != order or any(isinstance(each, int) and abs(each) > _LARGEST for each in found[1:]):
        raise _bad()
    return found[1], found[2]


def _bad() -> Failed:
    return Failed(400, "cursor", "The cursor belongs to another list: begin without one.")


def after(
    query: sa.Select[Any],
    *,
    order: str,
    by: sa.ColumnElement[Any],
    unique: sa.ColumnElement[Any],
    descending: bool,
    cursor: str | None,
    limit: int,
) -> sa.Select[Any]:
    """The query of one page, and one row more, which tells whether there is another page."""
    if cursor is not None:
        value, key = read_cursor(cursor, order)
        for column, given in ((by, value), (unique, key)):
            if isinstance(column.type, sa.Integer) is not isinstance(given, int):
                raise _bad()
        later = by < value if descending else by > value
        query = query.where(sa.or_(later, sa.and_(by == value, unique > key)))
    return query.order_by(by.desc() if descending else by, unique).limit(limit + 1)


def cut(rows: Sequence[Any], limit: int, *, order: str, by: str, unique: str) -> tuple[Sequence[Any], str | None]:
    """The rows of a page, and the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], cursor_of(order, getattr(last, by), getattr(last, unique))


def span(
    now: int, days: int | None, first: datetime.date | None, last: datetime.date | None
) -> tuple[int | None, int | None]:
    """A period in seconds, the end not in it. Raises ``Failed`` where it is said twice, or ends before it begins."""
    if days is not None:
        if first is not None or last is not None:
            raise Failed(400, "period", "Give days, or from and to: not both.")
        return now - days * _DAY, None
    if first is not None and last is not None and last < first:
        raise Failed(400, "period", "The period ends before it begins.")
    return (None if first is None else _seconds(first)), (None if last is None else _seconds(last) + _DAY)


def _seconds(day: datetime.date) -> int:
    return (day - datetime.date(1970, 1, 1)).days * _DAY
