"""Good style of a signature file: what `verify` cannot prove and a reviewer would otherwise have to say."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import yaml

from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.signature import FACTS, Apps, Signature
from aimscope_signatures.verify import Doubt

_ID = re.compile(r"^[a-z0-9]+(?:-[a-z0-9]+)*$")
_CHROME = re.compile(r"^chrome:[a-p]{32}$")
_BUNDLE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9_-]+)+$")
_WINGET = re.compile(r"^[^\s./\\]+(?:\.[^\s./\\]+)+$|^[0-9A-Z]{12}$|^XP[0-9A-Z]{12}$")
_PURL = re.compile(
    r"^pkg:(?:pypi|npm|cargo|gem|golang|maven|nuget|composer)/[\w%.@/+~-]+$"
)  # the package URL standard, ECMA-427
_STALE_DAYS = 730
_REFUSED = Path(__file__).parent / "refused.yaml"


_NOT_OBVIOUS: Final = frozenset(
    {"apps", "clauses", "config", "env", "extensions", "images", "ips", "keys", "mcp_config", "ports", "probes"}
)

Rule = Callable[[Signature, datetime.date], Iterator[tuple[str, str]]]


def lint(catalogue: Catalogue, today: datetime.date, services: tuple[str, ...] = ()) -> tuple[Doubt, ...]:
    """Every breach of style in the named services (all, where none is named)."""
    doubts: list[Doubt] = []
    for entry in catalogue:
        if services and entry.id not in services:
            continue
        signature = entry.signature
        doubts += [Doubt(entry.id, place, message) for rule in RULES for place, message in rule(signature, today)]
        for other in (*signature.also, *filter(None, (signature.part_of,))):
            if other not in catalogue:
                doubts.append(Doubt(entry.id, "also/part_of", f"{other!r} is not in the catalogue"))
    return tuple(doubts)


def _head(signature: Signature, _: datetime.date) -> Iterator[tuple[str, str]]:
    if not _ID.match(signature.id):
        yield "id", "lower case letters, digits and single hyphens"
    if not signature.homepage.startswith("https://"):
        yield "homepage", "starts with https://"
    if not 10 <= len(signature.summary) <= 160 or not signature.summary.endswith("."):
        yield "summary", "one sentence of 10 to 160 characters that ends with a full stop"
    if signature.maturity == "sandbox" and not signature.note:
        yield "note", "a sandbox signature says what is unsure"
    if signature.category == "embedded-ai" and "embedded" not in signature.surface:
        yield "surface", "embedded AI has the surface `embedded`"
    if not signature.surface:
        yield "surface", "at least one"


def _hosts(signature: Signature, _: datetime.date) -> Iterator[tuple[str, str]]:
    for domain in signature.domains:
        if domain.lower() in _refused()["domains"]:
            yield "domains", f"{domain} serves many things: name the exact host under `hosts`"
        if "*" in domain or "." not in domain:
            yield "domains", f"{domain}: a plain domain; patterns go under `hosts`"
    for host in signature.hosts:
        if "*" in host.split(".")[-1] or "*" in host.split(".")[-2:][0]:
            yield "hosts", f"{host}: its last two labels are literal"
        if host.lower() in _refused()["domains"]:
            yield "hosts", f"{host} serves many things"
    if "embedded" in signature.surface and signature.category == "embedded-ai" and signature.domains:
        yield "domains", "embedded AI claims exact `hosts` or `urls` only"


def _ids(signature: Signature, _: datetime.date) -> Iterator[tuple[str, str]]:
    for extension in signature.extensions:
        store, _colon, name = extension.partition(":")
        if store == "chrome" and (not _CHROME.match(extension) or name in _refused()["extensions"]):
            yield "extensions", f"{extension}: a Chrome id is 32 letters from a to p, and none of the known false ones"
        if store == "vscode" and (name.count(".") < 1 or name != name.lower()):
            yield "extensions", f"{extension}: publisher.name in lower case"
        if store not in {"chrome", "firefox", "safari", "vscode", "jetbrains", "vim", "emacs", "zed", "sublime"}:
            yield "extensions", f"{extension}: unknown store {store!r}"
    for bundle in signature.apps.macos:
        if not _BUNDLE.match(bundle):
            yield "apps.macos", f"{bundle}: no bundle id"
    for package in signature.apps.windows:
        if not _WINGET.match(package):
            yield "apps.windows", f"{package}: no winget package id"
    for port in signature.ports:
        if not 0 < port < 65_536:
            yield "ports", f"{port}: 1 to 65535"


def _sources(signature: Signature, today: datetime.date) -> Iterator[tuple[str, str]]:
    covered = {fact for reference in signature.references for fact in reference.facts}
    for fact in facts_of(signature):
        if fact not in covered and fact.split(".", 1)[0] not in covered:
            yield "references", f"no reference says where {fact} was confirmed"
    opened = {fact for reference in signature.references if reference.opened for fact in reference.facts}
    for fact in facts_of(signature) if signature.maturity == "stable" else ():
        if fact.split(".", 1)[0] in _NOT_OBVIOUS and not {fact, fact.split(".", 1)[0]} & opened:
            yield "references", f"a stable file opened a source for {fact}, or it is `sandbox`"
    known = set(facts_of(signature)) | {fact.split(".", 1)[0] for fact in facts_of(signature)}
    for fact in sorted(covered - known):
        yield "references", f"{fact} is no section of this file"
    dates = [(f"references {reference.url}", reference.url, reference.checked) for reference in signature.references]
    dates += [(f"governance.{name}", known.source, known.checked) for name, known in signature.governance.items()]
    for place, url, checked in dates:
        if not url.startswith("https://") and not _PURL.match(url):
            yield place, "a source is an https:// address, or a package in a registry as its package URL: pkg:pypi/name"
        if checked > today:
            yield place, f"checked in the future: {checked}"
        elif (today - checked).days > _STALE_DAYS:
            yield place, f"checked more than two years ago: {checked}"


def facts_of(signature: Signature) -> tuple[str, ...]:
    """The places of a file that state facts: sections, ``apps.<entry>``, ``clauses.<name>``, ``probes.<name>``."""
    return (
        *(name for name in FACTS if getattr(signature, name)),
        *(f"apps.{name}" for name in Apps.__struct_fields__ if getattr(signature.apps, name)),
        *(f"probes.{name}" for name in signature.probes),
        *(f"clauses.{name}" for name in signature.clauses),
    )


RULES: Final[tuple[Rule, ...]] = (_head, _hosts, _ids, _sources)


@cache
def _refused() -> dict[str, frozenset[str]]:
    return msgspec.convert(yaml.safe_load(_REFUSED.read_bytes()), dict[str, frozenset[str]])
