"""What an ID token has to hold before it is believed, and what its groups are here: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from aimscope_collector import accounts
from aimscope_collector.accounts import Role
from aimscope_collector.http.sign_on.configured import Configured, Granted

LEEWAY: Final = 60
"""Seconds by which the provider's clock may differ."""
_LONGEST_SUBJECT: Final = 255
_MOST_GROUPS: Final = 10_000


class NotBelieved(Exception):
    """Nobody is logged in; the text says why, for the log and for people."""


class NoGroup(NotBelieved):
    """It is certain who they are, and nothing of theirs lets them in."""

    def __init__(self, subject: str, why: str) -> None:
        super().__init__(why)
        self.subject = subject


class Person(msgspec.Struct, frozen=True):
    """Who logged in: ``subject`` is the account's identity, whatever the name becomes."""

    subject: str
    name: str
    roles: tuple[Role, ...]
    units: tuple[str, ...]


def checked(
    token: str, keys: KeySet, *, configured: Configured, nonce: str, access_token: str, now: int
) -> dict[str, Any]:
    """The claims of an ID token (OpenID Connect Core 1.0, 3.1.3.7). Raises ``NotBelieved``, ``JoseError``.

    Only algorithms with a public key are taken: neither ``none`` nor one where the key that checks also signs, whatever
    the token itself names. ``JoseError`` is left where another key may help: one that is not known yet signed it.
    """
    signed = jwt.decode(token, keys, algorithms=list(configured.algorithms))
    claims = CodeIDToken(
        signed.claims,
        signed.header,
        options={
            "iss": {"essential": True, "value": configured.issuer},
            "aud": {"essential": True, "value": configured.client_id},
            "nonce": {"essential": True, "value": nonce},
        },
        params={"nonce": nonce, "client_id": configured.client_id, "access_token": access_token},
    )
    try:
        claims.validate(now=now, leeway=LEEWAY)
    except JoseError as error:
        raise NotBelieved(f"What the provider sent is not believed: {error.description or error.error}.") from None
    subject = claims["sub"]
    if not subject or len(subject) > _LONGEST_SUBJECT:
        raise NotBelieved("What the provider sent is not believed: sub is no subject.")
    return dict(claims)


def person(claims: Mapping[str, Any], configured: Configured) -> Person:
    """Who it is, and what they may here. Raises ``NoGroup`` where no group of theirs is one of the file's."""
    subject = f"{configured.issuer}\n{claims['sub']}"
    said = claims.get(configured.groups_claim)
    if said is None:
        raise NoGroup(subject, f"The provider does not say which groups you are in ({configured.groups_claim}).")
    groups = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    granted = [
        configured.groups[one] for one in groups[:_MOST_GROUPS] if isinstance(one, str) and one in configured.groups
    ]
    if not granted:
        raise NoGroup(subject, "None of your groups may use this collector: ask who runs it.")
    name = claims.get(configured.name_claim) or claims.get("email") or ""
    roles, units = together(granted)
    return Person(subject, name if isinstance(name, str) else "", roles, units)


def together(granted: Sequence[Granted]) -> tuple[tuple[Role, ...], tuple[str, ...]]:
    """Roles and units of several groups: all their roles, within all units that any of them names.

    A group without units does not lift the limit of another: else a reader of everything who administers one unit would
    administer everything.
    """
    wanted: Iterable[str] = (role for one in granted for role in one.roles)
    return accounts.check_roles(wanted), tuple(sorted({unit for one in granted for unit in one.units}))
