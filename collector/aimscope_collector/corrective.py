"""Corrective action (ISO/IEC 42001, 10.2): the cause of a prohibited use, what is done, and whether it helped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from aimscope_collector.review import LONGEST_REASON, Refused, State

Stage = Literal["open", "overdue", "done", "effective", "ineffective"]


class CorrectiveAction(msgspec.Struct, frozen=True, kw_only=True):
    """One action about one finding; times are seconds since 1970 UTC.

    ``check`` says how it was found out whether the action helped: without that it is done, not closed.
    """

    id: int = 0
    finding: str
    cause: str
    action: str
    owner: str
    due: int
    opened_by: str
    opened_at: int
    done_at: int | None = None
    checked_at: int | None = None
    checked_by: str = ""
    effective: bool | None = None
    check: str = ""

    def stage(self, now: int) -> Stage:
        """How far it is."""
        if self.effective is not None:
            return "effective" if self.effective else "ineffective"
        if self.done_at is not None:
            return "done"
        return "overdue" if self.due < now else "open"


def check(action: CorrectiveAction) -> None:
    """Raises ``Refused`` if the action lacks what it needs."""
    for name, text in (("cause", action.cause), ("action", action.action), ("owner", action.owner)):
        if not text.strip():
            raise Refused(f"A corrective action names its {name}: write it.")
        if len(text) > LONGEST_REASON:
            raise Refused(f"The {name} has more than {LONGEST_REASON} characters: shorten it.")
    if action.due <= action.opened_at:
        raise Refused("The action is due in the past: give a later day.")


def is_due(state: State, *, verdict: str, active: bool, present: bool, actions: Iterable[CorrectiveAction]) -> bool:
    """Whether a corrective action ought to be opened: a prohibited use that goes on, and nothing being done about it.

    An action that was checked and did not help leaves a new one due; one that helped does too, if the use went on.
    """
    prohibited = state == "prohibited" or verdict == "prohibited"
    pending = any(action.effective is None for action in actions)
    return prohibited and active and present and not pending and state != "dismissed"


def corrected_at(actions: Iterable[CorrectiveAction]) -> int | None:
    """When the latest action was done; ``None`` if none was."""
    return max((action.done_at for action in actions if action.done_at is not None), default=None)
