"""What a running process really is: its launch as resolved, and what tools make of their own titles."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from aimscope_agent.host.facts import Process, User
from aimscope_agent.launch import Launch, program, resolve
from aimscope_agent.launchers import script_at

_INTERPRETER = re.compile(
    r"(?:i?python|pypy|ruby|perl|php|lua)[\d.]*[wt]?|pyw?|node(?:js)?|bun|deno|electron|javaw?|dotnet", re.IGNORECASE
)
_BARE_WORD = re.compile(r"[A-Za-z][\w.:@+-]{0,63}")


def interpreter(name: str) -> bool:
    """Whether a program runs what others wrote: its own name then says nothing."""
    return _INTERPRETER.fullmatch(name) is not None


def running(process: Process) -> Launch:
    """What a process runs. What the platform does not tell leaves its name alone."""
    found = resolve(process.argv, process.exe)
    name = found.process or _plain(process.name)
    package = found.package
    if process.exe:
        if name == program(process.exe) and interpreter(name):
            name = _title(process.argv) or name
        if not (package or found.script or found.image):
            package = script_at(process.exe).package  # a binary that a package brought along
    return msgspec.structs.replace(found, process=name, package=package)


def shown(path: str, user: str, users: Iterable[User]) -> str:
    """A path as it is reported of a user's process: ``~`` stands for that user's home."""
    path = path.removesuffix(" (deleted)")
    if re.match(r"[A-Za-z]:\\", path):
        path = path.replace("\\", "/")
    for each in users:
        home = each.home.rstrip("/") + "/"
        if each.name == user and path.startswith(home):
            return "~/" + path[len(home) :]
    return path


def _title(argv: tuple[str, ...]) -> str:
    """The name a tool gave itself in place of its interpreter's: ``claude``, ``npm`` of ``npm exec x``."""
    words = argv[0].split(maxsplit=1) if argv else []
    called = words[0].rstrip(":") if words else ""
    return called if _BARE_WORD.fullmatch(called) and not interpreter(program(called)) else ""


def _plain(name: str) -> str:
    return name[:-4] if name.lower().endswith(".exe") else name
