"""Observation → detections: the index by kind and operator first, clauses second.

Cost does not grow with the catalogue: names are looked up label by label in a dictionary, patterns
stand behind their literal start, and an expression is compiled when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.conditions import OPERATORS
from aimscope_signatures.hosts import HostIndex
from aimscope_signatures.kinds import KINDS, Presence, capped
from aimscope_signatures.model import Detection, Held, Observation, Value
from aimscope_signatures.normalise import bare, canonical
from aimscope_signatures.patterns import Hit, PatternIndex, most_specific
from aimscope_signatures.sections import SECTIONS
from aimscope_signatures.signature import Clause

_Find = Callable[[str], tuple[Hit, ...]]
LARGE_UPLOAD = 1_000_000
"""Bytes one connection or request sends that are more than a question: a document, a code base."""
_EXACT_FIRST = ("equals", "basename", "host", "domain", "prefix", "regex", "glob", "cidr")


class Matcher:
    """A catalogue ready for matching. Immutable after construction, apart from caches."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.hosts = HostIndex()
        self._equals: dict[str, dict[str, tuple[Hit, ...]]] = {}
        self._patterns: dict[str, PatternIndex] = {}
        self._kinds: dict[str, list[tuple[str, Clause]]] = {}
        self._by_value: dict[tuple[str, str], dict[str, list[tuple[str, Clause]]]] = {}
        for entry in catalogue:
            for clause in entry.clauses:
                if clause.section:
                    self._add_section(entry.id, clause)
                else:
                    self._add_clause(entry.id, clause)

    def _add_section(self, service: str, clause: Clause) -> None:
        test = clause.tests[0]
        section = SECTIONS[clause.section]
        for value in test.values:
            hit = Hit(service, clause, value)
            if section.type == "hostname":
                self.hosts.add(hit, suffix=test.operator == "domain")
            elif test.operator == "equals":
                index = self._equals.setdefault(section.name, {})
                index[value] = (*index.get(value, ()), hit)
            else:
                index_of = self._patterns.setdefault(section.name, PatternIndex(test.operator, section.type == "path"))
                index_of.add(hit)

    def _add_clause(self, service: str, clause: Clause) -> None:
        primary = min(clause.tests, key=lambda test: _EXACT_FIRST.index(test.operator))
        if primary.operator == "equals" or (primary.operator == "host" and not any("*" in v for v in primary.values)):
            index = self._by_value.setdefault((clause.kind, primary.field), {})
            for value in primary.values:
                index.setdefault(value, []).append((service, clause))
        else:
            self._kinds.setdefault(clause.kind, []).append((service, clause))

    @cached_property
    def _finders(self) -> dict[tuple[str, str], list[_Find]]:
        """How each field of each kind is looked up."""
        finders: dict[tuple[str, str], list[_Find]] = {}
        for section in SECTIONS.values():
            find = self._finder(section.name)
            if find is not None:
                for target in section.targets:
                    known = finders.setdefault(target, [])
                    if find not in known:
                        known.append(find)
        return finders

    def _finder(self, section: str) -> _Find | None:
        if SECTIONS[section].type == "hostname":
            return self.hosts.find
        if section in self._equals:
            index = self._equals[section]
            return lambda value: index.get(value, ())
        if section in self._patterns:
            return self._patterns[section].find
        return None

    def find(self, section: str, value: str) -> tuple[Hit, ...]:
        """What a single value of a section's type is, most specific first; the value may be in any form."""
        finder = self._finder(section)
        form = canonical(SECTIONS[section].type, value)
        return most_specific(finder(form)) if finder and form else ()

    def match(self, observation: Observation) -> tuple[Detection, ...]:
        """Every service that the observation speaks for; one detection per service, the surest clause.

        An observation of an unknown kind matches nothing (a newer agent may send it to an older collector).
        """
        kind = KINDS.get(observation.kind)
        if kind is None:
            return ()
        forms = forms_of(observation)
        found: dict[str, Detection] = {}
        presence = presence_of(observation)
        for clause, service, held in self._holding(observation.kind, forms):
            identity = capped(clause.identity, kind.ceiling)
            known = found.get(service)
            if known is None or capped(identity, known.identity) == known.identity != identity:
                found[service] = Detection(service, clause.name, identity, presence, held, observation)
        every = tuple(found.values())
        if observation.kind == "process":
            return _one_program(every)
        return _one_server(every) if len(every) > 1 and "user_agent" in forms else every

    def holding(self, observation: Observation) -> set[tuple[str, str]]:
        """Every ``(service, clause)`` that holds, the weaker ones too: for people who ask why."""
        if observation.kind not in KINDS:
            return set()
        return {(service, clause.name) for clause, service, _ in self._holding(observation.kind, forms_of(observation))}

    def _holding(self, kind: str, forms: dict[str, tuple[str, ...]]) -> Iterator[tuple[Clause, str, tuple[Held, ...]]]:
        for field, values in forms.items():
            for find in self._finders.get((kind, field), ()):
                for value in values:
                    for hit in most_specific(find(value)):
                        test = hit.clause.tests[0]
                        yield hit.clause, hit.service, (Held(field, test.operator, hit.value),)
        for service, clause in self._candidates(kind, forms):
            held = tests_held(clause, forms)
            if held:
                yield clause, service, held

    def _candidates(self, kind: str, forms: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, Clause]]:
        yield from self._kinds.get(kind, ())
        for field, values in forms.items():
            index = self._by_value.get((kind, field))
            if index:
                for value in values:
                    yield from index.get(value, ())


