"""Reads an inventory somebody uploaded in a process of its own: whatever the file does to its reader, it does there.

``python -m aimscope_collector.parsing NAME`` is that process: bytes in, JSON out, limits set before the first byte.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import Final

import msgspec

from aimscope_collector.inventory.load import parse
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.problems import Loaded, Problem
from aimscope_collector.inventory.reader import MAX_BYTES

MEMORY: Final = 1 << 30
"""Bytes of address space."""
SECONDS: Final = 60
_MOST_ANSWER: Final = 8 * MAX_BYTES


class Limits(msgspec.Struct, frozen=True):
    """What reading one file may take."""

    seconds: int = SECONDS
    memory: int = MEMORY


def parse_apart(data: bytes, file: str, *, limits: Limits = Limits()) -> Loaded[Inventory]:  # noqa: B008  # frozen
    """As ``inventory.load.parse``, within limits; a file that breaks them is one that cannot be used."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "aimscope_collector.parsing",
        file,
        *map(str, msgspec.structs.astuple(limits)),
    ]
    try:
        done = subprocess.run(
            command, input=data[: MAX_BYTES + 1], capture_output=True, check=False, timeout=limits.seconds
        )
    except subprocess.TimeoutExpired:
        return _refused(file, f"Reading it took more than {limits.seconds} seconds.")
    if done.returncode != 0 or len(done.stdout) > _MOST_ANSWER:
        return _refused(file, "Reading it took more memory or time than a file may take.")
    return msgspec.json.decode(done.stdout, type=Loaded[Inventory])


def _refused(file: str, why: str) -> Loaded[Inventory]:
    problem = Problem(file=file, line=0, field="", message=why, advice="Make it smaller or simpler.")
    return Loaded(content=None, problems=(problem,))


def _limit(seconds: int, memory: int) -> None:
    """Where the system knows such limits; elsewhere the parent's patience is the only one."""
    with contextlib.suppress(ImportError):
        import resource  # noqa: PLC0415  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main() -> int:
    file, seconds, memory = sys.argv[1:4]
    _limit(int(seconds), int(memory))
    try:
        loaded = parse(sys.stdin.buffer.read(MAX_BYTES + 1), file)
        sys.stdout.buffer.write(msgspec.json.encode(loaded))
    except (MemoryError, RecursionError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
