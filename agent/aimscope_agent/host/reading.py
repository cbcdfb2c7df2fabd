"""Bytes to values, within bounds: depth, count and time. ``UnreadableError`` says what is wrong, in a few words."""

from __future__ import annotations

import codecs
import plistlib
import re
import tomllib
import xml.parsers.expat
from collections.abc import Mapping

import msgspec
import pyjson5
import yaml

DEPTH = 64
CONTAINERS = 500_000
"""Lists and mappings in one document."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class UnreadableError(Exception):
    """The bytes are not what they should be."""


def read_text(data: bytes) -> str:
    """UTF-8, or what a byte order mark says; bad bytes are replaced."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def read_json(data: bytes) -> object:
    """JSON; with comments, trailing commas and the like where strict JSON fails."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        value: object = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        try:
            value = pyjson5.decode(read_text(data), DEPTH)
        except pyjson5.Json5NestingTooDeep:
            raise UnreadableError(_TOO_DEEP) from None
        except (pyjson5.Json5Exception, ValueError, RecursionError, OverflowError):
            raise UnreadableError("not valid JSON") from None
    if data.count(b"[") + data.count(b"{") > DEPTH:
        _bounded(value)
    return value


def read_yaml(data: bytes) -> object:
    """The first YAML document, without anchors and aliases."""
    source = read_text(data)
    try:
        _check_events(source)
        loader = _Loader(source)
        try:
            return loader.get_data() if loader.check_data() else None
        finally:
            loader.dispose()
    except yaml.YAMLError:
        raise UnreadableError("not valid YAML") from None
    except (ValueError, OverflowError, RecursionError, TypeError, AttributeError):
        # Scalars that look like numbers or dates and are none.
        raise UnreadableError("not valid YAML") from None


def _check_events(source: str) -> None:
    """Depth, count and aliases are judged before anything is built: events come one at a time."""
    depth = count = 0
    for event in yaml.parse(source, _Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise UnreadableError("YAML with anchors or aliases")
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            count += 1
            if depth > DEPTH:
                raise UnreadableError(_TOO_DEEP)
            if count > CONTAINERS:
                raise UnreadableError(_TOO_MANY)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe, and tags that are no part of YAML are ignored: ``!include x`` reads as ``x``."""


def _untagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> object:
    del suffix
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case _:
            return str(node.value)


_Loader.add_multi_constructor("!", _untagged)


def read_toml(data: bytes) -> Mapping[str, object]:
    """TOML."""
    # The library compares every prefix of a dotted key: a key of half a million dots would take hours.
    for line in data.splitlines():
        key, equals, _ = line.partition(b"=")
        if line.count(b".") > 500 or ((equals or key.lstrip().startswith(b"[")) and key.count(b".") > DEPTH):
            raise UnreadableError(_TOO_DEEP)
    try:
        value = tomllib.loads(read_text(data))
    except (tomllib.TOMLDecodeError, ValueError, OverflowError):
        raise UnreadableError("not valid TOML") from None
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    _bounded(value)
    return value


def read_plist(data: bytes) -> object:
    """A property list, XML or binary. One that declares entities is refused."""
    binary = data.startswith(b"bplist")
    if not binary and re.search(rb"<!\s*ENTITY", data.replace(b"\0", b"")):
        raise UnreadableError("XML that declares entities")
    try:
        value: object = plistlib.loads(data)
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    except (plistlib.InvalidFileException, xml.parsers.expat.ExpatError, ValueError, OverflowError):
        raise UnreadableError("not a valid property list") from None
    except (AttributeError, IndexError, KeyError, LookupError, MemoryError, TypeError):
        # Elements out of place, unknown encodings, sizes that lie.
        raise UnreadableError("not a valid property list") from None
    _bounded(value)
    return value


def _bounded(value: object) -> None:
    """Refuse what is deep, and what is wide once every reference is written out (binary lists may share and loop)."""
    level = [value]
    total = 0
    for _ in range(DEPTH):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below += [child for child in item.values() if isinstance(child, (dict, list))]
            elif isinstance(item, list):
                below += [child for child in item if isinstance(child, (dict, list))]
            if total + len(below) > CONTAINERS:
                raise UnreadableError(_TOO_MANY)
        if not below:
            return
        total += len(below)
        level = below
    raise UnreadableError(_TOO_DEEP)


_TOO_DEEP = f"nested deeper than {DEPTH}"
_TOO_MANY = f"more than {CONTAINERS:,} lists and mappings"
