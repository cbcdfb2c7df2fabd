"""Where people log in, as ``oidc.yaml`` in the collector's folder says; the client's secret is in a file of its own.

``SignOnError`` says in its text what is wrong and what to do; no secret is ever part of it.
"""

from __future__ import annotations

import os
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
import yaml

from aimscope_collector import accounts
from aimscope_collector.accounts import NotAllowed

FILE: Final = "oidc.yaml"
BACK: Final = "/login/elsewhere/back"
_LARGEST: Final = 100_000
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]+$")]


class SignOnError(Exception):
    """Logging in elsewhere cannot be used."""


class Granted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the members of a group are here. ``units`` limits what they see and decide; none is no limit."""

    roles: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=16)]
    units: Annotated[tuple[Line, ...], msgspec.Meta(max_length=1_000)] = ()


class Configured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file. ``address`` is where people reach this collector; the provider sends them back there."""

    issuer: Line
    client_id: Line
    address: Line
    groups: Annotated[dict[Line, Granted], msgspec.Meta(min_length=1, max_length=1_000)]
    client_secret_file: str = ""
    """Empty for a client that has none, and relies on PKCE alone."""
    label: Annotated[str, msgspec.Meta(max_length=64)] = ""
    scopes: Annotated[tuple[Line, ...], msgspec.Meta(max_length=20)] = ("openid", "profile", "email")
    groups_claim: Line = "groups"
    name_claim: Line = "preferred_username"
    algorithms: Annotated[tuple[Algorithm, ...], msgspec.Meta(min_length=1)] = ("RS256", "PS256", "ES256", "EdDSA")
    local: Literal["admins", "everybody"] = "admins"
    """Who may still log in with a password: administrators for an emergency, which raises an alert, or everybody."""
    ca: str = ""

    @property
    def back(self) -> str:
        """Where the provider sends people: register this address with it."""
        return self.address.rstrip("/") + BACK


class SignOn(msgspec.Struct, frozen=True):
    """What the file says, with the secret and the file of certificates it names."""

    configured: Configured
    secret: str = ""
    ca: str | None = None

    def __repr__(self) -> str:
        """Nothing of the secret."""
        return f"SignOn({self.configured.issuer})"


def load(path: Path) -> SignOn:
    """What a file says. Raises ``SignOnError``."""
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST:
            raise SignOnError(f"{path} is larger than {_LARGEST:,} bytes: it holds something else")
        found = msgspec.yaml.decode(data, type=Configured)
    except OSError as error:
        raise SignOnError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, yaml.YAMLError, RecursionError, UnicodeError) as error:
        raise SignOnError(f"{path}: {' '.join(str(error).split())[:300]}") from None
    _check(path, found)
    secret = _secret(path.parent / found.client_secret_file) if found.client_secret_file else ""
    ca = str(path.parent / found.ca) if found.ca else None
    if ca is not None and not Path(ca).is_file():
        raise SignOnError(f"{path}: ca: {ca} is no file")
    return SignOn(found, secret, ca)


def _check(path: Path, found: Configured) -> None:
    for field in ("issuer", "address"):
        said = getattr(found, field)
        if not is_private(said) or urlsplit(said).query or urlsplit(said).fragment:
            raise SignOnError(f"{path}: {field}: {said} is no https address: only one on this machine may do without")
    if urlsplit(found.address).path not in ("", "/"):
        raise SignOnError(f"{path}: address: give it without a path, as https://aimscope.example.org")
    if "openid" not in found.scopes:
        raise SignOnError(f"{path}: scopes: openid is missing, without which nobody is told who logged in")
    for group, granted in found.groups.items():
        try:
            accounts.check_roles(granted.roles)
        except NotAllowed as error:
            raise SignOnError(f"{path}: groups: {group}: {error}") from None


def is_private(url: str) -> bool:
    """Whether nobody in between can read what is sent there: ``https``, or this very machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username or parts.password:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _secret(path: Path) -> str:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SignOnError(f"{path} can be read by others: chmod 600 {path}")
        secret = path.read_text("utf-8").strip()
    except OSError as error:
        raise SignOnError(f"{path}: {error.strerror}") from None
    except UnicodeError:
        raise SignOnError(f"{path} is not text") from None
    if not secret or len(secret) > 4_096:
        raise SignOnError(f"{path} holds no secret")
    return secret
