"""The operators of signatures, one entry each.

An operator turns a value of the catalogue into a predicate over canonical text. Everything is
compared in the canonical form of the field's type (``normalise``), so operators need no flags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
Predicate = Callable[[str], bool]


class Operator(msgspec.Struct, frozen=True):
    """``build`` compiles one catalogue value; it raises ``ValueError`` where the value is malformed."""

    name: str
    doc: str
    build: Callable[[str], Predicate]


def _equals(value: str) -> Predicate:
    return lambda text: text == value


def _domain(value: str) -> Predicate:
    below = "." + value
    return lambda text: text == value or text.endswith(below)


def _host(value: str) -> Predicate:
    if "*" not in value:
        return _equals(value)
    pattern = host_pattern(value)
    return lambda text: pattern.match(text) is not None


def host_pattern(value: str) -> re.Pattern[str]:
    """``*`` stands for one label or a part of one."""
    return re.compile(re.escape(value).replace(r"\*", r"[a-z0-9_-]+") + r"\Z")


def _prefix(value: str) -> Predicate:
    return lambda text: text.startswith(value)


def _basename(value: str) -> Predicate:
    return lambda text: text.replace("\\", "/").rsplit("/", 1)[-1] == value


def _glob(value: str) -> Predicate:
    pattern = glob_pattern(value)
    return lambda text: pattern.match(text) is not None


def glob_pattern(value: str, *, segments: bool = False) -> re.Pattern[str]:
    """A glob as a regular expression without nested repetition.

    ``*`` any text (within a path segment if ``segments``), ``**`` any text, ``?`` one character,
    ``{a,b}`` alternatives. A leading ``./`` in a path stands for any folder above.
    """
    one = "[^/]" if segments else r"[\s\S]"
    out: list[str] = []
    rest = value
    if segments and rest.startswith("./"):
        out.append(r"(?:[\s\S]*/)?")
        rest = rest[2:]
    position = 0
    while position < len(rest):
        if segments and rest[position:] == "/**":
            out.append(r"(?:/[\s\S]*)?")  # the folder itself and all below it
            break
        if segments and rest.startswith("**/", position):
            out.append(r"(?:[\s\S]*/)?")
            position += 3
            continue
        if rest.startswith("**", position):
            out.append(r"[\s\S]*")
            position += 2
            continue
        alternatives = _ALTERNATIVES.match(rest, position)
        if alternatives:
            out.append("(?:" + "|".join(map(re.escape, alternatives.group(1).split(","))) + ")")
            position = alternatives.end()
            continue
        char = rest[position]
        out.append({"*": one + "*", "?": one}.get(char) or re.escape(char))
        position += 1
    return re.compile("".join(out) + r"\Z")


def _cidr(value: str) -> Predicate:
    network = ip_network(value)

    def holds(text: str) -> bool:
        try:
            return ip_address(text) in network
        except ValueError:
            return False

    return holds


def _regex(value: str) -> Predicate:
    literal = regex_literal(value)
    if len(literal) < 3:
        raise ValueError(f"a regular expression starts with a literal of at least 3 characters: {value!r}")
    try:
        pattern = re.compile(rf"(?:{value})\Z")
    except re.error as error:
        raise ValueError(f"not a regular expression: {value!r}: {error}") from None
    return lambda text: text.startswith(literal) and pattern.match(text) is not None


def regex_literal(value: str) -> str:
    """The literal text every match of ``value`` starts with: what is tried before the expression itself."""
    out: list[str] = []
    position = 0
    if "|" in re.sub(r"\\.|\[[^]]*\]|\([^)]*\)", "", value):
        return ""
    while position < len(value):
        char = value[position]
        if char == "\\" and position + 1 < len(value) and not value[position + 1].isalnum():
            char, width = value[position + 1], 2
        elif char in r".^$*+?{}[]()|" or char == "\\":
            break
        else:
            width = 1
        if position + width < len(value) and value[position + width] in "*?{":
            break
        out.append(char)
        position += width
    return "".join(out)


OPERATORS: Final[Mapping[str, Operator]] = {
    operator.name: operator
    for operator in (
        Operator("equals", "The whole value.", _equals),
        Operator("domain", "The domain and everything below it, by label.", _domain),
        Operator("host", "Exactly this host; `*` stands for one label or a part of one.", _host),
        Operator("prefix", "Starts with this text.", _prefix),
        Operator("basename", "The last part of a path.", _basename),
        Operator("glob", "`*` any text, `**` across folders, `?` one character, `{a,b}` alternatives.", _glob),
        Operator("cidr", "An address of this network.", _cidr),
        Operator("regex", "A regular expression over the whole value, behind its literal start.", _regex),
    )
}
