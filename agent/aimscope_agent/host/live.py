"""The machine this process runs on. The clock, processes, sockets and commands are asked here and nowhere else."""

# ruff: noqa: D102 - the protocol in machine.py documents these methods

from __future__ import annotations

import functools
import ipaddress
import os
import platform
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil

from aimscope_agent.host import ask, reading, resolver
from aimscope_agent.host.commands import COMMANDS, MOST_OUTPUT, SEARCHED, Command
from aimscope_agent.host.facts import Answer, Platform, Process, Row, Socket, User
from aimscope_agent.host.machine import Told
from aimscope_agent.host.offline import users_from_homes
from aimscope_agent.host.tree import AS_ROOT, Tree, clean
from aimscope_signatures.model import Gap, Status

_PLATFORMS: dict[str, Platform] = {"linux": "linux", "darwin": "macos", "win32": "windows"}
_FULL_DISK_ACCESS = "grant Full Disk Access to the program that runs aimscope (System Settings, Privacy & Security)"
_UNIX_HTTP_SECONDS = 5.0
_UNIX_HTTP_BYTES = 16 * 1_048_576
_MOST_SUBKEYS = 20_000

_ASKS_THE_USER = (
    "Desktop",
    "Documents",
    "Downloads",
    "Music",
    "Pictures",
    "Movies",
    "Library/Application Support/AddressBook",
    "Library/Application Support/CallHistoryDB",
    "Library/Calendars",
    "Library/CloudStorage",
    "Library/Containers",
    "Library/Group Containers",
    "Library/Mail",
    "Library/Messages",
    "Library/Mobile Documents",
    "Library/Reminders",
    "Library/Safari",
)
"""Touching these on a Mac without Full Disk Access fails, or opens a window that asks whoever sits there."""


def now() -> int:
    """Seconds since 1970 UTC."""
    return int(time.time())


