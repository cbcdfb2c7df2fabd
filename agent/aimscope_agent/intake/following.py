"""Followed logs → totals: each look's lines and the places behind them go into the ledger together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from aimscope_agent.formats._engines import State
from aimscope_agent.formats._format import Format
from aimscope_agent.formats.dnstap import CONTENT
from aimscope_agent.host.gaps import Gaps
from aimscope_agent.intake.place import Place
from aimscope_agent.intake.tail import Follower, Piece
from aimscope_agent.ledger import Ledger, LedgerError
from aimscope_agent.logs.pairing import IDLE, Held
from aimscope_agent.logs.recognition import recognise
from aimscope_agent.logs.reporting import READABLE
from aimscope_agent.logs.scanning import Part, Scan, Workshop
from aimscope_signatures.fold import Tally
from aimscope_signatures.model import Coverage, Gap, Sighting, Status

SENSOR: Final = "logs"
EMITS: Final = ("dns.query", "tls.client_hello", "http.request", "connection", "cloud.call")
_UNKNOWN_YET: Final = "its format is not known yet"
_ENOUGH_LINES = 10
_PATIENCE = 5.0
"""Seconds for which a log of few lines is waited for before its format is told from them."""
_LARGEST_HEAD = 65_536
_AT_ONCE = 64 * 1_048_576
"""Bytes of one step, about: what was read longer ago is safe."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the ledger keeps of a file. ``format`` is empty where nobody knows it."""

    place: Place
    format: str = ""
    state: State = State()
    held: tuple[Held, ...] = ()
    """Questions that lines to come may tell more of: they are in no total yet."""
    lines: int = 0
    torn: int = 0
    """Lines that could not be read, in this run and those before: the totals lack what they say."""
    first_torn: str = ""
    strange: str = ""
    """Why some of it was not read: nobody knew its format."""
    missed: str = ""
    """Why the rest of it was not read; it is over if it comes back."""


class _Log(msgspec.Struct):
    """A file being followed: its format once it is known, and until then what was read of it."""

    form: Format | None = None
    state: State = State()
    waiting: list[Piece] = []
    since: float = 0.0
    tried: int = 0
    """How much waited when the format was last looked for in vain."""
    held: tuple[Held, ...] = ()
    read: float = 0.0
    """When a line of it was last read."""
    given_up: str = ""
    """Why it is not read."""


