"""The catalogue's services as populations of users: what each leaves behind, in the catalogue's own words."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from aimscope_collector.simulate.plan import Fact, Tool
from aimscope_signatures.catalogue import Catalogue, Entry
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation

_WILD: Final = frozenset("*?[")
_MOST_FACTS: Final = 3
_USUAL: Final = ("assistant", "coding-assistant", "coding-agent", "api-provider", "writing", "meeting-assistant")
_OTHERS: Final = ("image", "translation", "search", "local-runtime", "framework", "audio", "video", "mcp-server")


def choose(catalogue: Catalogue, days: int, rng: random.Random, most: int = 60) -> tuple[Tool, ...]:
    """Services that people use, the popular ones first; a tenth of them new, a tenth spreading fast."""
    matcher = Matcher(catalogue)
    entries = sorted(catalogue, key=lambda entry: entry.id)
    rng.shuffle(entries)
    entries.sort(key=lambda entry: _rank(entry.category))
    usual = [entry for entry in entries if entry.category in _USUAL][: most * 2]
    rest = [entry for entry in entries if entry.category in _OTHERS][:most]
    picked = rng.sample(usual, min(len(usual), most * 2 // 3)) + rng.sample(rest, min(len(rest), most // 3))
    tools = []
    for place, entry in enumerate(picked):
        facts = tuple(_facts(entry, matcher))
        if not facts:
            continue
        lot = rng.random()
        begins = rng.randrange(days) if lot < 0.2 else 0
        tools.append(
            Tool(
                service=entry.id,
                facts=facts[:_MOST_FACTS],
                passing=next((fact for fact in facts if fact.kind == "dns.query"), None),
                share=min(0.6, 0.8 / (place + 1) ** 0.8),
                begins=begins,
                spreads=rng.uniform(1, max(2.0, days / 4)) if lot < 0.1 else 0.0 if begins else rng.uniform(0, 3),
            )
        )
    return tuple(tools)


def of(matcher: Matcher, service: str, kind: str, **fields: str) -> Fact | None:
    """The fact, as far as the catalogue sees the service in it; or AI of no service, which needs no catalogue."""
    observation = Observation(kind, dict(fields))
    found = next((each for each in matcher.match(observation) if each.service == service), None)
    if service and found is None:
        return None
    return Fact(
        service,
        kind,
        tuple((name, fields[name]) for name in KINDS[kind].evidence if name in fields),
        KINDS[kind].counts == "state",
        found.identity if found else "medium",
        found.presence if found else KINDS[kind].presence,
    )


def _rank(category: str) -> int:
    return _USUAL.index(category) if category in _USUAL else len(_USUAL)


def _facts(entry: Entry, matcher: Matcher) -> Iterator[Fact]:
    signature = entry.signature
    tried: list[tuple[str, dict[str, str]]] = []
    tried += [("dns.query", {"name": name}) for name in _plain((*signature.domains, *signature.hosts))[:2]]
    tried += [("browser.visit", {"host": name}) for name in _plain((*signature.domains, *signature.hosts))[:1]]
    tried += [("package", {"package": name}) for name in _plain(signature.packages)[:1]]
    tried += [("process", {"name": name}) for name in _plain(signature.processes)[:1]]
    for name in _plain(signature.extensions)[:1]:
        manager, _, _ = name.partition(":")
        if manager == "vscode":
            tried.append(("editor_extension", {"id": name, "editor": "vscode"}))
        elif manager == "chrome":
            tried.append(("browser_extension", {"id": name, "browser": "chrome"}))
    for kind, fields in tried:
        fact = of(matcher, entry.id, kind, **fields)
        if fact is not None:
            yield fact


def _plain(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if not _WILD & set(name)]
