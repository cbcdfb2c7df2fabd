"""Corrective actions and comments of findings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector import corrective
from aimscope_collector.audit import Fact
from aimscope_collector.corrective import CorrectiveAction
from aimscope_collector.review import LONGEST_REASON, Refused
from aimscope_collector.store import audit
from aimscope_collector.store.tables.review import ACTION, COMMENT, FINDING

_CHUNK: Final = 5_000


class Comment(msgspec.Struct, frozen=True):
    """What somebody wrote about a finding."""

    id: int
    finding: str
    by: str
    at: int
    text: str


def comment(connection: sa.Connection, *, finding: str, by: str, at: int, text: str) -> int:
    """Add a comment, and return its id. Raises ``Refused``."""
    if not text.strip():
        raise Refused("The comment is empty: write something.")
    if len(text) > LONGEST_REASON:
        raise Refused(f"The comment has more than {LONGEST_REASON} characters: shorten it.")
    _there(connection, finding)
    new = COMMENT.insert().values(finding=finding, by=by, at=at, text=text.replace("\0", "")).returning(COMMENT.c.id)
    number: int = connection.execute(new).scalar_one()
    audit.record(connection, at=at, actor=by, action="finding.commented", about=finding, facts={"comment": number})
    return number


def comments(connection: sa.Connection, *, finding: str) -> list[Comment]:
    """A finding's comments, oldest first."""
    query = sa.select(COMMENT).where(COMMENT.c.finding == finding).order_by(COMMENT.c.id)
    return [Comment(row.id, row.finding, row.by, row.at, row.text) for row in connection.execute(query)]


def open_action(connection: sa.Connection, action: CorrectiveAction) -> int:
    """Open a corrective action, and return its id. Raises ``Refused``."""
    corrective.check(action)
    _there(connection, action.finding)
    columns = ("finding", "cause", "action", "owner", "due", "opened_by", "opened_at")
    new = ACTION.insert().values({name: getattr(action, name) for name in columns}).returning(ACTION.c.id)
    number: int = connection.execute(new).scalar_one()
    facts: dict[str, Fact] = {"action": number, "owner": action.owner, "due": action.due}
    _record(connection, action.opened_at, action.opened_by, "opened", action.finding, facts)
    return number


def finish_action(connection: sa.Connection, *, action: int, by: str, at: int) -> None:
    """The action was carried out; whether it helped is checked later. Raises ``Refused``."""
    known = _action(connection, action)
    if known.done_at is not None:
        raise Refused("This action is done already.")
    connection.execute(ACTION.update().where(ACTION.c.id == action).values(done_at=at))
    _record(connection, at, by, "done", known.finding, {"action": action})


def check_action(connection: sa.Connection, *, action: int, by: str, at: int, effective: bool, check: str) -> None:
    """Whether the action helped, and how that was found out. Raises ``Refused``."""
    known = _action(connection, action)
    if known.done_at is None:
        raise Refused("This action is not done yet: finish it before its effect is checked.")
    if known.checked_at is not None:
        raise Refused("The effect of this action was checked already: open a new one if it did not last.")
    if not check.strip() or len(check) > LONGEST_REASON:
        raise Refused(f"Say how its effect was checked, in at most {LONGEST_REASON} characters.")
    checked = {"checked_at": at, "checked_by": by, "effective": int(effective), "check": check}
    connection.execute(ACTION.update().where(ACTION.c.id == action).values(checked))
    _record(connection, at, by, "checked", known.finding, {"action": action, "effective": effective})


def actions(
    connection: sa.Connection, *, finding: str | None = None, unfinished: bool = False
) -> list[CorrectiveAction]:
    """Corrective actions in the order opened; ``unfinished`` are those whose effect nobody has checked."""
    query = sa.select(ACTION).order_by(ACTION.c.id)
    if finding is not None:
        query = query.where(ACTION.c.finding == finding)
    if unfinished:
        query = query.where(ACTION.c.checked_at.is_(None))
    return [_of_row(row) for row in connection.execute(query)]


def corrected(connection: sa.Connection, findings: Iterable[str]) -> dict[str, int]:
    """When the latest action of each finding was done, for those that have one."""
    wanted = sorted(set(findings))
    query = sa.select(ACTION.c.finding, sa.func.max(ACTION.c.done_at)).where(ACTION.c.done_at.is_not(None))
    return {
        finding: done
        for start in range(0, len(wanted), _CHUNK)
        for finding, done in connection.execute(
            query.where(ACTION.c.finding.in_(wanted[start : start + _CHUNK])).group_by(ACTION.c.finding)
        )
    }


def _there(connection: sa.Connection, finding: str) -> None:
    if connection.execute(sa.select(FINDING.c.id).where(FINDING.c.id == finding)).first() is None:
        raise Refused("There is no such finding: look for its id in the list.")


def _action(connection: sa.Connection, action: int) -> CorrectiveAction:
    row = connection.execute(sa.select(ACTION).where(ACTION.c.id == action).with_for_update()).first()
    if row is None:
        raise Refused("There is no such corrective action: look for its number in the list.")
    return _of_row(row)


def _record(connection: sa.Connection, at: int, by: str, what: str, finding: str, facts: dict[str, Fact]) -> None:
    audit.record(connection, at=at, actor=by, action=f"corrective.{what}", about=finding, facts=facts)


def _of_row(row: sa.Row[Any]) -> CorrectiveAction:
    return CorrectiveAction(
        id=row.id,
        finding=row.finding,
        cause=row.cause,
        action=row.action,
        owner=row.owner,
        due=row.due,
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        done_at=row.done_at,
        checked_at=row.checked_at,
        checked_by=row.checked_by,
        effective=None if row.effective is None else bool(row.effective),
        check=row.check,
    )
