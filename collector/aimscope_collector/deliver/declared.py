"""What ``destinations.yaml`` may say: where alerts go, and where events go and in which form."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from aimscope_collector.deliver.entra import AUTHORITY, SCOPE
from aimscope_collector.deliver.posting import Reach
from aimscope_collector.deliver.smtp import Tls
from aimscope_collector.store.journal import Filter

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]+$")]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Option = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
HeaderName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
Since = Annotated[str, msgspec.Meta(pattern=r"^(now|all|[1-9][0-9]{0,2}[dh])$")]
MOST_FILES: Final = 100


class Events(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all destinations of events say.

    ``devices``: ``pseudonym``, or ``name`` for a receiver that may know them. ``since`` is how far back the first
    delivery reaches: ``now``, ``2d``, ``12h``, or ``all`` that is kept. ``counters`` is how many events a day may say
    nothing but numbers.
    """

    format: Name
    options: dict[Name, Option] = {}
    filter: Filter = Filter()
    devices: Literal["pseudonym", "name"] = "pseudonym"
    since: Since = "now"
    counters: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1_000


class MailTo(msgspec.Struct, frozen=True, kw_only=True, tag="mail", tag_field="type", forbid_unknown_fields=True):
    """E-mail, of alerts, through a server that asks for a password, or through a relay that does not."""

    host: Line
    port: Port = 587
    tls: Tls = "starttls"
    sender: Line
    to: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=50)]
    user: str = ""
    password_file: str = ""
    ca: str | None = None


class WebhookTo(msgspec.Struct, frozen=True, kw_only=True, tag="webhook", tag_field="type", forbid_unknown_fields=True):
    """A signed POST: of alerts, or of events where there is a ``format``. ``at_once`` is how many events one holds."""

    url: Line
    secret_file: Line
    reach: Reach = "private"
    ca: str | None = None
    at_once: Annotated[int, msgspec.Meta(ge=1, le=500)] = 1
    format: Name | None = None
    options: dict[Name, Option] = {}
    filter: Filter = Filter()
    devices: Literal["pseudonym", "name"] = "pseudonym"
    since: Since = "now"
    counters: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1_000


class FileTo(Events, frozen=True, kw_only=True, tag="file", tag_field="type"):
    """A file, rotated here at ``largest`` bytes; 0 leaves that to logrotate."""

    path: Line
    largest: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)] = 100_000_000
    keep: Annotated[int, msgspec.Meta(ge=0, le=MOST_FILES)] = 5


class SyslogTo(Events, frozen=True, kw_only=True, tag="syslog", tag_field="type"):
    """Syslog. ``certificate`` and ``key_file`` are what the receiver knows this collector by, over TLS.

    ``settles``: seconds after which what was sent counts as delivered, for syslog itself confirms nothing.
    """

    host: Line
    port: Port = 6514
    transport: Literal["tls", "tcp", "udp"] = "tls"
    reach: Reach = "private"
    ca: str | None = None
    certificate: str | None = None
    key_file: str | None = None
    settles: Annotated[int, msgspec.Meta(ge=1, le=600)] = 10


class Entra(msgspec.Struct, frozen=True, kw_only=True, tag="entra", tag_field="type", forbid_unknown_fields=True):
    """A token of Microsoft Entra ID, by client id and secret."""

    tenant: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]{1,100}$")]
    client: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]{1,100}$")]
    secret_file: Line
    scope: Line = SCOPE
    authority: Line = AUTHORITY


class Token(msgspec.Struct, frozen=True, kw_only=True, tag="token", tag_field="type", forbid_unknown_fields=True):
    """A token from a file in a header: ``Authorization: Bearer …``, with ``scheme: Splunk`` or ``ApiKey`` as these say.

    An empty ``scheme`` sends the token alone.
    """

    secret_file: Line
    header: HeaderName = "Authorization"
    scheme: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{0,32}$")] = "Bearer"


class Basic(msgspec.Struct, frozen=True, kw_only=True, tag="basic", tag_field="type", forbid_unknown_fields=True):
    """Name and password (RFC 7617)."""

    user: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f\x7f]+$")]
    password_file: Line


class HttpsTo(Events, frozen=True, kw_only=True, tag="https", tag_field="type"):
    """A POST of many events. ``answers: each`` reads Elasticsearch's answer for each record of a ``_bulk``."""

    url: Line
    reach: Reach = "private"
    ca: str | None = None
    login: Entra | Token | Basic | None = None
    headers: dict[HeaderName, Line] = {}
    compress: bool = False
    at_once: Annotated[int, msgspec.Meta(ge=1, le=5_000)] = 500
    largest: Annotated[int, msgspec.Meta(ge=10_000, le=20_000_000)] = 900_000
    answers: Literal["auto", "status", "each"] = "auto"


AnyTo = MailTo | WebhookTo | FileTo | SyslogTo | HttpsTo


class Destinations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. ``organisation`` and ``collector`` are what events say of where they come from."""

    destinations: Annotated[dict[Name, AnyTo], msgspec.Meta(max_length=50)] = {}
    organisation: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    collector: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]{1,253}$")] = "aimscope"
