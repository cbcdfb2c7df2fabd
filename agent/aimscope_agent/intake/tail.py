"""Follow logs: many files, rotated by renaming, by copying and truncating, compressed or not.

A follower looks at a folder, or at one log and what it is rotated to, and gives what is new as blocks of whole lines,
older files first. Each block comes with the place after it: whoever commits both together loses no line and counts
none twice. A file is known again by its inode or, under any name, by its content (`place.py`), so a line is read once
however often its file is renamed, copied or compressed.

What cannot be found is said: a log that was rotated away and deleted while nobody was following.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from aimscope_agent.intake.decompress import CompressionError
from aimscope_agent.intake.opened import Opened, Plain, open_content
from aimscope_agent.intake.place import HEAD, Place, begins, continues, digest, moved, reaches
from aimscope_agent.logs.work import LINK, leads_elsewhere
from aimscope_signatures.model import Gap, Status

BLOCK: Final = 1_048_576
"""Bytes of one block; a line that is longer is cut, and will not be readable."""
_AT_ONCE: Final = 16
"""Blocks of one file in one look, so that the others have their turn."""
MOST_FILES: Final = 10_000
_MOST_FOLDERS: Final = 1_000
_HELD: Final = 128
"""Files kept open, so that what is written to them after they were renamed or deleted is read too."""
_SETTLED: Final = 5.0
"""Seconds without a change after which a last line without a line break is taken as it is."""
_ROTATED = re.compile(r"[.\-_](?:\d{1,14}|\d{4}-\d\d-\d\d[T_.\d-]*|old|bak)(?:\.log)?(?:\.(?:gz|bz2|xz|zst))?\Z")
_Signature = tuple[int, int, int, int]


class Piece(msgspec.Struct, frozen=True):
    """Whole lines of a file. What is kept of the file goes under its number ``file``; ``place`` is behind the lines."""

    file: str
    path: str
    block: bytes
    first_line: int
    place: Place


class Follower:
    """Follows one log, or everything in a folder and the folders in it; links to folders are not followed."""

    def __init__(self, path: Path, places: Mapping[str, Place] | None = None, *, from_end: bool = False) -> None:
        """``places`` are those of an earlier run; ``from_end`` leaves out what is there at the first look."""
        self.path = path
        self.places: dict[str, Place] = dict(places or {})
        self.gaps: dict[str, Gap] = {}
        """What could not be looked at, by path; goes away when it can."""
        self._from_end = from_end
        self._first_look = True
        self._anew = not self.places
        self._number = max((int(name) for name in self.places), default=0)
        self._held: dict[str, Plain] = {}
        self._seen: dict[str, _Signature] = {}
        """Paths that were read to their end, as they were then."""
        self._changed: dict[str, tuple[_Signature, float]] = {}
        self._missing: dict[str, float] = {}
        """Files that were not found, and since when."""
        self._here: dict[str, str] = {}
        """Path → number of the file, as of the last look."""

    @property
    def present(self) -> frozenset[str]:
        """Numbers of the files that are there, as of the last look."""
        return frozenset(self._here.values())

    def missed(self, file: str) -> str:
        """Why the rest of a file will never be read; empty where nothing is known to be missing."""
        place = self.places[file]
        gap = self.gaps.get(f"{place.path}#{file}") or self.gaps.get(place.path)
        return gap.reason if gap is not None and gap.status is Status.PARTIAL and place.ended else ""

    def poll(self, now: float, clock: float = 0.0) -> Iterator[Piece]:
        """What was added since the last look. ``now`` is seconds that never run back, ``clock`` those since 1970.

        ``clock`` tells the first look which files have been left alone for long: whoever only looks once needs it.
        """
        listing = self._listing()
        for path in sorted(listing, key=lambda path: (listing[path].st_mtime_ns, path)):
            yield from self._look(path, listing[path], now, clock)
        self._here = {path: file for path, file in self._here.items() if path in listing}
        self._seen = {path: seen for path, seen in self._seen.items() if path in listing}
        self._changed = {path: changed for path, changed in self._changed.items() if path in listing}
        yield from self._gone(now)
        self._first_look = False
        self._prune()

    def close(self) -> None:
        """Let go of the files."""
        for held in self._held.values():
            held.close()
        self._held.clear()

    def _listing(self) -> dict[str, os.stat_result]:
        """Regular files to look at."""
        self.gaps = {about: gap for about, gap in self.gaps.items() if not about.endswith(os.sep)}
        found: dict[str, os.stat_result] = {}
        in_folder = self.path.is_dir()
        folders = [self.path if in_folder else self.path.parent]
        for folder in folders:  # grows on the way
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") if in_folder else not belongs(self.path, entry.name):
                            continue
                        if len(found) >= MOST_FILES or len(folders) > _MOST_FOLDERS:
                            reason = f"more than {MOST_FILES:,} files or {_MOST_FOLDERS:,} folders"
                            self._listed(self.path, Status.PARTIAL, reason)
                            return found
                        if in_folder and entry.is_dir(follow_symlinks=False):
                            folders.append(Path(entry.path))
                        elif in_folder and entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112 - never raises
                            self._linked(Path(entry.path))
                        elif (about := _regular(entry)) is not None:
                            found[entry.path] = about
            except FileNotFoundError as error:
                if folder in {self.path, self.path.parent}:
                    self._listed(folder, Status.FAILED, f"{error.strerror}")
            except OSError as error:
                denied = isinstance(error, PermissionError)
                self._listed(folder, Status.DENIED if denied else Status.FAILED, f"{error.strerror}")
        if not (in_folder or self.gaps.keys() & {f"{folders[0]}{os.sep}"} or str(self.path) in found):
            self._listed(self.path, Status.FAILED, _missing(self.path))
        return found

    def _listed(self, place: Path, status: Status, reason: str) -> None:
        """What was wrong in listing: it is looked at anew each time, so the gap lasts until the next."""
        self.gaps[f"{place}{os.sep}"] = Gap(str(place), status, reason)

    def _linked(self, link: Path) -> None:
        """A link to a folder is not followed. What lies in the folder that is followed is read without it."""
        if len(self.gaps) < MOST_FILES and leads_elsewhere(link, (Path(os.path.realpath(self.path)),)):
            self._listed(link, Status.PARTIAL, LINK)

    def _look(self, path: str, about: os.stat_result, now: float, clock: float) -> Iterator[Piece]:
        signature = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
        if self._seen.get(path) == signature:
            return
        changed = self._changed.get(path)
        if changed is None or changed[0] != signature:
            self._changed[path] = changed = (signature, now)
        try:
            content, about = open_content(Path(path))
        except (OSError, CompressionError) as error:
            self._unreadable(path, error, signature)
            return
        # a time in the future is one of a clock that was set back
        rest = abs(clock - about.st_mtime) if self._first_look and clock else now - changed[1]
        keep = False
        try:
            file = self._identify(path, about, content, still=rest >= 2 * _SETTLED)
            if file is None:
                return
            self._here[path] = file
            self._missing.pop(file, None)
            if (yield from self._advance(file, path, content, still=rest >= _SETTLED)):
                self._seen[path] = signature
            if content.whole:
                self.gaps.pop(path, None)
            else:
                self._gap(path, Status.PARTIAL, "the compressed file ends before its end")
            keep = self._hold(file, content)
        except (OSError, CompressionError) as error:
            self._unreadable(path, error, signature)
        finally:
            if not keep:
                content.close()

    def _identify(self, path: str, about: os.stat_result, content: Opened, *, still: bool) -> str | None:
        """The number of the file that this content belongs to, a new one for new content; ``None``: wait and see.

        What is named like a rotated log and is not known yet may be a copy that is just being made, or hold what a file
        we still have open has been rotated to: it is waited for, longer than for the rest of files that are gone.
        """
        same = (about.st_dev, about.st_ino)
        known = next((file for file, place in self.places.items() if (place.device, place.inode) == same), None)
        if known is not None:
            place = self.places[known]
            over = place.ended and content.compressed and place.head_size > 0
            if over and begins(place, content):  # to its end; it need not be decompressed again
                return known
            if over or not continues(place, content):  # truncated, or the inode is another file's now
                self._lose(known)
                known = None
        if known is None or not self.places[known].offset:  # where nothing was read yet the inode tells little
            known = self._by_content(content) or known
        if known is not None:  # perhaps under another name, copied, compressed, or come back
            place = self.places[known]
            left_out = place.ended and place.head_size > 0 and not place.offset
            self.places[known] = msgspec.structs.replace(
                place, path=path, device=about.st_dev, inode=about.st_ino, ended=left_out
            )
            return known
        new = self._first_look and self._anew
        if not (new or still) and path != str(self.path) and _ROTATED.search(path):
            return None
        self._number += 1
        file = str(self._number)
        place = Place(path, *same)
        if new and (self._from_end or not self._wanted(path)):
            place = _at_end(place, content)
        self.places[file] = place
        return file

    def _by_content(self, content: Opened) -> str | None:
        heads: dict[int, str] = {}
        for file, place in self.places.items():
            if (size := place.head_size) and size not in heads:
                heads[size] = digest(content.part(0, size))
            if size and heads[size] == place.head and reaches(place, content):
                return file
        return None

    def _lose(self, file: str) -> None:
        """What the file's inode leads to is something else."""
        if held := self._held.pop(file, None):
            held.close()
        self.places[file] = msgspec.structs.replace(self.places[file], inode=-1)

    def _wanted(self, path: str) -> bool:
        """Whether to read a file that was there before anything is known: of a folder all, of a log only itself."""
        return path == str(self.path) or self.path in Path(path).parents

    def _advance(self, file: str, path: str, content: Opened, *, still: bool) -> Generator[Piece, None, bool]:
        """Blocks of whole lines; returns whether the end was reached and nothing is left."""
        if self.places[file].ended and content.compressed:
            return True
        for _ in range(_AT_ONCE):
            place = self.places[file]
            data = content.part(place.offset, BLOCK)
            at_end = len(data) < BLOCK
            last = at_end and (still or (content.compressed and content.whole))
            # a line without an end: the last one, or one that is longer than any
            cut = len(data) if last or (not at_end and b"\n" not in data) else data.rfind(b"\n") + 1
            if cut:
                after = moved(place, content, data[:cut])
                if not content.compressed and not continues(place, content):  # truncated while it was read
                    return False
                self.places[file] = after
                # where a log was truncated under a program that does not append, there is nothing but NUL before it
                yield Piece(file, path, data[:cut].lstrip(b"\0"), place.line + 1, after)
            if at_end:
                if last and content.compressed:
                    self.places[file] = msgspec.structs.replace(self.places[file], ended=True)
                return cut == len(data)
        return False

    def _hold(self, file: str, content: Opened) -> bool:
        if not isinstance(content, Plain):
            return False
        if (known := self._held.pop(file, None)) is not None:
            known.close()
        while len(self._held) >= _HELD:
            self._held.pop(next(iter(self._held))).close()
        self._held[file] = content
        return True

    def _gone(self, now: float) -> Iterator[Piece]:
        """What is left of files that are no longer to be found. They stay known, should they come back."""
        here = set(self._here.values())
        for file, place in tuple(self.places.items()):
            if file in here or (place.ended and place.inode < 0):
                continue
            if now - self._missing.setdefault(file, now) < _SETTLED and not self._first_look:
                continue  # a listing made during a renaming may have missed it
            held = self._held.pop(file, None)
            if held is not None:
                yield from self._advance(file, place.path, held, still=True)
                held.close()
            elif self._first_look and not place.ended:
                reason = f"was rotated away and cannot be found: lines after {place.line:,} are not read"
                self.gaps[f"{place.path}#{file}"] = Gap(place.path, Status.PARTIAL, reason)
            self.places[file] = msgspec.structs.replace(self.places[file], ended=True, inode=-1)

    def _prune(self) -> None:
        """Forget what is gone and was read to its end, where there is much of it: the oldest first."""
        surplus = len(self.places) - MOST_FILES
        here = set(self._here.values())
        for file in [file for file, place in self.places.items() if place.ended and file not in here][
            : max(0, surplus)
        ]:
            del self.places[file]

    def _unreadable(self, path: str, error: OSError | CompressionError, signature: _Signature) -> None:
        denied = isinstance(error, PermissionError)
        status = Status.DENIED if denied else Status.FAILED
        if isinstance(error, OSError):
            self._gap(path, status, error.strerror or "cannot be read")
        else:
            self._gap(path, status, error.reason, error.remedy)
        if not denied:
            self._seen[path] = signature

    def _gap(self, path: str, status: Status, reason: str, remedy: str = "") -> None:
        if len(self.gaps) < MOST_FILES:
            self.gaps[path] = Gap(path, status, reason, remedy=remedy)


def belongs(log: Path, name: str) -> bool:
    """Whether a name is the log's own, or one it may be rotated to: `a.log.1.gz`, `a-20261123.log`."""
    if name == log.name:
        return True
    return any(name.startswith(start) and _ROTATED.match(name, len(start)) for start in {log.name, log.stem})


def _regular(entry: os.DirEntry[str]) -> os.stat_result | None:
    """What the system says of a file; nothing of what is none, or gone."""
    try:
        about = entry.stat()
    except OSError:
        return None
    return about if stat.S_ISREG(about.st_mode) else None


def _missing(path: Path) -> str:
    """Why there is nothing to follow under a name."""
    try:
        path.stat()
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return error.strerror or "cannot be looked at"
    return "is no file that could be followed"


def _at_end(place: Place, content: Opened) -> Place:
    """Behind everything that is there; a compressed file is not read for it."""
    if content.compressed:
        head = content.part(0, HEAD)
        return msgspec.structs.replace(place, ended=True, head=digest(head), head_size=len(head))
    while data := content.part(place.offset, BLOCK):
        cut = data.rfind(b"\n") + 1
        if len(data) == BLOCK:
            cut = cut or BLOCK
        if not cut:
            break
        place = moved(place, content, data[:cut])
    return place
