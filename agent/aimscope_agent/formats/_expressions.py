"""What a map writes of a field: ``url|url_host``, ``dns.queries[].rrname``, ``=text``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

from aimscope_agent.formats._map import MapError

Fields = Mapping[str, object]
Values = Sequence[str]
"""One value, or one for each element of an array; empty where there is none."""
Expression = Callable[[Fields], Values]
Transform = Callable[[str], str]

NOTHING: Final = frozenset({"", "-", "n/a", "N/A", "(null)", "(NULL)", "null", "NULL", "(empty)"})
"""What stands for no value."""
LONGEST: Final = 4_096
"""Characters of a value that are kept."""
_REMEMBERED: Final = 2_048
"""Values of a field whose meaning is kept at hand."""
_MOST: Final = 4_096
"""Elements of an array that are looked at."""
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}\Z")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_AUTHORITY: Final = re.compile(
    r"(?!(?:https?|wss?|ftps?):/?\Z)(?:[A-Za-z][A-Za-z0-9+.-]*://|//)?(?:[^/?#\\@]*@)*([^/?#\\]*)"
)
_LABEL: Final = re.compile(r"\((\d{1,2})\)")
_NAME: Final = re.compile(
    r"(?=.{1,253}\.?\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.[A-Za-z][A-Za-z0-9-]{0,62}\.?\Z"
)
_CALL: Final = re.compile(r"(only|part)\(([^()]{1,80})\)\Z")


def url_host(text: str) -> str:
    """Host name of a URL, also without scheme: ``host:443``, ``host/path``."""
    found = _AUTHORITY.match(text)
    return host(found[1]) if found else ""


def url_path(text: str) -> str:
    """Path of a URL without query; empty where it has none."""
    found = _SCHEME.match(text)
    rest = text[found.end() :] if found else text
    for end in "?#":
        if end in rest:
            rest = rest[: rest.index(end)]
    cut = rest.find("/")
    return rest[cut:] if cut >= 0 else ""


def host(text: str) -> str:
    """Host name of ``host:port``, ``[v6]:port`` and ``host.``."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    if text.count(":") == 1:
        text = text.partition(":")[0]
    return text.rstrip(".")


def ip(text: str) -> str:
    """Address of ``ip:port``, ``ip#port``, ``ip/port``, ``[v6]:port``, ``name (ip)``; empty if it is none."""
    if _IPV4.match(text):
        return text
    rest = text.strip()
    if rest.endswith(")"):
        rest = rest[:-1].rpartition("(")[2]
    if rest.startswith("["):
        rest = rest[1:].partition("]")[0]
    rest = rest.partition("#")[0].partition("/")[0].partition("%")[0]
    if rest.count(":") == 1:
        rest = rest.partition(":")[0]
    return address(rest)