def _one_program(found: tuple[Detection, ...]) -> tuple[Detection, ...]:
    """A program is one product: where its file or package tells which, its name is no hint at another one."""
    if any(capped(each.identity, "high") == "high" for each in found):
        return tuple(each for each in found if each.identity != "low")
    return found


def _one_server(found: tuple[Detection, ...]) -> tuple[Detection, ...]:
    """Who is asked decides: where that is known, the library that asks is no hint at its own vendor.

    A library serves every server that imitates the vendor's, and many do.
    """
    if all(_by_agent(each) for each in found):
        return found
    return tuple(each for each in found if each.identity != "low" or not _by_agent(each))


def _by_agent(detection: Detection) -> bool:
    return all(held.field == "user_agent" for held in detection.held)


def tests_held(clause: Clause, forms: dict[str, tuple[str, ...]]) -> tuple[Held, ...]:
    """The tests of a clause with the value that fitted, or nothing where one of them does not hold."""
    held: list[Held] = []
    for test in clause.tests:
        if test.field not in forms:
            return ()
    for test in clause.tests:
        fit = next(
            (
                value
                for value in test.values
                for form in forms[test.field]
                if OPERATORS[test.operator].build(value)(form)
            ),
            None,
        )
        if fit is None:
            return ()
        held.append(Held(test.field, test.operator, fit))
    return tuple(held)


def forms_of(observation: Observation) -> dict[str, tuple[str, ...]]:
    """The observation's fields in canonical form; fields the kind does not declare are left out."""
    declared = KINDS[observation.kind].fields
    forms: dict[str, tuple[str, ...]] = {}
    for name, value in observation.fields.items():
        field = declared.get(name)
        if field is not None:
            texts = tuple(form for text in _texts(value) if (form := canonical(field.type, text)))
            if field.type == "app_id":
                texts = tuple(dict.fromkeys(form for text in texts for form in (text, bare(text))))
            if texts:
                forms[name] = texts
    return forms


def _texts(value: Value) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        return (str(value).lower(),)
    return (str(value),) if isinstance(value, int) else value


def presence_of(observation: Observation) -> Presence:
    """What the observation says about use: its kind's word, or more where a field says so."""
    fields = observation.fields
    if fields.get("blocked") is True:
        return "attempted"
    if fields.get("running") is True:
        return "used"
    sent = fields.get("bytes_out")
    if isinstance(sent, int) and sent >= LARGE_UPLOAD:
        return "uploaded"
    return KINDS[observation.kind].presence
