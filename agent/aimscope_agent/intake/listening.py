"""Syslog messages → totals: each sender's programs are logs of their own, told by what they write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from aimscope_agent.formats._engines import State
from aimscope_agent.formats._format import Format
from aimscope_agent.formats._syslog import stripped
from aimscope_agent.intake.syslog import Message, Syslog
from aimscope_agent.ledger import Ledger, LedgerError
from aimscope_agent.logs.pairing import IDLE, Held
from aimscope_agent.logs.recognition import recognise
from aimscope_agent.logs.scanning import Scan, Workshop
from aimscope_signatures.fold import Tally
from aimscope_signatures.model import Coverage, Gap, Sighting, Status

SENSOR: Final = "syslog"
_MOST_SENDERS = 1_000
_ENOUGH = 10
_MOST = 200
_LARGEST = 262_144
"""Messages, and their bytes, by which a format must be told."""
_PATIENCE = 5.0
_Sender = tuple[str, str, str]
"""Peer, host and program."""


class _Stream(msgspec.Struct):
    """What one program of one host sends."""

    form: Format | None = None
    state: State = State()
    waiting: list[bytes] = []
    since: float = 0.0
    tried: int = 0
    """How many messages waited when the format was last looked for in vain."""
    held: tuple[Held, ...] = ()
    read: float = 0.0
    given_up: bool = False


class SyslogWatch:
    """Reads what a listener takes, and keeps what it says of AI in a ledger.

    Syslog has no acknowledgement: what came in the seconds before a kill is lost.
    """

    def __init__(
        self, listener: Syslog, ledger: Ledger, workshop: Workshop, *, zone: str = "", form: Format | None = None
    ) -> None:
        self._listener = listener
        self._ledger = ledger
        self._workshop = workshop
        self._zone = zone
        self._form = form
        self._streams: dict[_Sender, _Stream] = {}
        self._tally = Tally("")
        self.counts: dict[str, int] = dict.fromkeys(("messages", "read", "unreadable", "observed"), 0)
        self.gaps: dict[_Sender | str, Gap] = {}

    def step(self, now: float, clock: int, *, timeout: float) -> tuple[Sighting, ...]:
        """Read and commit what has come; waits at most ``timeout`` seconds for something."""
        self._arrived(self._listener.take(timeout), now, clock)
        for sender, stream in self._streams.items():
            if stream.held and now - stream.read >= IDLE:
                self._read(sender, stream, [], clock)
            if len(stream.waiting) > stream.tried and now - stream.since >= _PATIENCE:
                self._tell(sender, stream, clock, last=True)
        return self._commit()

    def finish(self, clock: int) -> tuple[Sighting, ...]:
        """Listen no more; read what has come, and tell formats from what there is."""
        self._listener.close()
        self._arrived(self._listener.take(0), 0.0, clock)
        for sender, stream in self._streams.items():
            if stream.waiting:
                self._tell(sender, stream, clock, last=True)
            if stream.held:
                self._read(sender, stream, [], clock)
        return self._commit()

    def coverage(self) -> Coverage:
        """How well messages could be read."""
        counts = self._listener.counts
        found = list(self.gaps.values())
        lost = counts.dropped + self._listener.lost_by_system()
        for number, reason in (
            (lost, "messages over UDP were dropped: there was no room"),
            (counts.cut, "messages were longer than may be, and were cut"),
            (counts.refused, "connections were refused: too many at once"),
            (counts.broken, "connections broke off, or sent what is no syslog"),
        ):
            if number:
                found.append(Gap(SENSOR, Status.PARTIAL, reason, count=number))
        waiting = sum(len(stream.waiting) for stream in self._streams.values())
        if waiting:
            found.append(Gap(SENSOR, Status.PARTIAL, "messages of formats that are not known yet", count=waiting))
        return Coverage(SENSOR, Status.PARTIAL if found else Status.COMPLETE, tuple(found), dict(self.counts))

    def _arrived(self, messages: Iterable[Message], now: float, clock: int) -> None:
        lines: dict[_Sender, list[bytes]] = {}
        for message in messages:
            lines.setdefault(_sender(message), []).extend(_lines(message.data))
        for sender, new in lines.items():
            self._take(sender, new, now, clock)

    def _take(self, sender: _Sender, lines: list[bytes], now: float, clock: int) -> None:
        self.counts["messages"] += len(lines)
        stream = self._streams.get(sender)
        if stream is None:
            if len(self._streams) >= _MOST_SENDERS:
                reason = f"more than {_MOST_SENDERS:,} senders: what the others send is not read"
                self.gaps["senders"] = Gap(SENSOR, Status.PARTIAL, reason)
                return
            self._streams[sender] = stream = _Stream(self._form, since=now)
        if stream.given_up:
            return
        stream.read = now
        if stream.form is not None:
            self._read(sender, stream, lines, clock)
            return
        if not stream.waiting:
            stream.since = now
        stream.waiting += lines
        self._tell(sender, stream, clock, last=False)

    def _tell(self, sender: _Sender, stream: _Stream, clock: int, *, last: bool) -> None:
        if len(stream.waiting) < _ENOUGH and not last:
            return
        found = recognise(b"\n".join(stream.waiting[:_MOST]), self._workshop.formats.values())
        stream.form = found.format
        if stream.form is not None:
            lines, stream.waiting = stream.waiting, []
            self._read(sender, stream, lines, clock)
        elif len(stream.waiting) < _MOST and sum(map(len, stream.waiting)) < _LARGEST:
            stream.tried = len(stream.waiting)  # more may tell
        else:
            stream.given_up, stream.waiting = True, []
            self.gaps[sender] = Gap(
                _called(sender), Status.FAILED, found.reason(), remedy="--format NAME says what it is"
            )

    def _read(self, sender: _Sender, stream: _Stream, lines: list[bytes], clock: int) -> None:
        """Read lines; where there are none, count what waited for more."""
        if stream.form is None:
            return
        scan = Scan(stream.form, self._workshop, zone=self._zone, now=clock, state=stream.state, held=stream.held)
        if lines:
            scan.block(b"\n".join(lines) + b"\n")
        part = scan.result(hold=bool(lines))
        stream.state, stream.held = part.after, part.held
        for sighting in part.sightings:
            self._tally.merge(msgspec.structs.replace(sighting, sources=(f"syslog {_called(sender)}",)))
        for what in ("read", "unreadable", "observed"):
            self.counts[what] += getattr(part, what)
        if part.unreadable:
            before = self.gaps.get(sender)
            count = part.unreadable + (before.count if before else 0)
            self.gaps[sender] = Gap(_called(sender), Status.PARTIAL, "unreadable messages", count=count)

    def _commit(self) -> tuple[Sighting, ...]:
        new = self._tally.sightings()
        if not new:
            return ()
        try:
            self._ledger.commit(new, {})
        except LedgerError as error:
            self.gaps["ledger"] = Gap(str(self._ledger.path), Status.FAILED, str(error), remedy="make room on the disk")
            return ()
        self.gaps.pop("ledger", None)
        self._tally = Tally("")
        return new


def _lines(data: bytes) -> list[bytes]:
    """The lines of a message: one, but where it has no header. Squid sends several lines of its log in a datagram."""
    return [data.replace(b"\n", b" ")] if data.startswith(b"<") else data.splitlines()


def _called(sender: _Sender) -> str:
    return " ".join(part for part in sender if part)


def _sender(message: Message) -> _Sender:
    _, said = stripped(message.data[:512].decode("utf-8", "replace"))
    return message.peer, said.get("syslog.host", "")[:255], said.get("syslog.app", "")[:64]
