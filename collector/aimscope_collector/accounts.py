"""Who may do what: roles and permissions as data, passwords, lock-out, API keys. Holds nothing, asks no clock."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from aimscope_collector.review import covers

Role = Literal["admin", "security", "reviewer", "auditor", "viewer", "privacy"]

SCOPES: Final[dict[str, str]] = {
    "findings:read": "Findings, their standing and risk, as counts.",
    "findings:decide": "Take decisions, assign, comment, open corrective actions.",
    "decisions:read": "The decision log, comments and corrective actions.",
    "sightings:read": "Evidence by device and account, under pseudonyms.",
    "services:read": "The catalogue of services.",
    "catalogue:write": "The organisation's own services, and new versions of the catalogue.",
    "inventory:read": "The authorised inventory and its versions.",
    "inventory:write": "Put a new version of the inventory in force.",
    "agents:read": "Agents, assets and units, under pseudonyms.",
    "agents:write": "Approve, move and revoke agents; import assets; rules of units.",
    "tokens:read": "Enrolment tokens, without their secrets.",
    "tokens:write": "Make and revoke enrolment tokens.",
    "coverage:read": "What could be looked at, and scan runs.",
    "alerts:read": "Alerts.",
    "alerts:write": "Rules and destinations of alerts and exports.",
    "exports:read": "Where events go, what waits, what was refused, and how an event looks.",
    "exports:write": "Try again, replay, deliver at once.",
    "metrics:read": "Figures of the collector for monitoring.",
    "policy:read": "What agents may collect and what is shown to whom.",
    "policy:write": "Change what agents may collect and what is shown to whom.",
    "reports:read": "Reports and exports of findings.",
    "reports:schedule": "Have reports sent by e-mail, again and again.",
    "devices:see": "Names and addresses of devices.",
    "people:reveal": "Ask for the name behind a pseudonym, with a reason.",
    "people:approve": "Agree, as the second person, to somebody else's reveal.",
    "people:access": "Everything about one pseudonym, for the person it stands for.",
    "people:erase": "Erase what is kept about one pseudonym.",
    "privacy:read": "Every change that widened what is collected or shown, every reveal asked for.",
    "audit:read": "The audit log, and whether it is whole.",
    "accounts:read": "Accounts, roles and API keys.",
    "accounts:write": "Make, change and disable accounts.",
    "keys:write": "API keys of one's own.",
    "settings:write": "Settings of the collector.",
}
"""Every permission, as a word, and what it allows. An API key carries some of its owner's."""

_VIEWER: Final = frozenset(
    ("findings:read", "services:read", "inventory:read", "coverage:read", "reports:read", "policy:read", "keys:write")
)
_REVIEWER: Final = (
    _VIEWER
    | {"findings:decide", "decisions:read", "sightings:read", "alerts:read", "inventory:write"}
    | {"reports:schedule"}
)
_PERSONAL: Final = frozenset(("devices:see", "people:reveal", "people:access", "people:erase"))

PERMISSIONS: Final[dict[Role, frozenset[str]]] = {
    "viewer": _VIEWER,
    "reviewer": _REVIEWER,
    "security": _VIEWER
    | {"decisions:read", "sightings:read", "alerts:read", "alerts:write", "agents:read", "agents:write"}
    | {"exports:read", "exports:write", "metrics:read", "reports:schedule"}
    | {"tokens:read", "tokens:write", "catalogue:write", "devices:see", "people:reveal", "people:approve"},
    "auditor": frozenset(word for word in SCOPES if word.endswith(":read")) | {"keys:write"},
    "privacy": frozenset(
        ("privacy:read", "policy:read", "audit:read", "coverage:read", "accounts:read", "findings:read")
    )
    | {"people:approve", "people:access"},
    "admin": frozenset(SCOPES) - _PERSONAL - {"findings:decide"} | {"people:erase", "people:access"},
}
"""What each role may do; an account with several may do what any of them may.

An administrator runs the collector: deciding, seeing devices and asking for names are other roles, so that who does
it says so.
"""

WHOLE: Final = frozenset(
    {
        *("accounts:write", "settings:write", "policy:write", "catalogue:write"),
        *("exports:read", "exports:write", "metrics:read", "privacy:read"),
        *("people:reveal", "people:approve", "people:access", "people:erase"),
    }
)
"""What is the whole organisation's: an account with limits has none of it, or it could take its limits away, or see
what is beyond them. People belong to no unit, so that whoever reveals or erases has to be without limits, too.
"""

MOST_ROLES: Final = len(PERMISSIONS)
SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 256
LONGEST_KEY_LIFE: Final = 366 * 86_400
PREFIX: Final = "ak_"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,127}")
_FREE: Final = 5
_FIRST_LOCK: Final = 30
_LONGEST_LOCK: Final = 900
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=32_768, parallelism=1)


