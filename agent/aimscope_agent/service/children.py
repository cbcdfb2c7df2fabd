"""The agent's side of a child: started, listened to, looked after, ended."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Final

from aimscope_agent.service import frames
from aimscope_agent.service.frames import Begins, FromChild, Stop, Stored, Task
from aimscope_agent.watchdog import Guard, Limits

_COMMAND: Final = (sys.executable, "-P", "-m", "aimscope_agent.service.child")
ENDLESS: Final = frozenset({"logs", "traffic"})

Inbox = queue.SimpleQueue["Event"]
Event = tuple["Child | None", FromChild | str]
"""What a child says, or ``ended``; without a child what the system says: ``stop``, ``reload``."""


class Child:
    """A duty being done."""

    def __init__(self, task: Task, inbox: Inbox, *, monotonic: Callable[[], float]) -> None:
        """Raises ``OSError`` where no process can be started."""
        self.task = task
        self.broken = ""
        """What the child said before its end."""
        self._inbox = inbox
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # orphaned together: the system wakes a group that is held, and hangs up on it
            process_group=None if sys.platform == "win32" else 0,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise OSError("no pipe")
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        limits = task.config.limits
        endless = task.duty in ENDLESS
        bounds = Limits(limits.memory_mb) if endless else Limits(limits.memory_mb, limits.cpu_percent, limits.seconds)
        if task.duty == "network":  # its time is that of the networks, not of this machine
            bounds = Limits(limits.memory_mb, limits.cpu_percent)
        self.guard = Guard(self._process, bounds, monotonic=monotonic, endless=endless)
        self._reader = threading.Thread(target=self._read, name=f"child {task.duty}", daemon=True)
        with contextlib.suppress(OSError):  # its end is told by the reader
            frames.write(self._stdin, task)
        self.guard.start()
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process, which is the leader of a group of its own."""
        return self._process.pid

    def stored(self, error: str = "") -> None:
        """What the child wanted kept is kept, or is not."""
        self._say(Stored(error))

    def stop(self) -> None:
        """Ask the child to come to an end in good order."""
        self._say(Stop())

    def kill(self) -> None:
        """End the child at once."""
        self.guard.kill()

    def close(self) -> int:
        """Its exit status, once it has ended."""
        self.guard.over()
        for pipe in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        return self._process.wait()

    def _say(self, message: Stored | Stop) -> None:
        with contextlib.suppress(OSError, ValueError):
            frames.write(self._stdin, message)

    def _read(self) -> None:
        while True:
            try:
                message = frames.read_result(self._stdout)
            except (OSError, ValueError, frames.FrameError):
                message = None
                self.kill()
            if message is None:
                break
            if isinstance(message, Begins):
                self.guard.begins(message.step)
            else:
                self._inbox.put((self, message))
        self._inbox.put((self, "ended"))
