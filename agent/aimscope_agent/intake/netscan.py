"""Connect scan: which ports of which addresses are open, at a bounded rate, with a bounded number of sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from aimscope_agent.servers.order import order
from aimscope_agent.servers.targets import Targets

PER_HOST: Final = 8
"""Connections to one address at once, at most."""
_TICK = 0.004
_MOST_DEFERRED = 20_000
_MOST_STARVED = 500
"""Ticks to wait for a socket where none of our own is open."""
_SPARE_FILES = 96
"""Descriptors left to the interpreter, to files and to probes that speak."""
_FEWEST_FILES = 160

_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, 10035})
_CLOSED = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, 10061, 10054})
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, 10065, 10051})
_FILTERED = frozenset({errno.ETIMEDOUT, 10060})
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Limits(msgspec.Struct, frozen=True):
    """``per_second`` and ``at_once`` count connections; ``timeout`` is seconds to wait for one."""

    per_second: int = 4_000
    at_once: int = 1_000
    timeout: float = 0.5


def fitted(limits: Limits) -> tuple[Limits, str]:
    """The limits that this process can keep, and a sentence where that is less than was asked for.

    Raises the process's own limit of open files as far as it may. ``OSError`` if hardly any file can be opened.
    """
    wanted = limits.at_once + _SPARE_FILES
    have = _open_files(wanted)
    if have >= wanted:
        return limits, ""
    if have < _FEWEST_FILES:
        raise OSError(f"only {have} files may be open at once: raise the limit (ulimit -n) to at least {_FEWEST_FILES}")
    fewer = have - _SPARE_FILES
    said = f"Only {fewer} connections at once instead of {limits.at_once}: {have} files may be open (ulimit -n)."
    return msgspec.structs.replace(limits, at_once=fewer), said


def _open_files(wanted: int) -> int:
    """How many files this process may have open, after asking for as many as are wanted."""
    if sys.platform == "win32":
        return 512  # what select() takes there
    import resource  # noqa: PLC0415 - Unix only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if more > soft:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
                soft = more
    return soft


class Pace:
    """A bucket of connections that fills at ``per_second``."""

    def __init__(self, per_second: int) -> None:
        self._rate = per_second
        self._most = max(1.0, per_second * 0.02)
        self._left = 1.0
        self._last = -1.0

    def take(self, now: float) -> bool:
        """Whether one more may be opened now; it then counts."""
        if self._last >= 0:
            self._left = min(self._most, self._left + (now - self._last) * self._rate)
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    async def turn(self) -> None:
        """Wait until one more may be opened."""
        loop = asyncio.get_running_loop()
        while not self.take(loop.time()):  # noqa: ASYNC110 - what is waited for is time
            await asyncio.sleep(_TICK)


class _Try:
    """One connection on its way."""

    __slots__ = ("address", "connection", "deadline", "port", "settled")

    def __init__(self, address: int, port: int, connection: socket.socket, deadline: float) -> None:
        self.address = address
        self.port = port
        self.connection = connection
        self.deadline = deadline
        self.settled = False


class Sweep:
    """Tries every port of every address once. ``opened`` is told of those that are; ``full`` says when to hold on.

    Counts ``open``, ``closed`` (refused), ``filtered`` (no answer in time), ``unreachable`` (a router said so) and
    ``not tried here`` (this machine refused to). Addresses are known by their number.
    """

    def __init__(
        self,
        targets: Targets,
        ports: Sequence[int],
        limits: Limits,
        pace: Pace,
        *,
        seed: int,
        opened: Callable[[str, int], None],
        full: Callable[[], bool],
    ) -> None:
        self.total = len(targets) * len(ports)
        self.counts: Counter[str] = Counter()
        self._alive = bytearray(len(targets))
        self._targets = targets
        self._limits = limits
        self._pace = pace
        self._opened = opened
        self._full = full
        self._order: Iterator[tuple[int, int]] = order(len(targets), ports, seed)
        self._loop = asyncio.get_running_loop()
        self._at_once = limits.at_once
        self._starved = 0
        self._flying: deque[_Try] = deque()
        self._open_now = 0
        self._of_host: Counter[int] = Counter()
        self._deferred: dict[int, deque[int]] = {}
        self._count_deferred = 0
        self._ready: deque[tuple[int, int]] = deque()

    @property
    def tried(self) -> int:
        """Ports whose state is known by now."""
        return sum(self.counts.values())

    @property
    def answering(self) -> int:
        """Addresses that gave any sign of life."""
        return self._alive.count(1)

    async def run(self, tell: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        """Until everything was tried. When cancelled, what is on its way counts as not tried."""
        try:
            while self._step():
                tell(self.tried, self.total)
                await asyncio.sleep(_TICK)
        finally:
            for each in self._flying:
                self._release(each)

    def _step(self) -> bool:
        """Give up what is late, start what may be started; whether there is more to do."""
        now = self._loop.time()
        while self._flying and (self._flying[0].settled or self._flying[0].deadline <= now):
            late = self._flying.popleft()
            if not late.settled:
                self._settle(late, "filtered")
        while self._open_now < self._at_once and not self._full():
            job = self._next()
            if job is None:
                break
            if not self._pace.take(now):
                self._ready.appendleft(job)
                break
            if not self._start(*job, now):
                break
        return self._open_now > 0 or self.tried < self.total

    def _next(self) -> tuple[int, int] | None:
        """The next port to try of an address that may have another connection."""
        if self._ready:
            return self._ready.popleft()
        while self._count_deferred < _MOST_DEFERRED:
            job = next(self._order, None)
            if job is None:
                return None
            address, port = job
            if self._of_host[address] < PER_HOST:
                return job
            self._deferred.setdefault(address, deque()).append(port)
            self._count_deferred += 1
        return None

    def _start(self, address: int, port: int, now: float) -> bool:
        """Open a connection. ``False`` where this machine has no more sockets: then with fewer, and later again."""
        text = self._targets[address]
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        try:
            connection = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno in _EXHAUSTED and self._starved < _MOST_STARVED:
                self._starved += 0 if self._open_now else 1  # nothing of ours will come free: somebody else's may
                self._at_once = max(1, self._open_now)
                self._ready.appendleft((address, port))
                return False
            self._count(address, port, error.errno or 0)
            return True
        self._starved = 0
        connection.setblocking(False)
        try:
            code = connection.connect_ex((text, port))
        except OSError as error:
            code = error.errno or errno.EINVAL
        if code not in _IN_PROGRESS:
            connection.close()
            self._count(address, port, code)
            return True
        attempt = _Try(address, port, connection, now + self._limits.timeout)
        self._of_host[address] += 1
        self._open_now += 1
        self._flying.append(attempt)
        self._loop.add_writer(connection.fileno(), self._decided, attempt)
        return True

    def _decided(self, attempt: _Try) -> None:
        code = attempt.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._settle(attempt, self._state(code))

    def _settle(self, attempt: _Try, state: str) -> None:
        self._release(attempt)
        address = attempt.address
        self._of_host[address] -= 1
        if not self._of_host[address]:
            del self._of_host[address]
        waiting = self._deferred.get(address)
        if waiting:
            self._ready.append((address, waiting.popleft()))
            self._count_deferred -= 1
            if not waiting:
                del self._deferred[address]
        self._note(address, attempt.port, state)

    def _release(self, attempt: _Try) -> None:
        if not attempt.settled:
            attempt.settled = True
            self._open_now -= 1
            self._loop.remove_writer(attempt.connection.fileno())
            attempt.connection.close()

    def _count(self, address: int, port: int, code: int) -> None:
        self._note(address, port, self._state(code))

    @staticmethod
    def _state(code: int) -> str:
        if code == 0:
            return "open"
        if code in _CLOSED:
            return "closed"
        if code in _UNREACHABLE:
            return "unreachable"
        return "filtered" if code in _FILTERED else "not tried here"

    def _note(self, address: int, port: int, state: str) -> None:
        self.counts[state] += 1
        if state in {"open", "closed"}:
            self._alive[address] = 1
        if state == "open":
            self._opened(self._targets[address], port)
