"""What every host can be asked, live or recorded."""

# ruff: noqa: D102 - the names say it, and ``Host`` what they have in common

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from aimscope_agent.host.facts import Answer, Platform, Process, Row, Socket
from aimscope_agent.host.tree import Tree
from aimscope_signatures.model import Gap

T = TypeVar("T")


class Told(NamedTuple, Generic[T]):
    """An answer, and what it leaves out."""

    value: T
    gaps: tuple[Gap, ...] = ()


class Host(Protocol):
    """A machine. Nothing here raises: what cannot be told is a gap.

    The source of a gap is ``processes``, ``environments``, ``sockets``, ``dns``, ``registry``, ``commands`` or
    ``probes``, as in a recorded host's ``machine.json``, or the path of a local socket.
    """

    @property
    def platform(self) -> Platform: ...
    @property
    def name(self) -> str:
        """Host name; empty if unknown."""

    @property
    def tree(self) -> Tree: ...
    @property
    def mounts(self) -> Mapping[str, str]:
        """Real mount points and the type of the file system mounted there."""

    def processes(self) -> Told[tuple[Process, ...]]: ...
    def environment(self, pid: int) -> Told[tuple[tuple[str, str], ...]]: ...
    def sockets(self) -> Told[tuple[Socket, ...]]: ...
    def dns_answers(self) -> Told[Mapping[str, str]]: ...
    def registry(self, key: str) -> Told[tuple[Row, ...]]: ...
    def command(self, name: str) -> Told[str | None]: ...
    def unix_http(self, socket: str, path: str) -> Told[object | None]: ...
    def probe(self, address: str, port: int, path: str, accept: str) -> Told[Answer | None]: ...
