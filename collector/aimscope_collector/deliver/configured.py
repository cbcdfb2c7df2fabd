"""Destinations as a file names them: YAML without a secret in it, each secret in a file of its own.

``DestinationsError`` says in its text what is wrong and what to do; no secret is ever part of it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Final

import msgspec
import yaml

from aimscope_collector.deliver import Transport
from aimscope_collector.deliver.smtp import Mail, Tls
from aimscope_collector.deliver.webhook import Reach, Webhook

_LARGEST: Final = 100_000
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]+$")]


class DestinationsError(Exception):
    """The destinations cannot be used."""


class MailTo(msgspec.Struct, frozen=True, kw_only=True, tag="mail", tag_field="type", forbid_unknown_fields=True):
    """E-mail through a server that asks for a password, or through a relay that does not."""

    host: Line
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    tls: Tls = "starttls"
    sender: Line
    to: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=50)]
    user: str = ""
    password_file: str = ""
    ca: str | None = None


class WebhookTo(msgspec.Struct, frozen=True, kw_only=True, tag="webhook", tag_field="type", forbid_unknown_fields=True):
    """A signed POST."""

    url: Line
    secret_file: Line
    reach: Reach = "private"
    ca: str | None = None


class Destinations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    destinations: Annotated[dict[Name, MailTo | WebhookTo], msgspec.Meta(max_length=50)] = {}


def load(path: Path) -> dict[str, Transport]:
    """The destinations of a file, by name, ready to be sent to. Raises ``DestinationsError``."""
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST:
            raise DestinationsError(f"{path} is larger than {_LARGEST:,} bytes: it holds something else")
        content = msgspec.yaml.decode(data, type=Destinations)
    except OSError as error:
        raise DestinationsError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, yaml.YAMLError, RecursionError, UnicodeError) as error:
        said = " ".join(str(error).split())
        raise DestinationsError(f"{path}: {said[:300]}") from None
    return {name: _transport(path.parent, name, one) for name, one in content.destinations.items()}


def _transport(folder: Path, name: str, one: MailTo | WebhookTo) -> Transport:
    ca = str(folder / one.ca) if one.ca else None
    try:
        if isinstance(one, WebhookTo):
            return Webhook(one.url, _secret(folder / one.secret_file).encode(), reach=one.reach, ca=ca)
        if one.user and not one.password_file:
            raise DestinationsError(f"{name}: a user needs a password_file")
        password = _secret(folder / one.password_file) if one.password_file else ""
        same = {field: getattr(one, field) for field in ("host", "port", "tls", "sender", "to", "user")}
        return Mail(**same, password=password, ca=ca)
    except ValueError as error:
        raise DestinationsError(f"{name}: {error}") from None
    except OSError as error:
        raise DestinationsError(f"{name}: {ca}: {error.strerror or 'no certificates'}") from None


def _secret(path: Path) -> str:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise DestinationsError(f"{path} can be read by others: chmod 600 {path}")
        secret = path.read_text("utf-8").strip()
    except OSError as error:
        raise DestinationsError(f"{path}: {error.strerror}") from None
    except UnicodeError:
        raise DestinationsError(f"{path} is not text") from None
    if not secret or len(secret) > 4_096:
        raise DestinationsError(f"{path} holds no secret")
    return secret