class LiveHost:
    """The machine this runs on. ``environ`` says where the calling user's home is.

    ``ValueError`` on a platform that is none of Linux, macOS and Windows.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        if sys.platform not in _PLATFORMS:
            raise ValueError(f"platform {sys.platform} is not supported")
        self.platform: Platform = _PLATFORMS[sys.platform]
        self.name = clean(platform.node())
        users = _users(self.platform, environ)
        self.tree = Tree(os.path.abspath(os.sep), self.platform, users, _guarded(self.platform, users))  # noqa: PTH100
        self._privileged = _is_privileged()
        self._remedy = "" if self._privileged else AS_ROOT[self.platform]
        self.tree.remedy = self._remedy

    @functools.cached_property
    def mounts(self) -> Mapping[str, str]:
        if self.platform == "windows":
            return {}
        return {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}

    # processes

    def processes(self) -> Told[tuple[Process, ...]]:
        return self._processes

    @functools.cached_property
    def _processes(self) -> Told[tuple[Process, ...]]:
        result: list[Process] = []
        closed = 0
        for each in psutil.process_iter(["name", "exe", "cmdline", "username", "ppid", "create_time"]):
            info = each.info
            closed += info["exe"] is None or info["cmdline"] is None
            result.append(
                Process(
                    each.pid,
                    info["name"] or "",
                    self._path(info["exe"] or ""),
                    tuple(info["cmdline"] or ()),
                    (info["username"] or "").rpartition("\\")[2],
                    info["ppid"] or 0,
                    int(info["create_time"] or 0),
                    env_denied=self.platform == "linux" and not os.access(f"/proc/{each.pid}/environ", os.R_OK),
                )
            )
        reason = "processes of others hide what they run"
        gaps = (Gap("processes", Status.DENIED, reason, closed, self._remedy),) if closed else ()
        return Told(tuple(result), gaps)

    def _path(self, path: str) -> str:
        return path.replace("\\", "/") if self.platform == "windows" else path

    def environment(self, pid: int) -> Told[tuple[tuple[str, str], ...]]:
        try:
            return Told(tuple(psutil.Process(pid).environ().items()))
        except psutil.AccessDenied:
            return Told((), (self._denied("environments"),))
        except (psutil.Error, OSError):
            return Told(())  # it has ended meanwhile, or is none of those that have any

    # network

    def sockets(self) -> Told[tuple[Socket, ...]]:
        return self._sockets

    @functools.cached_property
    def _sockets(self) -> Told[tuple[Socket, ...]]:
        try:
            found = list(_sockets_of(psutil.net_connections("tcp")))
        except psutil.AccessDenied:
            return self._own_sockets()
        orphans = sum(not each.pid for each in found)
        reason = "whose sockets these are is hidden"
        gaps = (Gap("sockets", Status.DENIED, reason, orphans, self._remedy),) if orphans else ()
        return Told(tuple(found), gaps)

    def _own_sockets(self) -> Told[tuple[Socket, ...]]:
        """An ordinary user of a Mac is told only about that user's processes."""
        found: list[Socket] = []
        for process in psutil.process_iter():
            try:
                found += _sockets_of(process.net_connections("tcp"), process.pid)
            except (psutil.Error, OSError):
                continue
        return Told(tuple(found), (self._denied("sockets"),))

    def dns_answers(self) -> Told[Mapping[str, str]]:
        return self._dns_answers

    @functools.cached_property
    def _dns_answers(self) -> Told[Mapping[str, str]]:
        none: Mapping[str, str] = {}
        if self.platform == "macos":
            return Told(none, (Gap("dns", Status.UNSUPPORTED, "the resolver does not tell its answers"),))
        text, gaps = self._run("dns", COMMANDS[f"dns-{self.platform}"])
        if text is None:
            return Told(none, gaps or (Gap("dns", Status.UNSUPPORTED, "no resolver with a cache that can be asked"),))
        try:
            if self.platform == "windows":
                return Told(resolver.windows_answers(text))
            return Told(resolver.systemd_answers(text, _boot_clock()))
        except ValueError:
            return Told(none, (Gap("dns", Status.FAILED, "the resolver's answer is not understood"),))

    def probe(self, address: str, port: int, path: str, accept: str) -> Told[Answer | None]:
        try:
            return Told(ask.get((address, port), path, accept=accept))
        except (OSError, OverflowError):
            return Told(None)  # it listens no more

    def unix_http(self, socket: str, path: str) -> Told[object | None]:
        if self.platform == "windows":
            return Told(None)
        try:
            if not stat.S_ISSOCK(os.stat(socket).st_mode):  # noqa: PTH116 - a plain path
                return Told(None)
            answer = ask.get(socket, path, seconds=_UNIX_HTTP_SECONDS, most=_UNIX_HTTP_BYTES)
        except PermissionError:
            return Told(None, (self._denied(socket),))
        except FileNotFoundError:
            return Told(None)
        except OSError:
            return Told(None, (Gap(socket, Status.FAILED, "nobody answers"),))
        if answer is None or answer.status != 200:
            return Told(None, (Gap(socket, Status.FAILED, "answers something else"),))
        try:
            return Told(reading.read_json(answer.body.encode("utf-8", "replace")))
        except reading.UnreadableError as error:
            return Told(None, (Gap(socket, Status.FAILED, str(error)),))

    # commands

    def command(self, name: str) -> Told[str | None]:
        return self._run("commands", COMMANDS[name])

    def _run(self, source: str, command: Command) -> Told[str | None]:
        program = self._find(command.argv[0])
        if self.platform not in command.platforms or program is None:
            return Told(None)
        if command.traces and not any(os.path.lexists(trace) for trace in command.traces):
            return Told(None)
        if command.privileged and not self._privileged:
            return Told(None, (self._denied(source),))
        kept = {name: os.environ[name] for name in ("SystemRoot", "windir", "TEMP", "TMP") if name in os.environ}
        environment = {**kept, "PATH": os.pathsep.join(SEARCHED[self.platform]), "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                [program, *command.argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=os.path.abspath(os.sep),  # noqa: PTH100
                timeout=command.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            reason = f"{command.argv[0]} took longer than {command.seconds:g} s"
            return Told(None, (Gap(source, Status.FAILED, reason),))
        except OSError:
            return Told(None, (Gap(source, Status.FAILED, f"{command.argv[0]} could not be run"),))
        if done.returncode != 0 or len(done.stdout) > MOST_OUTPUT:
            return Told(None, (Gap(source, Status.FAILED, f"{command.argv[0]} failed"),))
        return Told(done.stdout.decode("utf-8", "replace"))

    def _find(self, program: str) -> str | None:
        paths = (f"{folder}/{program}" for folder in SEARCHED[self.platform])
        return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)  # noqa: PTH113

    def _denied(self, source: str) -> Gap:
        return Gap(source, Status.DENIED, "may not be read", remedy=self._remedy)

    # the Windows registry

    def registry(self, key: str) -> Told[tuple[Row, ...]]:
        if sys.platform != "win32":
            return Told(())
        return _registry(key, self._denied("registry"))


def _sockets_of(connections: Iterable[object], pid: int = 0) -> Iterator[Socket]:
    for each in connections:
        local, remote, status, owner = (getattr(each, name, None) for name in ("laddr", "raddr", "status", "pid"))
        if not local:
            continue
        here = Socket(_plain(local[0]), local[1], pid or owner or 0)
        if status == psutil.CONN_LISTEN:
            yield here
        elif status == psutil.CONN_ESTABLISHED and remote:
            yield Socket(here.address, here.port, here.pid, _plain(remote[0]), remote[1])


def _boot_clock() -> int:
    """Microseconds on the clock of the local resolver."""
    if sys.platform == "linux":
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000
    return 0