def address(text: str) -> str:
    """An address in its shortest form, IPv4 within IPv6 as IPv4; empty if it is none."""
    if _IPV4.match(text):
        return text
    try:
        found = ip_address(text.strip("[] ").partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def labels(text: str) -> str:
    """``example.com`` of ``(7)example(3)com(0)``; empty where the lengths do not hold."""
    parts = _LABEL.split(text)
    if len(parts) < 3 or parts[0]:
        return ""
    found: list[str] = []
    for length, label in zip(parts[1::2], parts[2::2], strict=True):
        if int(length) == 0:
            break
        if int(length) != len(label):
            return ""
        found.append(label)
    return ".".join(found)


def leaf(text: str) -> str:
    r"""What follows the last ``/``, ``\`` or ``:``."""
    return re.split(r"[/\\:]", text)[-1]


def name_in(text: str) -> str:
    """A host name with a dot, without its last one; empty for addresses and other text."""
    return text.rstrip(".") if _NAME.match(text) else ""


def number(text: str) -> str:
    """An integer; empty if it is none."""
    plain = text.strip().partition(".")[0]
    return plain if plain.isascii() and plain.isdigit() else ""


TRANSFORMS: Final[Mapping[str, Transform]] = {
    "url_host": url_host,
    "url_path": url_path,
    "host": host,
    "ip": ip,
    "labels": labels,
    "leaf": leaf,
    "lower": str.lower,
    "unquote": unquote,
    "plus": lambda text: text.replace("+", " "),
    "number": number,
    "names": name_in,
}


def _transform(text: str) -> Transform | None:
    """A transform by its name: of ``TRANSFORMS``, or one that takes something: ``part(3)``, ``only(*,O,*)``."""
    found = _CALL.match(text)
    if not found:
        return TRANSFORMS.get(text)
    taken = found[2]
    if found[1] == "only":
        glob = re.compile(fnmatch.translate(taken))
        return lambda value: value if glob.match(value) else ""
    if not taken.isdigit() or not 0 < int(taken) <= _MOST:
        return None
    index = int(taken) - 1

    def part(value: str) -> str:
        parts = value.split(",", index + 1)
        return parts[index].strip() if index < len(parts) else ""

    return part


def value_of(found: object, nothing: frozenset[str] = NOTHING) -> str:
    """A field's value as text; empty where it stands for nothing."""
    if type(found) is not str:
        if found is True or found is False:
            return "true" if found else "false"
        if not isinstance(found, (int, float)):
            return found if isinstance(found, str) else ""
        return str(found)
    found = found.strip()
    return "" if found in nothing else found[:LONGEST]


def look_up(fields: Fields, path: str) -> list[object]:
    """What is at a path: a field of that very name, else the way through objects and ``[]`` arrays; else nothing."""
    if path in fields:
        return [fields[path]]
    if "." not in path and "[]" not in path:
        return []
    return _walk(fields, path.split("."))


def _walk(at: object, steps: list[str]) -> list[object]:
    for depth, step in enumerate(steps):
        every = step.endswith("[]")
        if not isinstance(at, Mapping):
            return []
        rest = ".".join(steps[depth:])
        if rest in at and not every:  # names with dots, below the top
            return [at[rest]]
        name = step.removesuffix("[]")
        if name not in at:
            return []
        at = at[name]
        if every:
            after = steps[depth + 1 :]
            return [value for element in _elements(at) for value in _walk(element, after) or [None]][:_MOST]
    return [at]


def _elements(found: object) -> Sequence[object]:
    """Of an array, or of text with commas between."""
    if isinstance(found, str):
        return found.split(",", _MOST)[:_MOST]
    return found[:_MOST] if isinstance(found, list) else ()


def expression(text: str, nothing: frozenset[str] = NOTHING) -> Expression:
    """Compile one expression; ``nothing`` are words for no value. Raises ``MapError`` for an unknown transform."""
    if text.startswith("="):
        constant = (text[1:],)
        return lambda _fields: constant
    name, *names = text.split("|")
    found = [(each, _transform(each)) for each in names]
    unknown = [each for each, transform in found if transform is None]
    if unknown or not name:
        raise MapError(f"{text!r}: unknown transform {unknown}; there are {', '.join(TRANSFORMS)}, only(…), part(…)")
    transforms = tuple(transform for _, transform in found if transform is not None)
    if "+" in name and "(" not in name:
        return _joined(tuple(expression(part, nothing) for part in name.split("+")), transforms)

    nested = "." in name or "[]" in name
    known: dict[str, Values] = {}  # values repeat: clients, users, methods, programs

    def evaluate(fields: Fields) -> Values:
        found = fields.get(name)
        if type(found) is str:
            again = known.get(found)
            if again is None:
                if len(known) >= _REMEMBERED:
                    known.clear()
                again = known[found] = _one(value_of(found, nothing), transforms)
            return again
        if found is not None:
            return _one(value_of(found, nothing), transforms)
        if not nested or name in fields:
            return ()
        values = [_transformed(value_of(each, nothing), transforms) for each in look_up(fields, name)]
        return values if any(values) else ()

    return evaluate


def _one(text: str, transforms: Sequence[Transform]) -> Values:
    text = _transformed(text, transforms) if text else ""
    return (text,) if text else ()


def _transformed(text: str, transforms: Sequence[Transform]) -> str:
    for transform in transforms:
        text = transform(text)
    return text


def _joined(parts: Sequence[Expression], transforms: Sequence[Transform]) -> Expression:
    def evaluate(fields: Fields) -> Values:
        values = [part(fields) for part in parts]
        if not all(values):
            return ()
        text = _transformed(" ".join(value[0] for value in values), transforms)
        return (text,) if text else ()

    return evaluate


def alternatives(stated: str | Sequence[str], nothing: frozenset[str] = NOTHING) -> Expression:
    """The first expression that gives something."""
    every = tuple(expression(text, nothing) for text in ((stated,) if isinstance(stated, str) else stated))
    if len(every) == 1:
        return every[0]

    def evaluate(fields: Fields) -> Values:
        for each in every:
            values = each(fields)
            if values:
                return values
        return ()

    return evaluate
