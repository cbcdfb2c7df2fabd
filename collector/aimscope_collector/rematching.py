"""Asks a new catalogue what stored evidence is.

Totals stay where they are: agents go on sending them under the service they know. What changes is the service that a
piece of evidence counts for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.store import rematched
from aimscope_collector.store.database import writing
from aimscope_collector.store.rematched import Stored, Update
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.kinds import IDENTITIES, KINDS
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Detection, Held, Observation, Value
from aimscope_signatures.sections import SECTIONS
from aimscope_signatures.unknown import candidate

_AT_ONCE: Final = 2_000


class Answer(msgspec.Struct, frozen=True):
    """What a catalogue makes of a piece of evidence."""

    service: str
    confirmed: bool
    withdrawn: bool = False
    held: tuple[Held, ...] = ()


class Again:
    """A catalogue, ready to be asked about evidence."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._tested = _tested(matcher.catalogue)

    def ask(self, said: str, kind: str, fields: Collection[tuple[str, str]]) -> Answer:
        """What evidence is, of which agents say that it is ``said`` (empty: AI that they do not know).

        An agent sees more than it sends. So its word stands where the evidence does not hold everything that the
        catalogue looks at; where it does, and no longer fits, the word is withdrawn.
        """
        observation = Observation(kind, _values(kind, fields))
        found = {each.service: each for each in self._matcher.match(observation)}
        if said in found:
            return Answer(said, confirmed=True, held=found[said].held)
        known = said in self._matcher.catalogue
        whole = self._tested.get(kind, frozenset()) <= set(KINDS[kind].evidence if kind in KINDS else ())
        if found and (not known or whole):
            best = min(found.values(), key=_best_first)
            return Answer(best.service, confirmed=True, held=best.held)
        if not said:
            unknown = candidate(observation, ())
            return Answer(said, confirmed=unknown is not None, held=unknown.held if unknown else ())
        # evidence that was collapsed to its kind has no fields, and disproves nothing
        return Answer(said, confirmed=False, withdrawn=known and whole and any(text for _, text in fields))


def _best_first(detection: Detection) -> tuple[int, str]:
    return (-IDENTITIES.index(detection.identity), detection.service)


def _values(kind: str, fields: Iterable[tuple[str, str]]) -> dict[str, Value]:
    """Evidence as the sensor saw it: numbers are numbers again."""
    declared = KINDS[kind].fields if kind in KINDS else {}
    found: dict[str, Value] = {}
    for name, text in fields:
        if name in declared and declared[name].type == "integer" and text.isdecimal():
            found[name] = int(text)
        elif name in declared and declared[name].type == "flag":
            found[name] = text.casefold() == "true"
        else:
            found[name] = text
    return found


def _tested(catalogue: Catalogue) -> dict[str, frozenset[str]]:
    """Kind → fields by which the catalogue tells services."""
    fields: dict[str, set[str]] = {}
    sections = {clause.section for entry in catalogue for clause in entry.clauses if clause.section}
    for section in sections & SECTIONS.keys():
        for kind, field in SECTIONS[section].targets:
            fields.setdefault(kind, set()).add(field)
    for entry in catalogue:
        for clause in entry.clauses:
            if clause.kind:
                fields.setdefault(clause.kind, set()).update(test.field for test in clause.tests if test.field)
    return {kind: frozenset(names) for kind, names in fields.items()}


def rematch(engine: sa.Engine, matcher: Matcher, *, version: str = "") -> frozenset[str]:
    """Ask this catalogue about evidence it was not asked about, or that it does not confirm under the agents' name.

    Returns the services whose findings change.

    Can be interrupted: what was asked is marked, and the next call goes on.
    """
    version = version or matcher.catalogue.version
    again = Again(matcher)
    touched: set[str] = set()
    after = 0
    while True:
        with engine.connect() as connection:
            some = rematched.unasked(connection, version=version, after=after, limit=_AT_ONCE)
        if not some:
            return frozenset(touched)
        after = some[-1].id
        answers = [(stored, again.ask(stored.said, stored.kind, stored.fields)) for stored in some]
        if all(_is_answered(stored, answer, version) for stored, answer in answers):
            continue
        with writing(engine) as connection:
            updates = [_update(connection, stored, answer, version) for stored, answer in answers]
            rematched.write(connection, updates)
        touched |= _touched(some, updates)


def _update(connection: sa.Connection, stored: Stored, answer: Answer, version: str) -> Update:
    withdrawn = answer.withdrawn
    if answer.service != stored.said and rematched.said_both(connection, stored, answer.service):
        # these agents told of it under the other name too: that total stands, and this one must not count again
        answer, withdrawn = Answer(stored.said, confirmed=False), True
    return Update(
        id=stored.id,
        service=answer.service,
        said=None if answer.service == stored.said else stored.said,
        confirmed=answer.confirmed,
        withdrawn=withdrawn,
        held=msgspec.json.encode(answer.held).decode(),
        catalogue=version,
    )


def _is_answered(stored: Stored, answer: Answer, version: str) -> bool:
    """Whether everything is known already, so that nothing has to be written."""
    same = (stored.service, stored.confirmed) == (answer.service, answer.confirmed)
    return stored.catalogue == version and same and stored.withdrawn == answer.withdrawn


def _touched(before: Collection[Stored], after: Collection[Update]) -> set[str]:
    found: set[str] = set()
    for stored, update in zip(before, after, strict=True):
        if (stored.service, stored.withdrawn) != (update.service, update.withdrawn):
            found |= {stored.service, update.service}
    return found
