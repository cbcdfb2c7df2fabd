"""Live capture: one or several interfaces, filtered by the kernel, from a ring buffer; privileges given up once open.

What is needed is CAP_NET_RAW, for opening only.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

from aimscope_agent.intake.pcap import Capture, CaptureError, Each, Filter, expression, libpcap

BUFFER_MB: Final = 64
"""Megabytes of the kernel's ring for each interface."""
_LARGEST_BUFFER_MB = 2047
_WAIT = 200
"""Milliseconds between two looks at whether to stop."""
_AT_ONCE = 4096
_DELIVERY = 100
"""Milliseconds after which the kernel hands over a buffer that is not full."""

_NO_SUCH_DEVICE = -5
_NOT_PERMITTED = (-8, -11)
_NOT_UP = -9
_NO_NEW_PRIVILEGES = 38


def open_live(
    interfaces: Sequence[str],
    *,
    filter: Filter,  # noqa: A002
    promiscuous: bool,
    snaplen: int = 65_535,
    buffer_mb: int = BUFFER_MB,
    user: str | None = None,
) -> Capture:
    """A capture on interfaces (``any`` is all of them). Raises ``CaptureError``.

    ``snaplen`` is how many bytes of a packet are kept. With ``user``, root becomes that user once the devices are
    open. Where the system can, the process and what it starts can never gain privileges again.
    """
    if libpcap is None:
        raise CaptureError("capturing needs libpcap: install aimscope[gateway]")
    if not interfaces:
        raise CaptureError(f"no interface was named; there are {_existing()}")
    if user is not None and os.geteuid() != 0:
        raise CaptureError(f"only root can become {user}: leave the user out, or start as root")
    readers: list[Any] = []
    try:
        for name in dict.fromkeys(interfaces):
            readers.append(_reader(libpcap, name, promiscuous, snaplen, buffer_mb))
            _set_filter(libpcap, readers[-1], filter, name)
        if user is not None:
            become(user)
    except CaptureError:
        for reader in readers:
            reader.close()
        raise
    return _Live(libpcap, dict(zip(dict.fromkeys(interfaces), readers, strict=True)))


def become(user: str) -> None:
    """Gives up root for a user, for good. Raises ``CaptureError``."""
    import pwd  # noqa: PLC0415 (not on every system)

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise CaptureError(f"there is no user {user}") from None
    try:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except OSError as error:
        raise CaptureError(f"could not become {user}: {error.strerror}") from None
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _reader(library: ModuleType, name: str, promiscuous: bool, snaplen: int, buffer_mb: int) -> Any:
    try:
        reader = library.create(name)
        reader.set_snaplen(snaplen)
        reader.set_promisc(int(promiscuous))
        reader.set_timeout(_DELIVERY)
        reader.set_buffer_size(min(max(buffer_mb, 1), _LARGEST_BUFFER_MB) * 1_048_576)
        result = reader.activate()
    except library.PcapError as error:
        raise CaptureError(f"{name} cannot be opened: {error}") from None
    if result >= 0:
        reader.setnonblock(1)
        return reader
    reader.close()
    if result in _NOT_PERMITTED:
        program = os.path.realpath(sys.executable)
        raise CaptureError(
            f"capturing on {name} is not permitted: run as root, or give the interpreter that right with "
            f"setcap cap_net_raw+ep {program}"
        )
    if result == _NO_SUCH_DEVICE:
        raise CaptureError(f"there is no interface {name}; there are {_existing()}")
    if result == _NOT_UP:
        raise CaptureError(f"the interface {name} is down: ip link set {name} up")
    raise CaptureError(f"{name} cannot be opened (libpcap's error {result}); a smaller buffer may help")


def _set_filter(library: ModuleType, reader: Any, wanted: Filter, name: str) -> None:
    try:
        reader.setfilter(expression(wanted, reader.datalink()))
    except library.PcapError as error:
        raise CaptureError(f"the filter does not suit {name}: {error}") from None


def _existing() -> str:
    try:
        return ", ".join(name for _, name in socket.if_nameindex()) + ", any"
    except OSError:
        return "none that could be listed"


class _Live(Capture):
    """Interfaces, read in turn by one thread, whoever has something."""

    def __init__(self, library: ModuleType, readers: dict[str, Any]) -> None:
        super().__init__()
        self._library = library
        self._readers = readers
        self._lost = dict.fromkeys(readers, 0)

    def run(self, each: Each) -> None:
        poll = select.poll()
        open_ones: dict[int, tuple[str, Any, Callable[[Any, bytes], None]]] = {}
        for name, reader in self._readers.items():
            poll.register(reader.getfd(), select.POLLIN)
            open_ones[reader.getfd()] = (name, reader, self._callback(reader.datalink(), each))
        while open_ones and not self._stopped.is_set():
            for descriptor, events in poll.poll(_WAIT):
                name, reader, packet = open_ones[descriptor]
                try:
                    delivered = reader.dispatch(_AT_ONCE, packet)
                    problem = "" if delivered or events == select.POLLIN else "the interface is gone"
                except self._library.PcapError as error:
                    problem = str(error)
                if problem:
                    self.problems = (*self.problems, f"{name}: {problem}")
                    poll.unregister(descriptor)
                    del open_ones[descriptor]
            self._count_lost()

    def _callback(self, link: int, each: Each) -> Callable[[Any, bytes], None]:
        def packet(header: Any, data: bytes) -> None:
            seconds, microseconds = header.getts()
            self.passed += 1
            each(seconds + microseconds / 1e6, link, data, header.getlen())

        return packet

    def _count_lost(self) -> None:
        """What the kernel had no room for. Drops by the device are left out: they count what nobody wanted, too."""
        for name, reader in self._readers.items():
            try:
                self._lost[name] = reader.stats()[1]
            except (self._library.PcapError, ValueError):
                continue  # gone, or closed: what was counted stays
        self.dropped = sum(self._lost.values())

    def done(self) -> int:
        return 0

    def close(self) -> None:
        self._count_lost()
        for reader in self._readers.values():
            reader.close()