class LogWatch:
    """Follows logs and folders, and keeps what they say of AI in a ledger."""

    def __init__(
        self,
        paths: Sequence[Path],
        ledger: Ledger,
        workshop: Workshop,
        *,
        zone: str = "",
        form: Format | None = None,
        from_end: bool = False,
    ) -> None:
        """``form`` is the format of all logs where it need not be told from them; ``from_end`` skips what is there.

        Raises ``LedgerError``.
        """
        self._ledger = ledger
        self._workshop = workshop
        self._zone = zone
        self._form = form
        try:
            self._kept = {name: msgspec.msgpack.decode(data, type=Kept) for name, data in ledger.places().items()}
        except msgspec.DecodeError:
            raise LedgerError(f"{ledger.path} holds places of logs that cannot be read") from None
        self._followers = {path: self._follower(path, from_end=from_end) for path in paths}
        self._logs: dict[str, _Log] = {
            name: _Log(self._form_of(kept), kept.state, held=kept.held)
            for name, kept in self._kept.items()
            if kept.held
        }
        self._moves: dict[str, Kept] = {}
        self._tally = Tally("")
        self.counts: dict[str, int] = dict.fromkeys(("lines", "read", "unreadable", "observed"), 0)
        self.gaps: dict[str, Gap] = {}
        self.behind = False
        """Whether the last step read something: there may be more."""

    def step(self, now: float, clock: int, *, stop: Callable[[], bool] = lambda: False) -> tuple[Sighting, ...]:
        """Read what is new and commit it; what it says. ``now`` never runs back, ``clock`` is seconds since 1970.

        Where the ledger cannot be written nothing is lost: it is tried again with the next step, and is a gap until
        then.
        """
        taken = 0
        for path, follower in self._followers.items():
            for piece in follower.poll(now, clock):
                taken += len(piece.block)
                self._take(f"{path}#{piece.file}", piece, now, clock)
                if stop() or taken >= _AT_ONCE:
                    break
        self.behind = taken > 0
        for name, log in self._logs.items():
            if log.held and now - log.read >= IDLE:
                self._settle(name, log, clock)
            if len(log.waiting) > log.tried and now - log.since >= _PATIENCE:
                self._tell(name, log, clock, last=True)
        return self._commit()

    def finish(self, clock: int) -> tuple[Sighting, ...]:
        """Tell formats from what there is, for there will be no more; what that says."""
        for name, log in self._logs.items():
            if log.waiting:
                self._tell(name, log, clock, last=True)
            if log.held:
                self._settle(name, log, clock)
        return self._commit()

    def close(self) -> None:
        """Let go of the logs."""
        for follower in self._followers.values():
            follower.close()

    def coverage(self) -> Coverage:
        """How well all that is kept could be read, also in runs before this one; the counts are of this run."""
        gaps = Gaps()
        failed = self._mostly_torn()
        for follower in self._followers.values():
            for gap in follower.gaps.values():
                gaps.note(gap)
        for gap in self.gaps.values():
            gaps.note(gap)
        for log in self._logs.values():
            if log.waiting:
                gaps.note(Gap(log.waiting[0].path, Status.PARTIAL, _UNKNOWN_YET))
        for name, kept in self._all().items():
            for reason in (kept.strange if name not in self.gaps else "", kept.missed):
                if reason:
                    gaps.note(Gap(kept.place.path, Status.PARTIAL, reason))
            if kept.torn:
                reason = f"unreadable lines, the first: {kept.first_torn}"
                status = Status.FAILED if name in failed else Status.PARTIAL
                gaps.note(Gap(kept.place.path, status, reason, count=kept.torn))
        told = gaps.told()
        status = Status.FAILED if failed else Status.PARTIAL if told else Status.COMPLETE
        return Coverage(SENSOR, status, told, dict(self.counts))

    def failed(self) -> tuple[str, ...]:
        """The logs among those that are followed of which hardly a line could be read."""
        return tuple(dict.fromkeys(kept.place.path for kept in self._mostly_torn().values()))

    def unread(self) -> tuple[str, ...]:
        """The logs that were named themselves and are not there, may not be read or are in no known format."""
        found = []
        for path, follower in self._followers.items():
            if path.is_dir():
                continue
            lost = any(gap.status in {Status.DENIED, Status.FAILED} for gap in follower.gaps.values())
            strange = any(
                log.given_up or log.waiting
                for name, log in self._logs.items()
                if name.startswith(f"{path}#") and name.removeprefix(f"{path}#") in follower.present
            )
            if lost or strange:
                found.append(str(path))
        return tuple(found)

    def _mostly_torn(self) -> dict[str, Kept]:
        present = {f"{path}#{file}" for path, follower in self._followers.items() for file in follower.present}
        return {
            name: kept
            for name, kept in self._all().items()
            if name in present and kept.torn > kept.lines * (1 - READABLE)
        }

    def _all(self) -> dict[str, Kept]:
        return {**self._kept, **self._moves}

    def _follower(self, path: Path, *, from_end: bool) -> Follower:
        known = {file: self._kept[name].place for name, file in self._own(path)}
        return Follower(path, known, from_end=from_end)

    def _take(self, name: str, piece: Piece, now: float, clock: int) -> None:
        log = self._logs.get(name)
        if log is None:
            kept = self._kept.get(name)
            form = self._form_of(kept) if kept else self._form
            self._logs[name] = log = _Log(form, kept.state if kept else State(), since=now)
        log.read = now
        if piece.first_line == 1 and piece.block.startswith(_UTF16):
            self._give_up(name, log, piece, "UTF-16 is not followed; `aimscope scan logs` reads it")
        if piece.first_line == 1 and CONTENT in piece.block[:64]:
            self._give_up(name, log, piece, "dnstap is not followed; `aimscope scan logs` reads it")
        if log.form is not None or log.given_up:
            self._read(name, log, [piece], clock)
            return
        if not log.waiting:
            log.since = now
        log.waiting.append(piece)
        self._tell(name, log, clock, last=False)

    def _form_of(self, kept: Kept) -> Format | None:
        return self._form or self._workshop.formats.get(kept.format)

    def _tell(self, name: str, log: _Log, clock: int, *, last: bool) -> None:
        """Tell the format from what there is, if that is enough."""
        head = b"".join(piece.block for piece in log.waiting)
        if not last and head.count(b"\n") < _ENOUGH_LINES and len(head) < _LARGEST_HEAD:
            return
        found = recognise(head[:_LARGEST_HEAD], self._workshop.formats.values())
        log.form = found.format
        if log.form is None:
            if len(head) < _LARGEST_HEAD:
                log.tried = len(log.waiting)
                return  # more lines may tell; until then nothing of it is committed
            self._give_up(name, log, log.waiting[0], found.reason())
        pieces, log.waiting = log.waiting, []
        self._read(name, log, pieces, clock)

    def _give_up(self, name: str, log: _Log, piece: Piece, reason: str) -> None:
        log.given_up = reason
        self.gaps[name] = Gap(piece.path, Status.FAILED, reason, remedy="--format NAME says what it is")

    def _read(self, name: str, log: _Log, pieces: Iterable[Piece], clock: int) -> None:
        for piece in pieces:
            part = Part()
            if log.form is not None and not log.given_up:
                part = self._scanned(log, log.form, piece, clock)
                if part.unreadable and part.sampled < part.lines:  # a sample: how many they are, and which, all tell
                    part = self._scanned(log, log.form, piece, clock, search=False)
                log.state = part.after
                log.held = tuple(msgspec.structs.replace(one, place=_place(one.place, piece)) for one in part.held)
                for what in self.counts:
                    self.counts[what] += getattr(part, what)
                for sighting in _placed(part, piece):
                    self._tally.merge(sighting)
            before = self._moves.get(name) or self._kept.get(name) or Kept(piece.place)
            self._moves[name] = msgspec.structs.replace(
                before,
                place=piece.place,
                format=log.form.name if log.form else "",
                state=log.state,
                held=log.held,
                lines=before.lines + part.lines,
                torn=before.torn + part.unreadable,
                first_torn=before.first_torn or _numbers(part, piece),
                strange=before.strange or log.given_up,
                missed="",
            )

    def _scanned(self, log: _Log, form: Format, piece: Piece, clock: int, *, search: bool = True) -> Part:
        held = [msgspec.structs.replace(one, told=list(one.told)) for one in log.held]
        scan = Scan(form, self._workshop, zone=self._zone, now=clock, state=log.state, held=held, search=search)
        scan.block(piece.block)
        return scan.result(hold=True)

    def _settle(self, name: str, log: _Log, clock: int) -> None:
        """Count what waited for lines that have not come."""
        held, log.held = log.held, ()
        if log.form is not None:
            part = Scan(log.form, self._workshop, zone=self._zone, now=clock, held=held).result()
            self.counts["observed"] += part.observed
            for sighting in part.sightings:
                self._tally.merge(sighting)
        kept = self._moves.get(name) or self._kept.get(name)
        if kept is not None:
            self._moves[name] = msgspec.structs.replace(kept, held=())

    def _commit(self) -> tuple[Sighting, ...]:
        new = self._tally.sightings()
        self._moves |= dict(self._other_moves())
        moves: dict[str, bytes | None] = {name: msgspec.msgpack.encode(kept) for name, kept in self._moves.items()}
        moves |= dict.fromkeys(self._forgotten())
        if not new and not moves:
            return ()
        try:
            self._ledger.commit(new, moves)
        except LedgerError as error:
            self.gaps["ledger"] = Gap(
                str(self._ledger.path), Status.FAILED, str(error), remedy="free space on the disk"
            )
            return ()
        self.gaps.pop("ledger", None)
        self._kept.update(self._moves)
        for name in moves.keys() - self._moves.keys():
            self._kept.pop(name, None)
            self._logs.pop(name, None)
        self._moves = {}
        self._tally = Tally("")
        return new

    def _other_moves(self) -> Iterator[tuple[str, Kept]]:
        """Places that changed without a line: of files that were skipped, renamed, or have come to their end."""
        for path, follower in self._followers.items():
            for file, place in follower.places.items():
                name = f"{path}#{file}"
                kept = known = self._moves.get(name) or self._kept.get(name)
                log = self._logs.get(name)
                if name in self._moves:
                    pass
                elif log is None or not log.waiting:
                    kept = msgspec.structs.replace(kept or Kept(place), place=place)
                elif kept is None:  # that it is there, and nothing of it is read yet
                    kept = Kept(Place(place.path, place.device, place.inode))
                if kept is not None and (missed := follower.missed(file)):
                    kept = msgspec.structs.replace(kept, missed=missed)
                elif kept is not None and kept.missed and file in follower.present and not place.ended:
                    kept = msgspec.structs.replace(kept, missed="")
                if kept is not None and kept != known:
                    yield name, kept

    def _forgotten(self) -> Iterator[str]:
        """Files the followers no longer know."""
        for path, follower in self._followers.items():
            for name, file in self._own(path):
                if file not in follower.places:
                    yield name

    def _own(self, path: Path) -> Iterator[tuple[str, str]]:
        """What the ledger keeps of a log: the names, and the numbers of the files."""
        start = f"{path}#"
        for name in self._kept:
            if name.startswith(start) and (file := name.removeprefix(start)).isdigit():
                yield name, file


def _placed(part: Part, piece: Piece) -> Iterator[Sighting]:
    """Sightings with the lines they are from, as a person would look for them."""
    for sighting in part.sightings:
        sources = tuple(_place(source, piece) for source in sighting.sources)
        yield msgspec.structs.replace(sighting, sources=sources)


def _numbers(part: Part, piece: Piece) -> str:
    """The first lines that could not be read, counted from the beginning of the file."""
    return ", ".join(f"{number + piece.first_line - 1:,}" for number in part.quarantine)


def _place(source: str, piece: Piece) -> str:
    """A line of a piece, as a person would look for it; what is told so already, as it is."""
    return f"{piece.path}:{int(source) + piece.first_line - 1}" if source.isdigit() else source
