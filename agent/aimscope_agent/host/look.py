"""One sensor's view of a host: everything it asks, and the record of what could not be told."""

# ruff: noqa: D102 - the protocol in sensor.py documents these methods

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from aimscope_agent.host import archive as archives
from aimscope_agent.host import database, reading
from aimscope_agent.host.facts import Answer, Found, Platform, Process, Row, Socket, User
from aimscope_agent.host.gaps import MORE, Gaps
from aimscope_agent.host.machine import Host, Told
from aimscope_agent.host.tree import TooLargeError, clean
from aimscope_agent.host.walk import Walk, Walked
from aimscope_agent.mask import Mask, mask_of
from aimscope_agent.sensor import MEGABYTE, Options
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Coverage, Gap, Observation, Status, Value

T = TypeVar("T")

LONGEST_TEXT = 4_096
"""Characters of one field of an observation."""
_LONGEST_LIST = 1_000
_SEVERE = (Status.DENIED, Status.FAILED)
_MASKED = 2 * LONGEST_TEXT
"""Characters that are looked at for keys: one that is cut off at the end of a text is hidden, too."""


class HostLook:
    """The ``Look`` of ``sensor.py`` over a host, for one sensor and its globs."""

    def __init__(
        self,
        host: Host,
        *,
        wanted: Iterable[str] = (),
        walk: Walk,
        walked: Walked,
        interests: Interests,
        options: Options,
        now: int,
        digest_key: bytes = b"",
        clock: Callable[[], float] | None = None,
        seconds: float = 60.0,
    ) -> None:
        """``clock`` tells seconds that never run back; after ``seconds`` of them nothing more is looked at."""
        self._host = host
        self._tree = host.tree
        self._wanted = frozenset(wanted)
        self._walk = walk
        self._walked = walked
        self._interests = interests
        self._options = options
        self._now = now
        self._digest_key = digest_key
        self._mask = mask_of(interests.keys)
        self._clock = clock
        self._seconds = seconds
        self._deadline = clock() + seconds if clock else 0.0
        self._gaps = Gaps()
        self._counts: dict[str, int] = {}

    @property
    def platform(self) -> Platform:
        return self._host.platform

    @property
    def now(self) -> int:
        return self._now

    @property
    def interests(self) -> Interests:
        return self._interests

    @property
    def users(self) -> tuple[User, ...]:
        return self._tree.users

    @property
    def options(self) -> Options:
        return self._options

    # files

    def found(self, glob: str) -> Iterator[Found]:
        if glob not in self._wanted:
            raise LookupError(f"glob {glob!r} is not among those the sensor wants")
        anywhere = self._walked.found.get(glob)
        if anywhere is None:
            yield from self._in_time(self._walk.expand(glob, self._options.projects, self._gaps.note))
            return
        for gap in (*self._walked.gaps, *self._walked.glob_gaps.get(glob, ())):
            self._gaps.note(gap)
        yield from self._in_time(anywhere)

    def _in_time(self, found: Iterable[Found]) -> Iterator[Found]:
        for each in found:
            if self._late():
                return
            yield each

    def _late(self) -> bool:
        """Whether the time for this sensor is over: many files, each within bounds, may take days together."""
        if self._clock is None or self._clock() < self._deadline:
            return False
        self.gap("time", Status.PARTIAL, f"looked for {self._seconds:g} s only")
        return True

    def entries(self, folder: Found | str) -> tuple[Found, ...]:
        return self._file(folder, self._tree.entries) or ()

    def exists(self, host_path: str) -> bool:
        return self._file(host_path, self._tree.kind) is not None

    def at(self, host_path: str) -> Found:
        try:
            folder = self._tree.kind(host_path) == "folder"
        except OSError:
            folder = False
        return self._tree.found(host_path, folder)

    def size(self, file: Found | str) -> int | None:
        return self._file(file, self._tree.size)

    def head(self, file: Found | str, size: int = 65_536) -> bytes | None:
        return self._file(file, lambda path: self._tree.head(path, size))

    def part(self, file: Found | str, offset: int, size: int) -> bytes | None:
        return self._file(file, lambda path: self._tree.part(path, offset, size))

    def member(self, archive: Found | str, name: str, limit: int = MEGABYTE) -> bytes | None:
        def read(path: str) -> bytes:
            with self._tree.open(path) as file:
                return archives.member(file, name, limit)

        return self._file(archive, read)

    def text(self, file: Found | str, limit: int = MEGABYTE) -> str | None:
        return self._file(file, lambda path: reading.read_text(self._tree.read(path, limit)))

    def json(self, file: Found | str, limit: int = 4 * MEGABYTE) -> object | None:
        return self._file(file, lambda path: reading.read_json(self._tree.read(path, limit)))

    def yaml(self, file: Found | str, limit: int = MEGABYTE) -> object | None:
        return self._file(file, lambda path: reading.read_yaml(self._tree.read(path, limit)))

    def toml(self, file: Found | str, limit: int = MEGABYTE) -> Mapping[str, object] | None:
        return self._file(file, lambda path: reading.read_toml(self._tree.read(path, limit)))

    def plist(self, file: Found | str, limit: int = MEGABYTE) -> object | None:
        return self._file(file, lambda path: reading.read_plist(self._tree.read(path, limit)))

    def rows(self, file: Found | str, query: str) -> tuple[tuple[object, ...], ...] | None:
        told = self._file(file, lambda path: database.rows(self._tree, path, query))
        if told is None:
            return None
        result, left_out = told
        if left_out:
            self.gap(self._reported(file), Status.PARTIAL, left_out)
        return result

    def _file(self, file: Found | str, read: Callable[[str], T]) -> T | None:
        path = file.host_path if isinstance(file, Found) else self._tree.absolute(file)
        if self._late():
            return None
        try:
            return read(path)
        except (OSError, TooLargeError, reading.UnreadableError) as error:
            if gap := self._tree.gap(path, error):
                self._gaps.note(gap)
            return None

    def _reported(self, file: Found | str) -> str:
        return file.path if isinstance(file, Found) else self._tree.report(file)[0]

    # the running machine

    def processes(self) -> tuple[Process, ...]:
        return self._told(self._host.processes())

    def environment(self, pid: int) -> Iterable[tuple[str, str]]:
        return self._told(self._host.environment(pid))

    def sockets(self) -> tuple[Socket, ...]:
        return self._told(self._host.sockets())

    def dns_answers(self) -> Mapping[str, str]:
        return self._told(self._host.dns_answers())

    def registry(self, key: str) -> Iterator[Row]:
        yield from self._told(self._host.registry(key))

    def command(self, name: str) -> str | None:
        return self._told(self._host.command(name))

    def unix_http(self, socket: str, path: str) -> object | None:
        return self._told(self._host.unix_http(socket, path))

    def probe(self, port: int, path: str, accept: str = "*/*", address: str = "127.0.0.1") -> Answer | None:
        try:
            target = ipaddress.ip_address(address)
        except ValueError:
            return None
        if not target.is_loopback and not (self._options.probe_lan and target.is_private):
            self.gap("probes", Status.OFF, "servers beyond loopback are not asked", remedy="--probe-lan")
            return None
        if self._late():
            return None
        return self._told(self._host.probe(address, port, path, accept))

    def _told(self, told: Told[T]) -> T:
        for gap in told.gaps:
            self._gaps.note(gap)
        return told.value

    def digest(self, secret: str) -> str:
        if not self._digest_key:
            return ""  # without a key anybody could try values against it
        data = secret.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=16, key=self._digest_key).hexdigest()

    # results

    def gap(self, source: str, status: Status, reason: str, remedy: str = "") -> None:
        self._gaps.note(Gap(_short(source), status, _short(reason), remedy=remedy))

    def count(self, what: str, number: int = 1) -> None:
        self._counts[what] = self._counts.get(what, 0) + number

    def see(self, kind: str, at: Found | str = "", /, *, subject: str = "", **fields: Value | None) -> Observation:
        given = {name: value for name, value in fields.items() if value is not None and value not in ("", ())}
        kept = {name: _shown(value, self._mask) for name, value in given.items()}
        source, user = (at.path, at.user) if isinstance(at, Found) else (_short(at), "")
        return Observation(kind, kept, self._mask(source), self._mask(_short(subject or user)), self._now)

    def coverage(self, sensor: str, observed: int = 0) -> Coverage:
        """What this look came to. Places that could not be read make it partial; worse takes a whole source."""
        worst = self._gaps.worst()
        gaps = tuple(msgspec.structs.replace(gap, source=self._mask(gap.source)) for gap in self._gaps.told())
        only_places = all("/" in gap.source for gap in gaps if gap.status is worst and gap.source != MORE)
        seen = worst is Status.DENIED and observed
        status = Status.PARTIAL if worst in _SEVERE and (seen or only_places) else worst
        counts = {"observed": observed} if observed else {}
        return Coverage(sensor, status, gaps, counts | self._counts)


def _short(value: str) -> str:
    return clean(value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…")


def _shown(value: Value, mask: Mask) -> Value:
    """A value as it leaves the scan: bounded, and without the text of a key."""
    if isinstance(value, str):
        return _short(mask(value[:_MASKED]))
    if isinstance(value, tuple):
        return tuple(_short(mask(item[:_MASKED])) for item in value[:_LONGEST_LIST])
    return value
