"""The audit chain: every entry's hash covers the entry before it, so no past entry can be changed unnoticed.

Only an end that somebody keeps elsewhere (an exported ``Head``) shows that entries at the end were cut off, or that
the whole chain was written anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

Fact = str | int | bool | None


class Head(msgspec.Struct, frozen=True):
    """An entry as kept elsewhere: its sequence and its hash."""

    sequence: int
    hash: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what, and when (seconds since 1970 UTC). Sequences begin at 1 and have no gaps."""

    sequence: int
    at: int
    actor: str
    action: str
    about: str
    facts: dict[str, Fact]
    previous: str
    hash: str


START: Final = Head(0, "0" * 64)
"""What the first entry follows."""


def canonical(facts: Mapping[str, Fact]) -> str:
    """Facts as the one JSON text they have: sorted names, no spaces."""
    return msgspec.json.encode(dict(facts), order="sorted").decode()


def digest(entry: Entry) -> str:
    """The hash the entry ought to have: SHA-256 over the hash before it and the entry's canonical JSON."""
    body = [entry.sequence, entry.at, entry.actor, entry.action, entry.about, dict(entry.facts)]
    return hashlib.sha256(entry.previous.encode() + b"\n" + msgspec.json.encode(body, order="sorted")).hexdigest()


def following(before: Head, *, at: int, actor: str, action: str, about: str, facts: Mapping[str, Fact]) -> Entry:
    """The entry that comes after ``before``."""
    entry = Entry(
        sequence=before.sequence + 1,
        at=at,
        actor=actor,
        action=action,
        about=about,
        facts=dict(facts),
        previous=before.hash,
        hash="",
    )
    return msgspec.structs.replace(entry, hash=digest(entry))


def verify(entries: Iterable[Entry], head: Head | None = None, *, after: Head = START) -> int | None:
    """The first sequence that is missing, altered or out of place; ``None`` if the chain is whole.

    ``entries`` come in the order of their sequences. ``head`` is an end that was kept elsewhere: the chain has to
    reach it and agree with it, and may go on. ``after`` is where the chain begins, if older entries were retired.
    """
    last = after
    for entry in entries:
        expected = last.sequence + 1
        if entry.sequence != expected or entry.previous != last.hash or entry.hash != digest(entry):
            return expected
        last = Head(entry.sequence, entry.hash)
        if head is not None and head.sequence == last.sequence and head.hash != last.hash:
            return last.sequence
    if head is not None and head.sequence > last.sequence:
        return last.sequence + 1
    return None
