"""Destinations as an administrator writes them: a YAML file, each secret in a file of its own.

``DestinationsError`` says in its text what is wrong and what to do; no secret is ever part of it.
"""

from __future__ import annotations

import base64
import os
import ssl
import stat
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import yaml

from aimscope_collector.deliver import Transport, declared
from aimscope_collector.deliver.carrying import Carrier
from aimscope_collector.deliver.declared import (
    AnyTo,
    Destinations,
    FileTo,
    HttpsTo,
    MailTo,
    SyslogTo,
    WebhookTo,
)
from aimscope_collector.deliver.destination import Destination
from aimscope_collector.deliver.entra import Entra
from aimscope_collector.deliver.file import File
from aimscope_collector.deliver.https import Credential, Fixed, Https
from aimscope_collector.deliver.posting import Poster
from aimscope_collector.deliver.smtp import Mail
from aimscope_collector.deliver.syslog import Syslog
from aimscope_collector.deliver.webhook import Webhook
from aimscope_collector.events import Event
from aimscope_collector.formats import Carrier as Kind
from aimscope_collector.formats import Format, Unknown, format_named

_LARGEST: Final = 100_000
_HOURS: Final = {"h": 3_600, "d": 86_400}
_HEADER: Final = "header"
_BULK: Final = "/_bulk"


class DestinationsError(Exception):
    """The destinations cannot be used."""


class Configured(msgspec.Struct, frozen=True):
    """Everything the file says: where alerts go, where events go, and what these say of where they come from."""

    alerts: dict[str, Transport] = {}
    events: tuple[Destination, ...] = ()
    organisation: str = ""
    collector: str = "aimscope"


def load(path: Path) -> dict[str, Transport]:
    """Where alerts go, by name, ready to be sent to. Raises ``DestinationsError``."""
    return read(path).alerts


def read(path: Path) -> Configured:
    """Everything. Raises ``DestinationsError``."""
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
    alerts: dict[str, Transport] = {}
    events = []
    for name, one in content.destinations.items():
        try:
            made = _made(path.parent, name, one)
        except (ValueError, Unknown) as error:
            raise DestinationsError(f"{name}: {error}") from None
        except OSError as error:
            raise DestinationsError(f"{name}: {error.filename or ''} {error.strerror or 'no certificates'}") from None
        if isinstance(made, Destination):
            events.append(made)
        else:
            alerts[name] = made
    return Configured(alerts, tuple(events), content.organisation, content.collector)


def _made(folder: Path, name: str, one: AnyTo) -> Transport | Destination:
    match one:
        case MailTo():
            return _mail(folder, name, one)
        case WebhookTo():
            hook = Webhook(
                one.url,
                _secret(folder / one.secret_file).encode(),
                reach=one.reach,
                ca=_path(folder, one.ca),
                at_once=one.at_once,
            )
            if one.format is None:
                return hook
            return _destination(name, one, format_named(one.format), "webhook", hook, urlsplit(one.url).netloc)
        case FileTo():
            path = folder / one.path
            file = File(path, largest=one.largest, keep=one.keep)
            return _destination(name, one, format_named(one.format), "file", file, str(path))
        case SyslogTo():
            where = f"{one.transport} {one.host}:{one.port}"
            return _destination(name, one, format_named(one.format), "syslog", _syslog(folder, one), where)
        case HttpsTo():
            where = urlsplit(one.url).netloc
            return _destination(name, one, format_named(one.format), "https", _https(folder, one), where)


def _destination(
    name: str, one: declared.Events | WebhookTo, format_: Format, kind: Kind, carrier: Carrier, where: str
) -> Destination:
    if kind not in format_.carriers:
        raise ValueError(f"{format_.name} does not go by {kind}: it goes by {', '.join(sorted(format_.carriers))}")
    options = dict(one.options)
    if kind == "syslog" and _HEADER in format_.options:
        options.setdefault(_HEADER, "rfc5424")  # receivers parse what begins with a header
    format_.render(Event(uid="e", type="ai.coverage", activity="create", at=0), options)  # raises for a bad option
    return Destination(
        name=name,
        format=format_,
        options=options,
        carrier=carrier,
        carried=kind,
        where=where,
        wanted=one.filter,
        names=one.devices == "name",
        since=_since(one.since),
        counters=one.counters,
    )


def _since(said: str) -> int | None:
    if said in ("now", "all"):
        return 0 if said == "now" else None
    return int(said[:-1]) * _HOURS[said[-1]]


def _mail(folder: Path, name: str, one: MailTo) -> Mail:
    if one.user and not one.password_file:
        raise DestinationsError(f"{name}: a user needs a password_file")
    password = _secret(folder / one.password_file) if one.password_file else ""
    same = {field: getattr(one, field) for field in ("host", "port", "tls", "sender", "to", "user")}
    return Mail(**same, password=password, ca=_path(folder, one.ca))


def _syslog(folder: Path, one: SyslogTo) -> Syslog:
    tls = None
    if one.transport == "tls":
        tls = ssl.create_default_context(cafile=_path(folder, one.ca))
        if one.certificate or one.key_file:
            if not (one.certificate and one.key_file):
                raise ValueError("certificate and key_file go together")
            _secret(folder / one.key_file, longest=65_536)
            tls.load_cert_chain(folder / one.certificate, folder / one.key_file)
    elif one.ca or one.certificate or one.key_file:
        raise ValueError("ca, certificate and key_file belong to transport: tls")
    return Syslog(one.host, one.port, transport=one.transport, tls=tls, reach=one.reach, settles=one.settles)


def _https(folder: Path, one: HttpsTo) -> Https:
    ca = _path(folder, one.ca)
    bulk = one.answers == "each" or (one.answers == "auto" and urlsplit(one.url).path.endswith(_BULK))
    return Https(
        Poster(one.url, what="receiver", reach=one.reach, ca=ca),
        credential=_credential(folder, one, ca),
        most_records=one.at_once,
        most_bytes=one.largest,
        compress=one.compress,
        bulk=bulk,
        headers=one.headers,
    )


def _credential(folder: Path, one: HttpsTo, ca: str | None) -> Credential | None:
    match one.login:
        case None:
            return None
        case declared.Token(secret_file=file, header=header, scheme=scheme):
            return Fixed(header, f"{scheme} {_header(folder / file)}".strip())
        case declared.Basic(user=user, password_file=file):
            pair = f"{user}:{_secret(folder / file)}".encode()
            return Fixed("Authorization", f"Basic {base64.b64encode(pair).decode()}")
        case declared.Entra() as login:
            url = f"{login.authority.rstrip('/')}/{login.tenant}/oauth2/v2.0/token"
            poster = Poster(url, what="token service", reach=one.reach, ca=ca)
            return Entra(poster, client=login.client, secret=_secret(folder / login.secret_file), scope=login.scope)


def _path(folder: Path, named: str | None) -> str | None:
    if not named:
        return None
    (folder / named).stat()  # TLS does not say which file it misses
    return str(folder / named)


def _header(path: Path) -> str:
    secret = _secret(path)
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise DestinationsError(f"{path} holds no token: one has no spaces and no line ends")
    return secret


def _secret(path: Path, *, longest: int = 4_096) -> str:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise DestinationsError(f"{path} can be read by others: chmod 600 {path}")
        secret = path.read_text("utf-8").strip()
    except OSError as error:
        raise DestinationsError(f"{path}: {error.strerror}") from None
    except UnicodeError:
        raise DestinationsError(f"{path} is not text") from None
    if not secret or len(secret) > longest:
        raise DestinationsError(f"{path} holds no secret")
    return secret
