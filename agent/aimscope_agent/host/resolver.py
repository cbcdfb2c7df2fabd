"""Which name this machine asked for when it got an address: read from the caches of the local resolvers.

An address that answers for several names is left out: it says nothing about which of them was meant.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypeVar

import msgspec

T = TypeVar("T")

_MOST_ALIASES = 16


class _Key(msgspec.Struct):
    name: str = ""


class _Record(msgspec.Struct):
    key: _Key = msgspec.field(default_factory=_Key)
    address: list[int] = []
    name: str = ""


class _Item(msgspec.Struct):
    rr: _Record = msgspec.field(default_factory=_Record)


class _Entry(msgspec.Struct):
    rrs: list[_Item] = []
    until: int = 0


class _Scope(msgspec.Struct):
    protocol: str = ""
    cache: list[_Entry] = []


class _WindowsEntry(msgspec.Struct):
    Entry: str | None = None
    Data: str | None = None
    TimeToLive: int = 0
    Type: int = 0


def systemd_answers(text: str, now: int) -> dict[str, str]:
    """Address → name, from ``resolvectl show-cache --json``; ``now`` in microseconds of the machine's boot clock.

    ``ValueError`` if the text is something else.
    """
    addresses: list[tuple[str, str]] = []
    aliases: dict[str, list[str]] = {}
    for scope in _decode(text, list[_Scope]):
        if scope.protocol not in ("", "dns"):
            continue
        for entry in scope.cache:
            if entry.until <= now:
                continue
            for item in entry.rrs:
                record = item.rr
                name = _host(record.key.name)
                if record.name:
                    aliases.setdefault(_host(record.name), []).append(name)
                elif address := _address(record.address):
                    addresses.append((address, name))
    return _unambiguous((address, asked) for address, name in addresses for asked in _asked(name, aliases))


def _asked(name: str, aliases: dict[str, list[str]]) -> set[str]:
    """The names whose answers, alias by alias, ended at ``name``: those that nothing refers to further."""
    asked: set[str] = set()
    todo, seen = [name], {name}
    while todo and len(seen) <= _MOST_ALIASES:
        current = todo.pop()
        if current not in aliases:
            asked.add(current)
            continue
        before = [other for other in aliases[current] if other not in seen]
        seen.update(before)
        todo += before
    return asked


def windows_answers(text: str) -> dict[str, str]:
    """Address → name, from ``Get-DnsClientCache`` as JSON. ``ValueError`` if the text is something else."""
    return _unambiguous(
        (address, _host(entry.Entry))
        for entry in _decode(text or "[]", list[_WindowsEntry])
        if entry.Entry and entry.TimeToLive > 0 and entry.Type in (1, 28) and (address := _address(entry.Data))
    )


def _decode(text: str, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=wanted)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    names: dict[str, set[str]] = {}
    for address, name in pairs:
        if name:
            names.setdefault(address, set()).add(name)
    return {address: name for address, (name, *others) in names.items() if not others}


def _host(name: str) -> str:
    return name.rstrip(".").lower()


def _address(value: list[int] | str | None) -> str:
    try:
        return str(ipaddress.ip_address(bytes(value) if isinstance(value, list) else value or ""))
    except ValueError:
        return ""