class NotAllowed(ValueError):
    """A change to accounts that is refused; the text says why and what to do."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: ``name`` is what the audit log says. ``units`` limits what is seen and decided; empty is no limit."""

    account: int
    name: str
    roles: tuple[Role, ...]
    units: tuple[str, ...] = ()
    scopes: frozenset[str] | None = None
    """Of the API key; ``None`` for a person."""
    must_change: bool = False
    """Nothing is allowed until the first password is changed."""
    must_enrol: bool = False
    """Nothing is allowed until a second factor is set up."""

    def may(self, permission: str) -> bool:
        """Whether a permission is given. Raises ``KeyError`` for a word that is none."""
        SCOPES[permission]  # a misspelt word must not be an answer
        if self.must_change or self.must_enrol or (self.scopes is not None and permission not in self.scopes):
            return False
        if self.units and permission in WHOLE:
            return False
        return permission in permissions(self.roles)

    def reaches(self, unit: str | None) -> bool:
        """Whether a unit (``None``: the whole organisation) is within the account's limits."""
        return not self.units or (unit is not None and any(covers(one, unit) for one in self.units))


def permissions(roles: Iterable[Role]) -> frozenset[str]:
    """What several roles allow together."""
    return frozenset().union(*(PERMISSIONS[role] for role in roles))


def check_name(name: str) -> str:
    """The name as it is kept, in lower case. Raises ``NotAllowed``."""
    folded = name.strip().casefold()
    if not _NAME.fullmatch(folded):
        raise NotAllowed("A name has letters a to z, digits and . _ @ + -, and begins with a letter or digit.")
    return folded


def check_roles(roles: Iterable[str]) -> tuple[Role, ...]:
    """The roles, each once, in the order of the table. Raises ``NotAllowed``."""
    wanted = set(roles)
    unknown = sorted(wanted - set(PERMISSIONS))
    if unknown or not wanted:
        raise NotAllowed(f"{unknown[0] if unknown else 'Nothing'} is no role: choose from {', '.join(PERMISSIONS)}.")
    return tuple(role for role in PERMISSIONS if role in wanted)


def check_scopes(scopes: Iterable[str], roles: Iterable[Role]) -> tuple[str, ...]:
    """The scopes of a new key, which are no more than its owner's permissions. Raises ``NotAllowed``."""
    wanted = sorted(set(scopes))
    beyond = sorted(set(wanted) - permissions(roles))
    if not wanted:
        raise NotAllowed("A key without a scope opens nothing: name at least one.")
    if beyond:
        raise NotAllowed(f"{beyond[0]} is not among your own permissions: leave it out.")
    return tuple(wanted)


def check_password(password: str, name: str) -> None:
    """Raises ``NotAllowed`` for a password that is too short, too long, or too easily guessed."""
    folded = password.casefold()
    if len(password) < SHORTEST_PASSWORD:
        raise NotAllowed(f"The password has fewer than {SHORTEST_PASSWORD} characters: choose a longer one.")
    if len(password) > LONGEST_PASSWORD:
        raise NotAllowed(f"The password has more than {LONGEST_PASSWORD} characters: choose a shorter one.")
    if name.casefold() in folded and len(name) > 3:
        raise NotAllowed("The password contains the account's name: choose another.")
    if len(set(folded)) < 5 or folded in (folded[:4] * len(folded))[: len(folded)]:
        raise NotAllowed("The password repeats a few characters: choose another.")


def hash_password(password: str) -> str:
    """argon2id, with its parameters and salt. Takes some 50 ms: call it outside a transaction."""
    return _HASHER.hash(password)


_NOBODY: Final = "$argon2id$v=19$m=32768,t=3,p=1$YWltc2NvcGUtbm9ib2R5$a0Nh/oOTGaXPbW2kS/mTbBqXvSbR4KlmSsYWkyRbL/w"


def matches(hashed: str | None, password: str) -> bool:
    """Whether it is the password; takes as long where there is none to compare with."""
    try:
        return _HASHER.verify(hashed or _NOBODY, password[: LONGEST_PASSWORD + 1]) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


def outdated(hashed: str) -> bool:
    """Whether a password was hashed with other parameters than are used now."""
    return _HASHER.check_needs_rehash(hashed)


def locked_for(failures: int) -> int:
    """Seconds for which an account is locked after so many failures in a row: none, then doubling."""
    if failures < _FREE:
        return 0
    return min(_LONGEST_LOCK, _FIRST_LOCK << min(failures - _FREE, 10))


def first_password(randomness: Callable[[int], bytes]) -> str:
    """A password for one use, of 120 bits, in groups that people can copy."""
    letters = base64.b32encode(randomness(15)).decode().lower()
    return "-".join(letters[start : start + 6] for start in range(0, 24, 6))


def new_key(randomness: Callable[[int], bytes]) -> str:
    """The secret of an API key: shown once, kept as ``secret_hash`` only."""
    return PREFIX + base64.urlsafe_b64encode(randomness(32)).decode().rstrip("=")


def secret_hash(secret: str) -> str:
    """What is kept of a secret that has 256 bits of its own: SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
