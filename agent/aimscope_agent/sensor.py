"""What a sensor is, and what it sees of a host.

A sensor is a module in ``sensors/`` that ends in ``SENSOR = Sensor(...)``. It declares the globs it
wants; the host walks once for all sensors; ``observe(look)`` yields observations. What could not be
looked at is noted as a gap by the look itself (a file too large, denied, torn) or by ``look.gap``.

Globs
    ``~/x`` below every user's home; ``/x`` absolute (``C:/`` is ``/`` on Windows); ``./x`` below the
    project roots given by the user; ``**/name`` anywhere in a walked place; a trailing ``/`` wants a
    folder. ``*`` stays within a name, ``**`` crosses folders, ``{a,b}`` alternates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, Protocol

import msgspec

from aimscope_agent.host.facts import Answer, Found, Platform, Process, Row, Socket, User
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Observation, Status, Value

EVERYWHERE: tuple[Platform, ...] = ("linux", "macos", "windows")
MEGABYTE = 1_048_576


class Look(Protocol):
    """One sensor's view of a host. Reading never raises: it notes a gap and returns ``None``."""

    @property
    def platform(self) -> Platform:
        """Which layout the machine has."""

    @property
    def now(self) -> int:
        """Seconds since 1970 UTC: the time of every observation of this look."""

    @property
    def interests(self) -> Interests:
        """What the catalogue asks for: paths, variable names, key patterns, ports."""

    @property
    def users(self) -> tuple[User, ...]:
        """Local accounts with a home."""

    @property
    def options(self) -> Options:
        """What the user allowed for this scan."""

    # files
    def found(self, glob: str) -> Iterator[Found]:
        """Everything that matched ``glob``, which the sensor must have declared; sorted by path."""

    def entries(self, folder: Found | str) -> tuple[Found, ...]:
        """What lies directly in a folder, sorted by name; symbolic links that leave the root are left out."""

    def exists(self, host_path: str) -> bool:
        """Whether there is something, as far as may be told."""

    def at(self, host_path: str) -> Found:
        """The path as it is reported, whether or not it exists."""

    def size(self, file: Found | str) -> int | None:
        """Bytes; ``None`` if it is no regular file."""

    def head(self, file: Found | str, size: int = 65_536) -> bytes | None:
        """The first bytes of a regular file, at most ``size``."""

    def part(self, file: Found | str, offset: int, size: int) -> bytes | None:
        """At most ``size`` bytes from ``offset`` on: empty where the file has none."""

    def member(self, archive: Found | str, name: str, limit: int = MEGABYTE) -> bytes | None:
        """One member of a zip or jar, without reading the rest; ``None`` also if it has none of that name."""

    def text(self, file: Found | str, limit: int = MEGABYTE) -> str | None:
        """Decoded as UTF-8 (BOM and UTF-16 understood, bad bytes replaced); larger than ``limit`` is a gap."""

    def json(self, file: Found | str, limit: int = 4 * MEGABYTE) -> object | None:
        """JSON, also with comments and trailing commas; depth bounded."""

    def yaml(self, file: Found | str, limit: int = MEGABYTE) -> object | None:
        """YAML without aliases; depth bounded."""

    def toml(self, file: Found | str, limit: int = MEGABYTE) -> Mapping[str, object] | None:
        """TOML."""

    def plist(self, file: Found | str, limit: int = MEGABYTE) -> object | None:
        """A property list, XML or binary, without entities; depth bounded."""

    def rows(self, file: Found | str, query: str) -> tuple[tuple[object, ...], ...] | None:
        """Rows of a SQLite database, opened read-only from a private copy; at most 100,000."""

    # the running machine
    def processes(self) -> tuple[Process, ...]:
        """Running processes."""

    def environment(self, pid: int) -> Iterable[tuple[str, str]]:
        """Variables of a process. Values must not outlive the call that reads them."""

    def sockets(self) -> tuple[Socket, ...]:
        """Listening and connected TCP sockets."""

    def dns_answers(self) -> Mapping[str, str]:
        """Address → name, from this machine's own resolver cache, unexpired answers only."""

    def registry(self, key: str) -> Iterator[Row]:
        """Direct subkeys of a Windows registry key such as ``HKLM/SOFTWARE/…/Uninstall`` with their values."""

    def command(self, name: str) -> str | None:
        """Output of one of the fixed read-only commands in ``host/commands.py`` (``rpm``, ``docker-images`` …)."""

    def unix_http(self, socket: str, path: str) -> object | None:
        """JSON answer to a GET over a local socket (the container engines' API)."""

    def probe(self, port: int, path: str, accept: str = "*/*", address: str = "127.0.0.1") -> Answer | None:
        """One read-only HTTP GET, short time-out, no redirects, no credentials; ``None`` if nobody speaks HTTP."""

    def digest(self, secret: str) -> str:
        """Keyed digest of a credential under a key drawn for this machine: tells two apart, no more."""

    # results
    def gap(self, source: str, status: Status, reason: str, remedy: str = "") -> None:
        """Note something that could not be looked at; ``remedy`` says what would help."""

    def count(self, what: str, number: int = 1) -> None:
        """Add to a counter of the coverage, such as ``files`` or ``processes``."""

    def see(self, kind: str, at: Found | str = "", /, *, subject: str = "", **fields: Value | None) -> Observation:
        """An observation made now; ``None`` and empty fields are left out. A ``Found`` gives source and subject."""


class Options(msgspec.Struct, frozen=True):
    """What the user allowed for this scan."""

    probe_lan: bool = False
    projects: tuple[str, ...] = ()
    organisation_domains: tuple[str, ...] = ()
    opt_in: frozenset[str] = frozenset()


class Sensor(msgspec.Struct, frozen=True):
    """A unit that observes one area of a machine."""

    name: str
    doc: str
    emits: tuple[str, ...]
    observe: Callable[[Look], Iterator[Observation]]
    wants: tuple[str, ...] = ()
    wants_of: Callable[[Interests], Iterable[str]] | None = None
    """Further globs, taken from the catalogue."""
    platforms: tuple[Platform, ...] = EVERYWHERE
    target: Literal["host", "code"] = "host"
    """What it looks at: a machine, or the project folders given to ``aimscope scan code``."""
    opt_in: bool = False
    privacy: str = ""
    """What it reads of people, in one sentence; required where ``opt_in``."""
