"""Options of a format, checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aimscope_collector import formats


def settled(given: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, str]:
    """Every declared option, at its default where it was not given. Raises ``Unknown`` for one that is not declared."""
    for name in given:
        if name not in declared:
            raise formats.Unknown(f"there is no option {name}: choose from {', '.join(declared) or 'none'}")
    return {**declared, **given}


def one_of(options: Mapping[str, str], name: str, known: Collection[str]) -> str:
    """The value of an option that has only so many. Raises ``Unknown``."""
    if options[name] not in known:
        raise formats.Unknown(f"{name} cannot be {options[name]!r}: choose from {', '.join(known)}")
    return options[name]
