"""What a report calls a fact → evidence in canonical form, as the collector's own catalogue sees it.

The key is derived here from declared fields alone, so no agent can write what another's rows show.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from aimscope_collector.store.interning import Evidence
from aimscope_signatures import wire
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.kinds.model import Field
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation, Value
from aimscope_signatures.normalise import path
from aimscope_signatures.unknown import candidate

_fact: Final = msgspec.json.Decoder(wire.Fact).decode
_SERVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_YES: Final = frozenset({"true", "yes", "1"})


class Unfit(Exception):
    """The fact is not kept; the text says why, without what it said."""


def evidence(raw: bytes, matcher: Matcher) -> tuple[Evidence, Evidence]:
    """A fact as evidence, and what is kept of it where its agent names too many. Raises ``Unfit``."""
    try:
        fact = _fact(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Unfit("a fact out of its bounds") from None
    kind = KINDS.get(fact.kind)
    if kind is None:
        raise Unfit("a fact of unknown kind")
    if fact.service and not _SERVICE.fullmatch(fact.service):
        raise Unfit("a fact whose service is no id")
    fields: dict[str, str] = {}
    for name, text in fact.fields:
        field = kind.fields.get(name)
        if field is None or name not in kind.evidence or field.personal or field.local or name in fields:
            raise Unfit("a fact with a field that its kind does not declare as evidence")
        if "\0" in text:
            raise Unfit("a fact with a NUL character")
        fields[name] = without_home(text) if field.type == "path" else text
    service = Evidence(*_canonical(fact.service, fact.kind, {}))
    return _confirmed(fact.service, fact.kind, fields, matcher), service


def _canonical(service: str, kind: str, fields: dict[str, str]) -> tuple[bytes, str, str, str]:
    ordered = dict(sorted(fields.items()))
    text = msgspec.json.encode([service, kind, list(ordered.items())])
    return hashlib.sha256(text).digest()[:16], service, kind, msgspec.json.encode(ordered).decode()


def _confirmed(service: str, kind: str, fields: dict[str, str], matcher: Matcher) -> Evidence:
    """Evidence with the tests that hold in the collector's catalogue, whatever the agent says of them."""
    declared = KINDS[kind].fields
    observation = Observation(kind, {name: _typed(declared[name], text) for name, text in fields.items()})
    found = matcher.match(observation)
    if service:
        detection = next((each for each in found if each.service == service), None)
    else:
        detection = candidate(observation, found)
    held = msgspec.json.encode(detection.held if detection else ()).decode()
    return Evidence(*_canonical(service, kind, fields), held, detection is not None, matcher.catalogue.version)


def _typed(field: Field, text: str) -> Value:
    if field.type == "flag":
        return text.strip().casefold() in _YES
    if field.type == "integer" and text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    return text


def without_home(text: str) -> str:
    """A path below a profile names a person: an agent writes ``~``, and where one does not, it is written here."""
    canonical = path(text)
    return canonical if canonical.startswith("~") and not text.startswith("~") else text