def _plain(address: str) -> str:
    """An address without scope, and IPv4 as IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _is_privileged() -> bool:
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - only there

        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    return os.geteuid() == 0


def _users(system: Platform, environ: Mapping[str, str]) -> tuple[User, ...]:
    """Accounts of people: those with a home folder, wherever they are listed."""
    homes: dict[str, User] = {}
    own = environ.get("USERPROFILE" if system == "windows" else "HOME", "").replace("\\", "/").rstrip("/")
    if own:
        name = environ.get("USERNAME" if system == "windows" else "USER", "") or own.rpartition("/")[2]
        homes[own] = User(_own_name() or name, own)
    if sys.platform != "win32":
        import pwd  # noqa: PLC0415 - not on Windows

        first = 500 if system == "macos" else 1_000
        for entry in pwd.getpwall():
            home = entry.pw_dir.rstrip("/")
            person = entry.pw_uid == 0 or first <= entry.pw_uid < 65_000
            if person and entry.pw_name not in {user.name for user in homes.values()} and os.path.isdir(home):  # noqa: PTH112
                homes.setdefault(home, User(entry.pw_name, home))
    names = {user.name for user in homes.values()}
    for user in users_from_homes(Tree(os.path.abspath(os.sep), system)):  # noqa: PTH100
        if user.name not in names:
            homes.setdefault(user.home, user)
    return tuple(sorted(homes.values(), key=lambda user: user.home))


def _own_name() -> str:
    try:
        return psutil.Process().username().rpartition("\\")[2]
    except (psutil.Error, OSError, KeyError):
        return ""


def _guarded(system: Platform, users: tuple[User, ...]) -> dict[str, str]:
    """On a Mac without Full Disk Access: the folders not to touch, and what would open them."""
    if system != "macos" or _has_full_disk_access():
        return {}
    return {f"{user.home}/{folder}": _FULL_DISK_ACCESS for user in users for folder in _ASKS_THE_USER}


def _has_full_disk_access() -> bool:
    """Told by a file that fails without a window when access was not granted."""
    try:
        with Path("/Library/Application Support/com.apple.TCC/TCC.db").open("rb"):
            return True
    except OSError:
        return False


if sys.platform == "win32":
    import winreg

    _ROOTS = {
        "HKLM": winreg.HKEY_LOCAL_MACHINE,
        "HKCU": winreg.HKEY_CURRENT_USER,
        "HKU": winreg.HKEY_USERS,
        "HKCR": winreg.HKEY_CLASSES_ROOT,
    }
    _PROFILES = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"

    def _registry(key: str, denied: Gap) -> Told[tuple[Row, ...]]:
        root, _, path = key.strip("/").partition("/")
        if root == "HKU":
            user, _, rest = path.partition("/")
            path = f"{_sids().get(user.lower(), user)}/{rest}".rstrip("/")
        rows: list[Row] = []
        gaps: list[Gap] = []
        try:
            access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
            with winreg.OpenKey(_ROOTS[root], path.replace("/", "\\"), 0, access) as opened:
                for index in range(min(winreg.QueryInfoKey(opened)[0], _MOST_SUBKEYS)):
                    name = winreg.EnumKey(opened, index)
                    try:
                        rows.append(Row(name, _values(opened, name)))
                    except PermissionError:
                        gaps.append(denied)
                    except OSError:
                        continue
        except PermissionError:
            gaps.append(denied)
        except (OSError, KeyError):
            return Told((), _not_loaded(path)) if root == "HKU" else Told(())
        return Told(tuple(rows), tuple(gaps))

    def _not_loaded(path: str) -> tuple[Gap, ...]:
        """A gap if the settings of the user are not there at all: Windows loads them while somebody is logged on."""
        try:
            winreg.OpenKey(winreg.HKEY_USERS, path.partition("/")[0]).Close()
        except OSError:
            reason = "the registry of a user who is not logged on is not loaded"
            return (Gap("registry", Status.PARTIAL, reason, remedy="scan while they are logged on"),)
        return ()

    def _values(parent: winreg.HKEYType, name: str) -> dict[str, str]:
        values: dict[str, str] = {}
        with winreg.OpenKey(parent, name) as opened:
            for index in range(winreg.QueryInfoKey(opened)[1]):
                label, value, kind = winreg.EnumValue(opened, index)
                if kind in (winreg.REG_SZ, winreg.REG_EXPAND_SZ, winreg.REG_DWORD, winreg.REG_QWORD):
                    values[label] = str(value)[:4_096]
        return values

    def _sids() -> dict[str, str]:
        """Account name, as its profile folder is called → the key of its settings."""
        rows = _registry("HKLM/" + _PROFILES.replace("\\", "/"), Gap("registry", Status.DENIED, "")).value
        paths = {row.key: row.values.get("ProfileImagePath", "") for row in rows}
        return {path.rpartition("\\")[2].lower(): sid for sid, path in paths.items() if path}

else:

    def _registry(key: str, denied: Gap) -> Told[tuple[Row, ...]]:
        del key, denied
        return Told(())
