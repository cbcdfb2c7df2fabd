"""Whose account an AI tool uses, as its own configuration tells: the domain of the address, never the address."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look, Sensor
from aimscope_signatures.model import Observation
from aimscope_signatures.normalise import hostname

_LONGEST_TOKEN = 65_536
_ADDRESS = re.compile(r"[^@\s]{1,256}@([^@\s]{1,253})")


class _Claims(msgspec.Struct, frozen=True):
    """What is read of an identity token."""

    email: str = ""


def _plain(value: object) -> object:
    return value


def _claimed(token: object) -> object:
    """The address in an identity token; its signature matters to nobody here."""
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or token.count(".") != 2:
        return None
    payload = token.split(".")[1]
    try:
        text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(text, type=_Claims).email
    except (binascii.Error, ValueError, RecursionError, msgspec.MsgspecError):
        return None


_TOLD_BY: Final[dict[str, tuple[tuple[str, ...], Callable[[object], object]]]] = {
    "~/.claude.json": (("oauthAccount", "emailAddress"), _plain),
    "~/.codex/auth.json": (("tokens", "id_token"), _claimed),
    "~/.cursor/cli-config.json": (("authInfo", "email"), _plain),
    "~/.gemini/google_accounts.json": (("active",), _plain),
}
"""Where each file holds the address, and how it is written there."""


def _observe(look: Look) -> Iterator[Observation]:
    ours = {name for domain in look.options.organisation_domains if (name := hostname(domain))}
    for glob, (place, read) in _TOLD_BY.items():
        for file in look.found(glob):
            look.count("files")
            domain = _domain(look, file, place, read)
            if domain:
                organisational = any(domain == name or domain.endswith("." + name) for name in ours) if ours else None
                yield look.see("account", file, path=file.path, domain=domain, organisational=organisational)


def _domain(look: Look, file: Found, place: tuple[str, ...], read: Callable[[object], object]) -> str:
    """The domain of the address in a file; the address goes no further than this."""
    value = look.json(file)
    for key in place:
        value = value.get(key) if isinstance(value, Mapping) else None
    address = read(value)
    found = _ADDRESS.fullmatch(address.strip()) if isinstance(address, str) else None
    domain = hostname(found[1]) if found else ""
    return domain if "." in domain else ""


SENSOR = Sensor(
    name="accounts",
    doc="The domain of the account that an AI tool's own configuration names, never the address.",
    emits=("account",),
    observe=_observe,
    wants=tuple(_TOLD_BY),
)
