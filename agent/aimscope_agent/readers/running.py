"""What a running process really is, and how its paths are reported."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from aimscope_agent.host.facts import Process, User
from aimscope_agent.launch import Launch, resolve


def running(process: Process) -> Launch:
    """What a process runs. What the platform does not tell leaves its name alone."""
    words = len(process.argv)
    while words and not process.argv[words - 1]:
        words -= 1  # a process that renamed itself leaves the rest of its old arguments empty
    found = resolve(process.argv[:words], process.exe)
    if found.process:
        return found
    name = process.name
    return msgspec.structs.replace(found, process=name[:-4] if name.lower().endswith(".exe") else name)


def shown(path: str, user: str, users: Iterable[User]) -> str:
    """A path as it is reported of a user's process: ``~`` stands for that user's home."""
    path = path.removesuffix(" (deleted)")
    if path[1:3] == ":\\":
        path = path.replace("\\", "/")
    for each in users:
        home = each.home.rstrip("/") + "/"
        if each.name == user and path.startswith(home):
            return "~/" + path[len(home) :]
    return path
