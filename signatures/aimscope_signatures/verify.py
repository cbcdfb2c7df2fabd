"""The catalogue proves itself: its own examples, its near-misses, a yes-sayer and a benign corpus.

Issue objects, not exceptions: a run reports everything it found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import yaml

from aimscope_signatures.catalogue import Catalogue, Entry
from aimscope_signatures.expand import derived
from aimscope_signatures.kinds import KINDS, FieldType
from aimscope_signatures.matcher import Matcher, forms_of, tests_held
from aimscope_signatures.model import Observation, Value
from aimscope_signatures.normalise import hostname
from aimscope_signatures.sections import SECTIONS
from aimscope_signatures.signature import Clause, ExampleSet, Signature

BENIGN = Path(__file__).parent / "benign.yaml"

_EXAMPLE_SECTIONS: Final = tuple(name for name in ExampleSet.__struct_fields__ if name not in {"observations", "urls"})
_YES: Final[Mapping[FieldType, Value]] = {"flag": True, "integer": 200, "texts": ("yes", "x-yes: yes")}
_YES_BODIES: Final = (
    "ok",
    "<html><head><title>OK</title></head><body>yes</body></html>",
    "{}",
    "[]",
    "true",
    '{"status":"ok"}',
)


class Doubt(msgspec.Struct, frozen=True, order=True):
    """Why a signature does not prove itself. ``place`` is a section, clause or example."""

    service: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.service}: {self.place}: {self.message}"


def verify(catalogue: Catalogue, services: Iterable[str] = ()) -> tuple[Doubt, ...]:
    """Everything that is doubtful about the named services (all, where none is named)."""
    matcher = Matcher(catalogue)
    wanted = set(services) or set(catalogue.entries)
    doubts = [Doubt(name, "id", "no such service in the catalogue") for name in sorted(wanted - set(catalogue.entries))]
    for entry in catalogue:
        if entry.id in wanted:
            doubts.extend(_of_entry(entry, matcher))
    doubts.extend(doubt for doubt in _benign(matcher) if doubt.service in wanted)
    return tuple(doubts)


def _of_entry(entry: Entry, matcher: Matcher) -> Iterator[Doubt]:
    signature = entry.signature
    proven: set[str] = set()
    for place, claims in _claims(signature.examples.match, matcher):
        own = {clause for service, clause in claims if service == entry.id}
        proven |= own
        if not own:
            yield Doubt(entry.id, f"examples.match.{place}", "is not matched by this service")
        for other in sorted({service for service, _ in claims} - {entry.id}):
            if not _declared(signature, matcher.catalogue.entries[other].signature):
                yield Doubt(entry.id, f"examples.match.{place}", f"is claimed by {other} as well: `also` or `part_of`?")
    for clause in entry.clauses:
        if clause.name not in proven and not derived(clause):
            yield Doubt(entry.id, clause.name, "no example is matched by this clause")
        yield from _guarded(entry, clause, signature)
    for place, claims in _claims(signature.examples.no_match, matcher):
        if any(service == entry.id for service, _ in claims):
            yield Doubt(entry.id, f"examples.no_match.{place}", "matches, and must not")
    if signature.examples.no_match == ExampleSet():
        yield Doubt(entry.id, "examples.no_match", "a near-miss is missing: what looks like it and is not?")
    for domain in (*signature.domains, *signature.hosts):
        name = hostname(domain).replace("*", "x")
        for near in (f"not{name}", f"{name}.example.net", f"x{name}.example"):
            if any(hit.service == entry.id and hit.value == domain for hit in matcher.find("domains", near)):
                yield Doubt(entry.id, "domains", f"{near!r} matches, and must not")


def _declared(one: Signature, other: Signature) -> bool:
    return other.id in one.also or one.id in other.also or one.part_of == other.id or other.part_of == one.id


def _claims(examples: ExampleSet, matcher: Matcher) -> Iterator[tuple[str, set[tuple[str, str]]]]:
    """For each example: where it stands, and which ``(service, clause)`` match it."""
    for section in _EXAMPLE_SECTIONS:
        for value in getattr(examples, section):
            name = "windows_name" if section == "apps" and value.startswith("uninstall:") else section
            yield f"{section}: {value}", {(hit.service, hit.clause.name) for hit in matcher.find(name, value)}
    for url in examples.urls:
        yield f"urls: {url}", matcher.holding(_request(url))
    for fields in examples.observations:
        yield f"observations: {fields}", matcher.holding(observation_of(fields))


def _request(url: str) -> Observation:
    path = "/" + url.split("://", 1)[-1].partition("/")[2]
    return Observation("http.request", {"host": hostname(url), "path": path})


def observation_of(fields: Mapping[str, Value]) -> Observation:
    """An observation as an example writes it: ``{kind: process, exe: …}``."""
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Observation(str(plain.pop("kind", "")), plain)


def _guarded(entry: Entry, clause: Clause, signature: Signature) -> Iterator[Doubt]:
    """Each of several tests must be needed: without it some negative would match."""
    if len(clause.tests) < 2 or derived(clause):
        return
    negatives = [observation_of(fields) for fields in signature.examples.no_match.observations]
    negatives += [_request(url) for url in signature.examples.no_match.urls]
    # the generic near-misses of a plain address: its path elsewhere, its host with another path
    for url in signature.urls:
        negatives += [_request(f"example.net/{url.partition('/')[2]}"), _request(f"{hostname(url)}/an/ordinary/page")]
    negatives += [
        _answered_otherwise(fields)
        for fields in signature.examples.match.observations
        if clause.kind == "http.response"
    ]
    forms = [forms_of(negative) for negative in negatives if negative.kind == clause.kind]
    for number, test in enumerate(clause.tests):
        rest = msgspec.structs.replace(clause, tests=(*clause.tests[:number], *clause.tests[number + 1 :]))
        if (clause.kind, test.field) in _SELF_GUARDED:
            continue
        if not any(tests_held(rest, form) and not tests_held(clause, form) for form in forms):
            yield Doubt(entry.id, clause.name, f"no negative needs the test of {test.field!r}")


_SELF_GUARDED: Final = {("http.response", "path"), ("http.response", "status"), ("http.response", "content_type")}
"""Tests that only narrow an answer further: the question asked and its success, guarded for all by the yes-sayer."""


def _answered_otherwise(fields: Mapping[str, Value]) -> Observation:
    """The same question, answered by something else."""
    kept = {name: value for name, value in fields.items() if name in {"kind", "path", "status", "port"}}
    return observation_of({**kept, "body": "ok", "title": "ok", "server": "nginx", "headers": ("x: y",)})


def _benign(matcher: Matcher) -> Iterator[Doubt]:
    """What a yes-sayer and ordinary machines show must match nothing."""
    paths = {
        value
        for entry in matcher.catalogue
        for clause in entry.clauses
        for test in clause.tests
        if clause.kind == "http.response" and test.field == "path"
        for value in test.values
    }
    for kind in KINDS.values():
        fields = {name: _YES.get(field.type, "yes") for name, field in kind.fields.items()}
        if kind.name == "http.response":
            every = [{**fields, "path": path, "body": body} for path in sorted(paths) for body in _YES_BODIES]
        else:
            every = [fields]
        for said in every:
            for service, clause in matcher.holding(Observation(kind.name, said)):
                yield Doubt(service, clause, f"matches a {kind.name} that says yes to everything")
    for section, values in benign().items():
        for value in values:
            for hit in matcher.find(section, value):
                yield Doubt(hit.service, hit.clause.name, f"matches the ordinary {section} {value!r}")


def benign() -> dict[str, tuple[str, ...]]:
    """Ordinary values by section, which no service may claim."""
    found = yaml.safe_load(BENIGN.read_bytes())
    return msgspec.convert(found, dict[str, tuple[str, ...]])


def example_count(catalogue: Catalogue) -> int:
    """Positive and negative examples in all files."""
    return sum(
        len(getattr(examples, name))
        for entry in catalogue
        for examples in (entry.signature.examples.match, entry.signature.examples.no_match)
        for name in ExampleSet.__struct_fields__
    )


__all__ = ["SECTIONS", "Doubt", "benign", "example_count", "observation_of", "verify"]
