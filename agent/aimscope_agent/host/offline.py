"""A host that does not run here: a mounted image, a container's root, a folder, a recorded machine."""

# ruff: noqa: D102 - the protocol in machine.py documents these methods

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from aimscope_agent.host.commands import COMMANDS
from aimscope_agent.host.facts import Answer, Platform, Process, Row, Socket, User
from aimscope_agent.host.machine import Told
from aimscope_agent.host.tree import Tree
from aimscope_signatures.model import Gap, Status

T = TypeVar("T")

_MOST_BYTES = 64 * 1_048_576
_NOBODYS_HOMES = frozenset({"Shared", "Public", "Default", "Default User", "All Users", "Guest", "lost+found"})


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``machine.json``: what of a machine is no file.

    Where ``users`` is absent they are told from the tree. Absent ``processes``, ``environments``, ``sockets``,
    ``dns`` or ``registry`` could not be asked; absent probes, commands and sockets of local servers gave no answer.
    A probe is ``"<port> <path>"``, its path ``*`` for the answer to all others; ``unix_http`` is ``"<socket> <path>"``.
    """

    platform: Platform
    now: int = 0
    hostname: str = ""
    users: tuple[User, ...] | None = None
    processes: tuple[Process, ...] | None = None
    environments: dict[str, dict[str, str]] | None = None
    sockets: tuple[Socket, ...] | None = None
    dns: dict[str, str] | None = None
    registry: dict[str, tuple[Row, ...]] | None = None
    probes: dict[str, Answer] = {}
    commands: dict[str, str] = {}
    unix_http: dict[str, object] = {}
    denied: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()


def read_machine(path: Path) -> Machine:
    """Read a ``machine.json``. ``ValueError`` names the file and the field that is wrong."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _MOST_BYTES:
                raise ValueError(f"{path}: larger than 64 MiB")
            data = file.read(size)
        return msgspec.json.decode(data, type=Machine)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


class OfflineHost:
    """A host below ``root``, with ``machine`` telling what is no file.

    Without ``machine`` the platform and the users are told from the tree, and everything else is unsupported.
    ``ValueError`` names what is wrong with either.
    """

    def __init__(self, root: Path, machine: Path | None = None) -> None:
        if not root.is_dir():
            raise ValueError(f"{root}: not a folder")
        self._machine = read_machine(machine) if machine else Machine(_platform_of(root))
        self._recorded = machine is not None
        self.platform: Platform = self._machine.platform
        self.name = self._machine.hostname
        self.now = self._machine.now
        self.tree = Tree(os.fspath(root), self.platform, self._users(root), dict.fromkeys(self._machine.denied, ""))
        self.mounts: Mapping[str, str] = {}

    def _users(self, root: Path) -> tuple[User, ...]:
        if self._machine.users is not None:
            return self._machine.users
        return users_from_homes(Tree(os.fspath(root), self.platform))

    def _given(self, name: str, value: T | None, empty: T) -> Told[T]:
        if value is None or name in self._machine.unsupported:
            return Told(empty, (_unsupported(name),))
        return Told(value)

    def processes(self) -> Told[tuple[Process, ...]]:
        return self._given("processes", self._machine.processes, ())

    def environment(self, pid: int) -> Told[tuple[tuple[str, str], ...]]:
        for process in self._machine.processes or ():
            if process.pid == pid and process.env_denied:
                return Told((), (Gap("environments", Status.DENIED, "may not be read", remedy=self.tree.remedy),))
        told = self._given("environments", self._machine.environments, {})
        return Told(tuple(told.value.get(str(pid), {}).items()), told.gaps)

    def sockets(self) -> Told[tuple[Socket, ...]]:
        return self._given("sockets", self._machine.sockets, ())

    def dns_answers(self) -> Told[Mapping[str, str]]:
        told = self._given("dns", self._machine.dns, {})
        return Told(told.value, told.gaps)

    def registry(self, key: str) -> Told[tuple[Row, ...]]:
        if self.platform != "windows":
            return Told(())
        told = self._given("registry", self._machine.registry, {})
        wanted = key.strip("/").lower()
        rows = [row for name, rows in told.value.items() if name.strip("/").lower() == wanted for row in rows]
        return Told(tuple(rows), told.gaps)

    def command(self, name: str) -> Told[str | None]:
        traces = COMMANDS[name].traces if not self._recorded and name in COMMANDS else ()
        return self._answer("commands", self._machine.commands.get(name), traces)

    def unix_http(self, socket: str, path: str) -> Told[object | None]:
        try:
            is_there = bool(self.tree.kind(socket))
        except PermissionError as error:
            return Told(None, (self.tree.gap(socket, error) or _unsupported(socket),))
        except OSError:
            is_there = False
        if (is_there and not self._recorded) or "unix_http" in self._machine.unsupported:
            return Told(None, (_unsupported(socket),))
        return Told(self._machine.unix_http.get(f"{socket} {path}"))

    def _answer(self, name: str, value: T | None, traces: Sequence[str]) -> Told[T | None]:
        """An answer, if there is one; it is missed only where the tree shows that there would have been one."""
        if name in self._machine.unsupported or any(self._is_there(trace) for trace in traces):
            return Told(None, (_unsupported(name),))
        return Told(value)

    def _is_there(self, host_path: str) -> bool:
        try:
            return bool(self.tree.kind(host_path))
        except OSError:
            return False

    def probe(self, address: str, port: int, path: str, accept: str) -> Told[Answer | None]:
        del address, accept
        probes = self._machine.probes
        return self._answer("probes", probes.get(f"{port} {path}", probes.get(f"{port} *")), ())


def _unsupported(name: str) -> Gap:
    return Gap(name, Status.UNSUPPORTED, "not recorded: only the running machine could tell")


def _platform_of(root: Path) -> Platform:
    """Which system a tree is of, by what each has and the others have not. ``Linux if in doubt."""
    if (root / "Windows" / "System32").is_dir() or (root / "Program Files").is_dir():
        return "windows"
    if (root / "System" / "Library").is_dir() or (root / "Applications").is_dir():
        return "macos"
    if (root / "Users").is_dir() and not (root / "etc").is_dir():
        return "macos" if any((home / "Library").is_dir() for home in (root / "Users").iterdir()) else "windows"
    return "linux"


def users_from_homes(tree: Tree) -> tuple[User, ...]:
    """Users by the folders they live in."""
    parents = {"linux": ("/home",), "macos": ("/Users",), "windows": ("C:/Users",)}[tree.platform]
    alone = {"linux": ("/root",), "macos": ("/var/root",), "windows": ()}[tree.platform]
    users: list[User] = []
    for parent in parents:
        try:
            found = tree.entries(parent)
        except OSError:
            continue
        for entry in found:
            name = entry.host_path.rpartition("/")[2]
            if entry.folder and name not in _NOBODYS_HOMES and not name.startswith("."):
                users.append(User(name, entry.host_path))
    for home in alone:
        try:
            if tree.kind(home) == "folder":
                users.append(User("root", home))
        except OSError:
            continue
    return tuple(users)
