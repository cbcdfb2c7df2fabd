"""The files of a host below a root: the live machine's ``/`` or an offline folder.

Host paths are what the machine itself would call a file; real paths are where this process finds it.
Nothing outside the root is ever opened: links are followed as the machine would, an absolute link
starts at the root again and ``..`` stops there. Only regular files are opened.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence
from typing import IO

from aimscope_agent.host.facts import Found, Platform, User
from aimscope_signatures.model import Gap, Status

_MOST_LINKS = 40
_DRIVE = "C:"
_SURROGATES = re.compile("[\ud800-\udfff]")
_RECALL_ON_READ = 0x0040_0000 | 0x0004_0000  # FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, …_ON_OPEN: kept in a cloud
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)

AS_ROOT: Mapping[Platform, str] = {
    "linux": "run as root",
    "macos": "run as root",
    "windows": "run as administrator",
}


class NotRegularError(OSError):
    """A FIFO, device, socket or folder where a file was expected."""


class InCloudError(OSError):
    """A file whose content is kept elsewhere: reading it would download it."""


class TooLargeError(Exception):
    """More than the reader takes: bytes of a file, unless ``reason`` says of what."""

    def __init__(self, limit: int, reason: str = "") -> None:
        self.limit = limit
        super().__init__(reason or f"larger than {in_words(limit)}")


class Tree:
    """Files of one host.

    ``root`` is a real folder; ``denied`` maps host paths that must not be touched to what would open them
    (recorded hosts, macOS privacy folders).
    """

    def __init__(
        self, root: str, platform: Platform, users: Sequence[User] = (), denied: Mapping[str, str] | None = None
    ) -> None:
        self.platform: Platform = platform
        self.root = os.path.realpath(root)
        self.live = self.root == os.path.realpath(os.sep)
        self.users = tuple(user for user in users if user.home.rstrip("/") not in ("", _DRIVE))
        self.denied = dict(denied or {})
        homes = [(user.home.rstrip("/"), user.name) for user in self.users]
        if platform == "windows":
            homes = [(home.lower(), name) for home, name in homes]
        self._homes = sorted(homes, key=lambda home: -len(home[0]))
        self.remedy = AS_ROOT[platform]

    # names

    def absolute(self, path: str) -> str:
        """A host path in its one form: no trailing slash, and on Windows a drive."""
        path = path.replace("\\", "/") if self.platform == "windows" else path
        if self.platform == "windows":
            path = _DRIVE + path if path.startswith("/") else path[:1].upper() + path[1:]
        return path.rstrip("/") or "/"

    def real(self, host_path: str) -> str:
        """Where a host path lies, links not followed."""
        if self.live:
            return host_path
        path = self.absolute(host_path)
        if self.platform == "windows":
            if path[:2].upper() != _DRIVE:
                raise FileNotFoundError(errno.ENOENT, "no such drive", path)
            path = path[2:]
        parts = [part for part in path.split("/") if part and part != "."]
        if ".." in parts:
            raise FileNotFoundError(errno.ENOENT, "path leaves its folder", path)
        return self.root.rstrip(os.sep) + "".join(os.sep + part for part in parts)

    def host(self, real: str) -> str:
        """The host path of a real path below the root."""
        if self.live:
            return real.replace("\\", "/") if self.platform == "windows" else real
        inside = real[len(self.root) :].replace(os.sep, "/")
        return (_DRIVE + inside) if self.platform == "windows" else (inside or "/")

    def report(self, host_path: str) -> tuple[str, str]:
        """How a path is reported, and whose home it lies in."""
        path = self.absolute(host_path)
        compared = path.lower() if self.platform == "windows" else path
        for home, name in self._homes:
            if within(compared, home):
                return clean("~" + path[len(home) :]), name
        return clean(path), ""

    def found(self, host_path: str, folder: bool = False) -> Found:
        """The path as it is reported."""
        path = self.absolute(host_path)
        reported, user = self.report(path)
        return Found(reported, path, user, folder)

    # looking

    def resolve(self, host_path: str) -> str:
        """The real path behind every link, below the root. ``OSError`` if there is none or it may not be read."""
        self._refuse(host_path)
        if self.live and not self.denied:
            return os.path.realpath(host_path, strict=True)
        return self._follow(host_path)

    def _follow(self, host_path: str) -> str:
        """Resolve step by step, as the machine itself would: its root is our root."""
        root = os.sep if self.live else self.root
        todo = self.real(host_path)[len(root) :].replace(os.sep, "/").split("/")[::-1]
        current, links = root.rstrip(os.sep), 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                current = current.rpartition(os.sep)[0] if len(current) > len(root.rstrip(os.sep)) else current
                continue
            path = current + os.sep + part
            self._refuse(self.host(path))
            if not stat.S_ISLNK(os.lstat(path).st_mode):
                current = path
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(path)  # noqa: PTH115 - plain strings: paths need not be UTF-8
            if target.startswith("/"):
                current = root.rstrip(os.sep)
            todo += target.split("/")[::-1]
        return current or os.sep

    def _refuse(self, host_path: str) -> None:
        for folder in self.denied:
            if within(host_path, folder):
                raise PermissionError(errno.EACCES, "may not be read", host_path)

    def _status(self, host_path: str) -> os.stat_result:
        if self.live and not self.denied:
            return os.stat(host_path)  # noqa: PTH116 - one call of the system instead of one for each folder
        return os.lstat(self.resolve(host_path))

    def folder(self, host_path: str) -> str:
        """The real path to list a folder by. ``OSError`` as for ``resolve``."""
        return host_path if self.live and not self.denied else self.resolve(host_path)

    def kind(self, host_path: str) -> str:
        """``file``, ``folder`` or ``other`` behind every link. ``OSError`` if there is none."""
        mode = self._status(host_path).st_mode
        return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"

    def entries(self, host_path: str) -> tuple[Found, ...]:
        """What lies directly in a folder, sorted by name; links that lead nowhere are left out."""
        path = self.absolute(host_path)
        here = path.rstrip("/") + "/"
        result: list[Found] = []
        with os.scandir(self.folder(path)) as entries:
            for entry in entries:
                if entry.is_symlink():
                    try:
                        folder = self.kind(here + entry.name) == "folder"
                    except OSError:
                        continue
                else:
                    folder = entry.is_dir(follow_symlinks=False)
                result.append(self.found(here + entry.name, folder))
        return tuple(sorted(result, key=lambda found: found.host_path))

    def open(self, host_path: str) -> IO[bytes]:
        """A regular file, opened for reading without waiting for anybody. ``OSError`` says why not."""
        real = self.resolve(host_path)
        before = os.lstat(real)
        if not stat.S_ISREG(before.st_mode):
            raise NotRegularError(errno.EINVAL, "not a regular file", host_path)
        if getattr(before, "st_file_attributes", 0) & _RECALL_ON_READ:
            raise InCloudError(errno.EINVAL, "kept in a cloud", host_path)
        descriptor = os.open(real, _OPEN_FLAGS)
        try:
            # Looked at again through the descriptor: the name may lead elsewhere by now.
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.fdopen(descriptor, "rb", buffering=0)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        raise NotRegularError(errno.EINVAL, "not a regular file", host_path)

    def size(self, host_path: str) -> int | None:
        """Bytes of a regular file; ``None`` for anything else that is there."""
        status = self._status(host_path)
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def head(self, host_path: str, size: int) -> bytes:
        """At most the first ``size`` bytes."""
        with self.open(host_path) as file:
            return _read(file, size)

    def part(self, host_path: str, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on; none where the file has none."""
        with self.open(host_path) as file:
            if not 0 <= offset < os.fstat(file.fileno()).st_size:
                return b""
            file.seek(offset)
            return _read(file, size)

    def read(self, host_path: str, limit: int) -> bytes:
        """All of a file; ``TooLargeError`` if that is more than ``limit`` bytes."""
        with self.open(host_path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise TooLargeError(limit)
            # A file of the kernel's says that it is empty, and any may grow meanwhile.
            data = _read(file, size + 1)
            if len(data) > size:
                data += _read(file, limit + 1 - len(data))
        if len(data) > limit:
            raise TooLargeError(limit)
        return data

    # failing

    def gap(self, host_path: str, error: Exception) -> Gap | None:
        """What a failure to look means; ``None`` where there simply is nothing."""
        source = self.report(host_path)[0]
        match error:
            case FileNotFoundError() | NotADirectoryError():
                return None
            case PermissionError():
                return self._denied(host_path)
            case TooLargeError():
                return Gap(source, Status.PARTIAL, str(error))
            case NotRegularError():
                return Gap(source, Status.PARTIAL, "not a regular file")
            case InCloudError():
                return Gap(source, Status.PARTIAL, "kept in a cloud, not on this machine")
            case OSError(errno=errno.ELOOP):
                return Gap(source, Status.FAILED, "links in a circle")
            case OSError():
                return Gap(source, Status.FAILED, (error.strerror or "cannot be read").lower())
            case _:
                return Gap(source, Status.FAILED, str(error) or type(error).__name__)

    def _denied(self, host_path: str) -> Gap:
        """Blame the folder that refuses, so that a closed home is one gap and not one for each file in it."""
        for folder, remedy in self.denied.items():
            if within(host_path, folder):
                return Gap(self._place(folder), Status.DENIED, "may not be read", remedy=remedy or self.remedy)
        path = self.absolute(host_path)
        while (parent := path.rpartition("/")[0]) and not self._visible(path):
            path = parent
        return Gap(self._place(path), Status.DENIED, "may not be read", remedy=self.remedy)

    def _place(self, host_path: str) -> str:
        """A home is named in full: ``~`` alone would not say whose."""
        reported = self.report(host_path)[0]
        return clean(host_path) if reported == "~" else reported

    def _visible(self, host_path: str) -> bool:
        try:
            os.lstat(self.real(host_path))
        except OSError:
            return False
        return True


def _read(file: IO[bytes], size: int) -> bytes:
    """Up to ``size`` bytes of an unbuffered file, which may give them piecemeal."""
    pieces: list[bytes] = []
    while size > 0 and (piece := file.read(min(size, 1 << 20))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies below it."""
    return path.startswith(folder) and (len(path) == len(folder) or path[len(folder)] == "/")


def in_words(size: int) -> str:
    """A number of bytes for people."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"


def clean(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a name that are none become ``\N{REPLACEMENT CHARACTER}``."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)
