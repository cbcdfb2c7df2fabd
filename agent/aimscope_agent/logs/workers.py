"""Parts of logs read by several processes. What goes between them is msgpack: tasks down, progress and results up."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from aimscope_agent.formats._map import Map
from aimscope_agent.logs.reading import BLOCK, Inflate, Log, UnusableError
from aimscope_agent.logs.registry import ready
from aimscope_agent.logs.scanning import Part, Workshop
from aimscope_agent.logs.work import Task, run
from aimscope_agent.privacy import Curtain
from aimscope_signatures.catalogue import Catalogue

_STOP: Final = b""
_TOLD: Final = 8 * BLOCK
"""Bytes after which a process tells how far it is."""
_LOOK: Final = 0.2
"""Seconds between two looks at whether to stop."""
Tell = Callable[[int], None]
Stop = Callable[[], bool]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A part that could not be read, and why."""

    reason: str
    denied: bool = False


class Done(msgspec.Struct, frozen=True, tag=True):
    """A part that was read."""

    part: Part


class Read(msgspec.Struct, frozen=True, tag=True):
    """How many bytes more were read."""

    size: int


class Kit(msgspec.Struct, frozen=True):
    """What another process makes its own workshop of."""

    maps: tuple[Map, ...]
    catalogue: Catalogue
    curtain: Curtain | None
    inflate: Inflate
    search: bool

    def workshop(self) -> Workshop:
        """The formats and the catalogue, ready."""
        return Workshop(
            {form.name: ready(form) for form in self.maps}, self.catalogue, self.curtain, search=self.search
        )


def attempt(
    task: Task, workshop: Workshop, inflate: Inflate, go_on: Callable[[int], bool], log: Log | None = None
) -> Done | Failed:
    """Read a part; never raises for what is wrong with a file."""
    try:
        return Done(run(task, workshop, inflate, go_on, log))
    except OSError as error:
        return Failed(error.strerror or "cannot be read", isinstance(error, PermissionError))
    except UnusableError as error:
        return Failed(str(error))
    except Exception as error:
        if type(error).__name__ != "CompressionError":
            raise
        return Failed(str(error))


def in_turn(
    tasks: Sequence[Task], workshop: Workshop, inflate: Inflate, tell: Tell, stop: Stop
) -> Iterator[tuple[Task, Done | Failed]]:
    """Read the parts in this process, until told to stop."""

    def go_on(size: int) -> bool:
        tell(size)
        return not stop()

    for task in tasks:
        if stop():
            return
        yield task, attempt(task, workshop, inflate, go_on)


class Pool:
    """Processes that read parts. They start at once, before the caller has threads; ``results`` ends them."""

    def __init__(self, tasks: Sequence[Task], jobs: int, kit: Kit, workshop: Workshop) -> None:
        # a process that has threads must not be copied, and elsewhere it cannot
        copied = "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1
        context: Any = multiprocessing.get_context("fork" if copied else "spawn")
        self._waiting = deque(tasks)
        self._busy: dict[Any, Task] = {}
        self._processes: list[Any] = []
        for _ in range(min(jobs, len(tasks))):
            ours, theirs = context.Pipe()
            arguments = (theirs, workshop if copied else kit, kit.inflate)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._send(ours)

    def results(self, tell: Tell, stop: Stop) -> Iterator[tuple[Task, Done | Failed]]:
        """The parts as they are done, until told to stop."""
        told = False
        try:
            while self._busy:
                if not told and stop():
                    told = True
                    self._waiting.clear()
                    for each in self._busy:
                        with contextlib.suppress(OSError):
                            each.send_bytes(_STOP)
                for ready_line in multiprocessing.connection.wait(list(self._busy), timeout=_LOOK):
                    line: Any = ready_line
                    found = _receive(line)
                    if isinstance(found, Read):
                        tell(found.size)
                        continue
                    yield self._busy.pop(line), found
                    if self._waiting:
                        self._send(line)
                    else:
                        _dismiss(line)
        finally:
            for line in self._busy:
                _dismiss(line)
            for process in self._processes:
                process.join(timeout=5)
                if process.is_alive():
                    process.terminate()

    def _send(self, line: Any) -> None:
        task = self._busy[line] = self._waiting.popleft()
        with contextlib.suppress(OSError):  # a process that is gone is noticed when it is listened to
            line.send_bytes(msgspec.msgpack.encode(task))


def _dismiss(line: Any) -> None:
    """Nothing more to do. Said, because others may hold copies of the line, so that closing it ends nothing."""
    with contextlib.suppress(OSError):
        line.send_bytes(_STOP)
    line.close()


def _receive(line: Any) -> Done | Failed | Read:
    try:
        return msgspec.msgpack.decode(line.recv_bytes(), type=Done | Failed | Read)
    except (EOFError, OSError):
        return Failed("the process that read it ended")


def _serve(line: Any, kit: Kit | Workshop, inflate: Inflate) -> None:
    """What a process does: one part after the other, until nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked stops us
    workshop = kit.workshop() if isinstance(kit, Kit) else kit
    untold = 0

    def go_on(size: int) -> bool:
        nonlocal untold
        untold += size
        if untold >= _TOLD:
            line.send_bytes(msgspec.msgpack.encode(Read(untold)))
            untold = 0
        return not line.poll()

    with contextlib.suppress(EOFError, OSError):
        while message := line.recv_bytes():
            found = attempt(msgspec.msgpack.decode(message, type=Task), workshop, inflate, go_on)
            line.send_bytes(msgspec.msgpack.encode(Read(untold)))
            untold = 0
            line.send_bytes(msgspec.msgpack.encode(found))
