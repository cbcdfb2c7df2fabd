"""What a document must say beyond its shape, and the way from a document to an inventory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import ip_address, ip_network
from typing import TypeVar

from aimscope_collector.inventory.model import CONDITIONS, VERSION, AuthorisedUse, IgnoreFile, Inventory, Organisation
from aimscope_collector.inventory.problems import Loaded, Path, Problems, did_you_mean, field_name, shown
from aimscope_collector.inventory.shape import REFUSED, shape
from aimscope_collector.inventory.tree import Document

Root = TypeVar("Root", Inventory, IgnoreFile)
PlaceOf = Callable[[Path], tuple[int, str]]
"""Takes where in the inventory, gives the line and the name the field has in the file."""


def inventory_of(document: Document | None, problems: Problems) -> Loaded[Inventory]:
    """The inventory in a document, or every reason why there is none."""
    return _content_of(Inventory, "aimscope_inventory", document, problems)


def ignores_of(document: Document | None, problems: Problems) -> Loaded[IgnoreFile]:
    """The ignores in a document of their own, or every reason why there are none."""
    return _content_of(IgnoreFile, "aimscope_ignores", document, problems)


def _content_of(root: type[Root], header: str, document: Document | None, problems: Problems) -> Loaded[Root]:
    if document is None:
        if not problems.errors:
            problems.error(0, "", "The file is empty.", f"Begin it with '{header}: {VERSION}'.")
        return Loaded(content=None, problems=problems.sorted())

    def place(path: Path) -> tuple[int, str]:
        return document.line(path), field_name(path)

    def complain(path: Path, message: str, advice: str) -> None:
        problems.error(*place(path), message, advice)

    value = document.value
    if isinstance(value, dict) and header in value and not _known_version(value[header]):
        message = f"{shown(value[header])} is a version of this format that is not known here."
        problems.error(document.line((header,)), header, message, f"This program reads version {VERSION}; update it.")
        value = {**value, header: REFUSED}
    built: list[tuple[Path, object]] = []
    content = shape(root, value, complain, lambda path, struct: built.append((path, struct)))
    organisation_known = any(isinstance(struct, Organisation) and struct.domains for _, struct in built)
    check(
        [(path, struct) for path, struct in built if isinstance(struct, AuthorisedUse)],
        organisation_known,
        place,
        problems,
    )
    return Loaded(content=None if problems.errors else content, problems=problems.sorted())


def _known_version(value: object) -> bool:
    return value is REFUSED or (not isinstance(value, bool) and str(value).strip() == str(VERSION))


def check(
    uses: Iterable[tuple[Path, AuthorisedUse]], organisation_known: bool, place_of: PlaceOf, problems: Problems
) -> None:
    """What no single field can tell: identifiers used twice, dates in the wrong order, conditions that do not exist."""
    seen: dict[str, Path] = {}
    for path, use in uses:
        if use.id:
            first = seen.setdefault(use.id.casefold(), path)
            if first != path:
                line, _ = place_of((*first, "id"))
                message = f"The id {shown(use.id)} is used on line {line} already."
                problems.error(*place_of((*path, "id")), message, "Give each system its own.")
        _check_dates(use, path, place_of, problems)
        _check_conditions(use, organisation_known, path, place_of, problems)
        _check_networks(use, path, place_of, problems)
        if use.status == "tolerated" and use.expiry is None:
            advice = "Say with 'expiry' until when it is tolerated."
            problems.note(*place_of((*path, "expiry")), f"{shown(use.label)} is tolerated for ever.", advice)


def _check_dates(use: AuthorisedUse, path: Path, place_of: PlaceOf, problems: Problems) -> None:
    if use.start is not None and use.expiry is not None and use.expiry < use.start:
        place = place_of((*path, "expiry"))
        message = f"It ends on {use.expiry}, before it starts on {use.start}."
        problems.error(*place, message, "Correct one of the two dates.")
    if use.expiry is not None and use.next_review is not None and use.next_review > use.expiry:
        place = place_of((*path, "next_review"))
        message = f"The next review is after the last day, {use.expiry}."
        problems.note(*place, message, "Review it before it runs out.")


def _check_conditions(
    use: AuthorisedUse, organisation_known: bool, path: Path, place_of: PlaceOf, problems: Problems
) -> None:
    for number, condition in enumerate(use.conditions):
        place = place_of((*path, "conditions", number))
        if condition in CONDITIONS:
            if condition == "organisation_account" and not organisation_known and not use.allowed_accounts:
                message = "Nothing says which accounts are the organisation's."
                advice = "List them in organisation.domains, or in this row's allowed_accounts."
                problems.error(*place, message, advice)
        elif " " not in condition:
            # One word is meant for the program: a misspelt one must not become a sentence that nobody checks.
            advice = f"{did_you_mean(condition, CONDITIONS)}Write one of {', '.join(CONDITIONS)}, or a whole sentence."
            problems.error(*place, f"{shown(condition)} is not a known condition.", advice)


def _check_networks(use: AuthorisedUse, path: Path, place_of: PlaceOf, problems: Problems) -> None:
    for number, host in enumerate(use.hosts):
        address, slash, _ = host.partition("/")
        if slash and _is(ip_address, address) and not _is(partial(ip_network, strict=False), host):
            message = f"{shown(host)} is no network, and fits no machine."
            problems.error(*place_of((*path, "hosts", number)), message, "Write it like 10.20.0.0/16.")


def _is(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text.strip())
    except ValueError:
        return False
    return True
