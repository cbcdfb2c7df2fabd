"""Sections → clauses: what the shorthand of a signature file stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aimscope_signatures.conditions import OPERATORS
from aimscope_signatures.kinds import KINDS, Identity
from aimscope_signatures.normalise import canonical, hostname
from aimscope_signatures.sections import SECTIONS
from aimscope_signatures.signature import Clause, Probe, Signature, Test, values_of

_PROBE_FIELDS = ("server", "title", "headers", "content_type", "body")


class Malformed(ValueError):
    """A value that no operator can use; ``where`` is its place in the file: ``$.domains``."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


def derived(clause: Clause) -> bool:
    """Whether a clause follows from facts that another clause of its service proves: it needs no examples."""
    return clause.name.endswith((".code", ".named"))


def clauses(signature: Signature) -> tuple[Clause, ...]:
    """Every clause of a signature, in the order of its sections.

    Raises ``Malformed`` for an unknown kind, field or operator, or a value the operator cannot use.
    """
    found = (
        *_sections(signature),
        *_on_windows(signature),
        *_by_name(signature),
        *_urls(signature),
        *_probes(signature),
        *_written(signature),
    )
    for clause in found:
        for test in clause.tests:
            for value in test.values:
                try:
                    OPERATORS[test.operator].build(value)
                except ValueError as error:
                    raise Malformed(f"$.{clause.name}", str(error)) from None
    return found


def _sections(signature: Signature) -> Iterator[Clause]:
    for section in SECTIONS.values():
        values = values_of(signature, section.name)
        if not values:
            continue
        name = "apps.windows_name" if section.name == "windows_name" else section.name
        if section.name == "packages":
            values = (*values, *_modules(values), *_of_conda(values))
        # a network is compared as it stands: its canonical form is the operator's business
        forms = values if section.operator == "cidr" else tuple(canonical(section.type, value) for value in values)
        for value, form in zip(values, forms, strict=True):
            if not form:
                raise Malformed(f"$.{name}", f"{value!r} is no {section.type}")
        identity = signature.identity.get(name, section.identity)
        test = Test("", section.operator, tuple(dict.fromkeys(forms)))
        yield Clause(name, identity, (test,), section=section.name)
        if section.name == "keys":
            names = tuple(f"{signature.id}#{number}" for number, _ in enumerate(values))
            yield Clause("keys", identity, (Test("key_pattern", "equals", names),), kind="credential")


def _modules(packages: tuple[str, ...]) -> tuple[str, ...]:
    """A Python distribution is imported under its own name unless the file says otherwise (``pymod:``)."""
    if any(package.startswith("pymod:") for package in packages):
        return ()
    names = (package.removeprefix("pypi:") for package in packages if package.startswith("pypi:"))
    return tuple(f"pymod:{name.replace('-', '_').lower()}" for name in names)


def _of_conda(packages: tuple[str, ...]) -> tuple[str, ...]:
    """conda-forge names a Python distribution as PyPI does unless the file says otherwise (``conda:``)."""
    if any(package.startswith("conda:") for package in packages):
        return ()
    return tuple(f"conda:{package.removeprefix('pypi:')}" for package in packages if package.startswith("pypi:"))


def _on_windows(signature: Signature) -> Iterator[Clause]:
    """What Windows lists as installed under the service's own name, by its own publisher, is its application."""
    apps = signature.apps
    if apps.windows_name or not (apps.windows or apps.macos or apps.cask):
        return
    packages = [each.partition(".") for each in apps.windows]
    names = (signature.name, *(product for _, _, product in packages))
    publishers = (_OWNERS.sub("", signature.vendor), *(publisher for publisher, _, _ in packages))
    ids = tuple(dict.fromkeys(canonical("app_id", f"uninstall:{name}") for name in names))
    makers = tuple(dict.fromkeys(canonical("text", publisher) + "*" for publisher in publishers))
    tests = (Test("id", "equals", ids), Test("publisher", "glob", makers))
    yield Clause("apps.named", signature.identity.get("apps", "medium"), tests, kind="application")


def _by_name(signature: Signature) -> Iterator[Clause]:
    """What bears the service's own name on a consent or a bill may be it: sure where the name says more than a word."""
    name = canonical("product_name", signature.name)
    if not name or name in {canonical("product_name", each) for each in signature.product_names}:
        return
    identity: Identity = "medium" if _DISTINCTIVE.search(name) else "low"
    yield Clause("product_names.named", identity, (Test("", "equals", (name,)),), section="product_names")


_DISTINCTIVE = re.compile(r" |\w\.\w|\d")
_OWNERS = re.compile(r" \(.*\)")


def _urls(signature: Signature) -> Iterator[Clause]:
    for number, url in enumerate(signature.urls):
        host = hostname(url)
        path = "/" + url.split("://", 1)[-1].partition("/")[2]
        if not host or path == "/":
            raise Malformed(f"$.urls[{number}]", f"{url!r} is no host with a path")
        name = "urls" if len(signature.urls) == 1 else f"urls.{number}"
        identity = signature.identity.get("urls", "high")
        tests = (Test("host", "host", (host,)), Test("path", "prefix", (path,)))
        yield Clause(name, identity, tests, kind="http.request")
        code = (Test("host", "host", (host,)), Test("url_path", "prefix", (path,)))
        yield Clause(f"{name}.code", identity, code, kind="code.endpoint")


def _probes(signature: Signature) -> Iterator[Clause]:
    for name, probe in signature.probes.items():
        where = f"probes.{name}"
        tests = [Test("path", "equals", (probe.path,)), Test("status", "equals", (str(probe.status),))]
        tests += [Test(field, "glob", patterns) for field in _PROBE_FIELDS if (patterns := _patterns(probe, field))]
        if len(tests) == 2:
            raise Malformed(f"$.{where}", "a probe states what the answer looks like: body, title, server or headers")
        yield Clause(where, signature.identity.get(where, "certain"), tuple(tests), kind="http.response")


def _patterns(probe: Probe, field: str) -> tuple[str, ...]:
    return tuple(pattern.lower() for pattern in getattr(probe, field))


def _written(signature: Signature) -> Iterator[Clause]:
    for name, spec in signature.clauses.items():
        where = f"clauses.{name}"
        kind = KINDS.get(spec.kind)
        if kind is None:
            raise Malformed(f"$.{where}.kind", f"unknown kind {spec.kind!r}; known: {', '.join(KINDS)}")
        tests: list[Test] = []
        for field, operators in spec.all.items():
            if field not in kind.fields:
                raise Malformed(
                    f"$.{where}.all", f"{spec.kind} has no field {field!r}; it has {', '.join(kind.fields)}"
                )
            for operator, values in operators.items():
                if operator not in OPERATORS:
                    raise Malformed(f"$.{where}.all.{field}", f"unknown operator {operator!r}; {', '.join(OPERATORS)}")
                field_type = kind.fields[field].type
                forms = tuple(canonical(field_type, _text(value)) for value in values)
                if not all(forms):
                    raise Malformed(f"$.{where}.all.{field}", f"a value is no {field_type}")
                tests.append(Test(field, operator, forms))
        if not tests:
            raise Malformed(f"$.{where}.all", "a clause needs at least one test")
        yield Clause(where, spec.identity, tuple(tests), kind=spec.kind)


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
