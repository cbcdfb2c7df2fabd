"""``dhcpd.leases`` of ISC DHCP, IPv4 and IPv6 (dhcpd.leases(5)): blocks in the order in which they were written.

A later block for the same address replaces the one before where it begins alike; otherwise it is another lease.
Times are UTC, as ``4 2026/11/26 08:00:00``, or ``epoch 1790000000`` where the server was told so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_collector.address_lists import LATEST, Bad, Entry
from aimscope_collector.address_lists._moments import moment

NAME: Final = "isc"
SOURCE: Final = "dhcp"
_BLOCK: Final = re.compile(r"(?m)^\s*(?:lease|iaaddr)\s+([0-9A-Fa-f.:]+)\s*\{")
_WORDS: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|[{};]|[^\s{};"]+|"')
_NAMES: Final = ("client-hostname", "ddns-fwd-name", "ddns-client-fqdn")
_OURS: Final = frozenset({"active", "expired", "released", "free", "backup"})
"""States in which, until it ended, somebody had the address."""


def is_mine(text: str) -> bool:
    """Whether blocks of leases begin in it."""
    return _BLOCK.search(text) is not None


def read(text: str) -> Iterator[Entry | Bad]:
    """Leases that somebody had."""
    kept: dict[tuple[str, int | None], Entry] = {}
    line, at = 1, 0
    for block in _BLOCK.finditer(text):
        line += text.count("\n", at, block.start(1))
        at = block.start(1)
        said = _of(block.group(1), _statements(text, block.end()), line)
        if isinstance(said, Bad):
            yield said
        elif said is not None:
            kept[said.address, said.begins] = said
    yield from kept.values()


def _statements(text: str, at: int) -> list[list[str]]:
    """Statements of a block, without those of blocks in it."""
    found: list[list[str]] = []
    words: list[str] = []
    depth = 1
    for match in _WORDS.finditer(text, at):
        word = match.group()
        if word.startswith("#"):
            continue
        if word in "{}":
            depth += 1 if word == "{" else -1
            words = []
            if not depth:
                break
        elif word == ";":
            if words and depth == 1:
                found.append(words)
            words = []
        elif len(words) < 16:
            words.append(word)
    return found


def _of(address: str, statements: list[list[str]], line: int) -> Entry | Bad | None:
    begins: int | None = None
    ends: int | None = None
    names: dict[str, str] = {}
    state = "active"
    try:
        for first, *rest in statements:
            if first in ("starts", "cltt") and rest:
                begins = _moment(rest) if begins is None or first == "starts" else begins
            elif first == "ends" and rest:
                ends = LATEST if rest == ["never"] else _moment(rest)
            elif first == "binding" and rest[:1] == ["state"]:
                state = rest[-1]
            elif first == "client-hostname" and rest:
                names[first] = _unquoted(rest[0])
            elif first == "set" and len(rest) == 3 and rest[1] == "=":
                names[rest[0]] = _unquoted(rest[2])
    except ValueError:
        return Bad(line, f"the lease of {address} has a time that cannot be read")
    if state not in _OURS or (state in ("free", "backup") and not names):
        return None
    return Entry(line, next((names[name] for name in _NAMES if name in names), ""), address, begins, ends)


def _moment(words: list[str]) -> int | None:
    if words == ["never"]:
        return None
    if words[0] == "epoch" and len(words) > 1:
        return moment(words[1])
    return moment(" ".join(words[1:]))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if len(text) > 1 and text[0] == text[-1] == '"' else text
