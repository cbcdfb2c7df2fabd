"""For authors of signatures: a file to start from, and the catalogue in numbers."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.lint import facts_of
from aimscope_signatures.signature import Category, Signature
from aimscope_signatures.verify import example_count

_SINGLE = re.compile(r"(?<=^probes)\..*|(?<=^clauses)\..*")
"""The name that a signature gives to one of its own probes or clauses."""

_TEMPLATE = """\
id: {id}
name: {name}
vendor: FILL IN
category: {category}
surface: [web]                 # web desktop mobile cli ide browser-extension api self-hosted embedded mcp sdk
homepage: https://example.com
summary: One sentence in our own words.
maturity: sandbox              # stable once every fact is confirmed
note: What is unsure.

domains: [{id}.example]        # see docs/signatures.md for all sections

references:
  - {{url: "https://example.com/docs", checked: {today}, facts: [domains]}}

examples:
  match:
    domains: [www.{id}.example]
  no_match:
    domains: [not{id}.example]
"""


def skeleton(service: str, category: str, name: str, today: datetime.date) -> str:
    """The text of a new signature. Raises ``ValueError`` for an unusable id or an unknown category."""
    if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", service):
        raise ValueError(f"{service!r} is no id: lower case letters, digits and single hyphens")
    if category not in get_args(Category):
        raise ValueError(f"{category!r} is no category; one of {', '.join(get_args(Category))}")
    return _TEMPLATE.format(id=service, name=name, category=category, today=today)


def count_catalogue(catalogue: Catalogue) -> dict[str, Any]:
    """Services by category, maturity and surface, facts by section, examples."""
    facts: Counter[str] = Counter()
    for entry in catalogue:
        facts.update(_SINGLE.sub("", section) for section, _ in _facts(entry.signature))
    return {
        "services": len(catalogue),
        "version": catalogue.version[:12],
        "examples": example_count(catalogue),
        "facts": dict(facts.most_common()),
        "category": dict(sorted(Counter(entry.category for entry in catalogue).items())),
        "maturity": dict(sorted(Counter(entry.maturity for entry in catalogue).items())),
        "surface": dict(sorted(Counter(s for entry in catalogue for s in entry.surface).items())),
    }


def facts_with_evidence(catalogue: Catalogue) -> Iterator[dict[str, str]]:
    """Every fact with each reference that confirms its section."""
    for entry in catalogue:
        signature = entry.signature
        for section, value in _facts(signature):
            sources = [r for r in signature.references if {section, section.split(".", 1)[0]} & set(r.facts)]
            for source in sources:
                yield {**_fact(entry.id, section, value, source.url, source.checked), "opened": _yes(source.opened)}
            if not sources:
                yield _fact(entry.id, section, value, "", None)
        for name, known in signature.governance.items():
            yield _fact(entry.id, f"governance.{name}", str(known.value), known.source, known.checked)


def _fact(service: str, section: str, value: str, url: str, checked: datetime.date | None) -> dict[str, str]:
    return {
        "service": service,
        "section": section,
        "value": value,
        "checked": checked.isoformat() if checked else "",
        "reference": url,
        "opened": _yes(bool(url)),
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _facts(signature: Signature) -> Iterator[tuple[str, str]]:
    for place in facts_of(signature):
        section, _, name = place.partition(".")
        if section == "apps":
            values = getattr(signature.apps, name)
        elif section in {"probes", "clauses"}:
            values = (name,)
        else:
            values = getattr(signature, section)
        for value in values:
            yield place, str(value)
