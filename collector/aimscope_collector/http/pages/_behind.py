"""What stands behind a finding, in words: the tests that held, what happened when, and the rows of the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from aimscope_collector.http.api._evidence import Seen
from aimscope_collector.http.api._findings import Found, Taken
from aimscope_collector.http.api.findings import Detailed
from aimscope_collector.http.api.inventory import show_inventory
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.texts import text, texts
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.inventory.model import AuthorisedUse, Inventory
from aimscope_collector.inventory.resolve import Index
from aimscope_collector.services import Service
from aimscope_signatures.model import Held

_MOST_ROWS: Final = 20
_MOST_PIECES: Final = 40

Word = Literal["seen_first", "seen_last", "found", "decision", "comment", "action", "action_done", "action_checked"]


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of the timeline. ``decision`` is there for a decision."""

    at: int
    word: Word
    by: str = ""
    says: str = ""
    decision: Taken | None = None
    rough: bool = False
    """Whether only the day is told."""


class Group(msgspec.Struct, frozen=True):
    """What was seen on one device for one account; an empty ``subject`` is the machine itself."""

    device: str
    subject: str
    pieces: list[Seen]

    @property
    def last(self) -> int | None:
        """When it was seen last."""
        return max((one.last for one in self.pieces if one.last is not None), default=None)


def by_device(seen: Iterable[Seen]) -> list[Group]:
    """Sightings of a page, together by device and account, in the order of the devices."""
    found: dict[tuple[str, str], list[Seen]] = {}
    for one in seen:
        found.setdefault((one.device, one.subject), []).append(one)
    return [Group(device, subject, pieces) for (device, subject), pieces in found.items()]


def because(held: Held) -> str:
    """The test that held, as a sentence."""
    name = f"finding.held.{held.operator}"
    return text(name if name in texts() else "finding.held.other", field=held.field.replace("_", " "), value=held.value)


def happened(detail: Detailed) -> list[Happened]:
    """Everything that happened, the latest first."""
    return sorted(_happenings(detail), key=_at, reverse=True)


def _at(one: Happened) -> int:
    return one.at


def _happenings(detail: Detailed) -> Iterator[Happened]:
    found = detail.finding
    if found.first is not None:
        yield Happened(at=found.first, word="seen_first", rough=True)
    if found.last is not None:
        yield Happened(at=found.last, word="seen_last", rough=True)
    yield Happened(at=found.opened_at, word="found")
    for each in detail.history or ():
        yield Happened(at=each.at, word="decision", by=each.by, says=each.reason, decision=each)
    for said in detail.comments or ():
        yield Happened(at=said.at, word="comment", by=said.by, says=said.text)
    for action in detail.actions or ():
        yield Happened(at=action.opened_at, word="action", by=action.opened_by, says=action.action)
        if action.done_at is not None:
            yield Happened(at=action.done_at, word="action_done", by=action.owner, says=action.action)
        if action.checked_at is not None:
            yield Happened(at=action.checked_at, word="action_checked", by=action.checked_by, says=action.check)


def pieces_to_choose(detail: Detailed) -> list[tuple[str, str]]:
    """What a dismissal can call wrong: the whole service, or one piece of evidence by its number."""
    everything = [("all", text("deciding.wrong_all"))] if detail.finding.service else []
    return everything + [
        (str(piece.id), text("deciding.wrong_one", evidence=", ".join(piece.fields.values())[:120]))
        for piece in (detail.evidence or ())[:_MOST_PIECES]
    ]


def related(given: Here, who: Who, found: Found, service: Service | None) -> list[AuthorisedUse] | None:
    """Rows of the inventory about this service, and those that decided; ``None`` where who asks may not see them."""
    if not who.may("inventory:read"):
        return None
    try:
        inventory: Inventory = ask(show_inventory, given, who)
    except Failed as error:
        if error.status != 404:
            raise
        return []
    index = Index((service,) if service else ())
    labels = set(found.row.split("; "))
    fits = [use for use in inventory.systems if use.label in labels or index.resolve(use).services]
    return fits[:_MOST_ROWS]
