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
REMEMBERED: Final = 2_048
"""Values of a field whose meaning is kept at hand."""
_MOST: Final = 4_096
"""Elements of an array that are looked at."""
_DIGITS: Final = 19
"""A number has fewer; what has more is none."""
_LARGEST: Final = 10**18
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


class IntricateError(Exception):
    """A field of which one look does not tell all: it may be further inside, or an array."""


class Meanings(dict[object, str]):
    """What the values of a field mean, each found out once: clients, users, methods and programs repeat."""

    def __init__(self, steps: Sequence[Transform], nothing: frozenset[str], *, nested: bool = False) -> None:
        super().__init__()
        self._steps = steps
        self._nothing = nothing
        self._nested = nested

    def of(self, found: object) -> str:
        """The meaning of a value that is not kept."""
        text = value_of(found, self._nothing)
        for step in self._steps:
            text = step(text)
        return text

    def __missing__(self, found: object) -> str:
        if found is None and self._nested:
            raise IntricateError
        text = self.of(found)
        if found is None or type(found) is str:  # 1, 1.0 and True would be one key
            if len(self) >= REMEMBERED:
                self.clear()
            self[found] = text
        return text


class Field:
    """An expression that names one field. ``steps`` make nothing of nothing, unless ``then`` has added others."""

    def __init__(self, name: str, steps: Sequence[Transform], nothing: frozenset[str]) -> None:
        self.name = name
        self.steps = steps
        self.nothing = nothing
        self.nested = "." in name or "[]" in name
        self.meanings = Meanings(steps, nothing, nested=self.nested)
        self._numeric = all(step is number for step in steps)

    def then(self, step: Transform) -> Field:
        """The same with one step more."""
        return Field(self.name, (*self.steps, step), self.nothing)

    def __call__(self, fields: Fields) -> Values:
        found = fields.get(self.name)
        try:
            text = self.meanings[found]
        except TypeError:  # an array or an object
            return ()
        except IntricateError:
            if self.name in fields:
                return ()
            values = [self.meanings.of(each) for each in look_up(fields, self.name)]
            return values if any(values) else ()
        return (text,) if text else ()

    def text(self, fields: Fields) -> str:
        """The value; empty where there is none. Raises ``TypeError``, ``IntricateError`` where there may be several."""
        return self.meanings[fields.get(self.name)]

    def amount(self, fields: Fields) -> int | None:
        """The value as a number that is not negative. Raises as ``text`` does."""
        found = fields.get(self.name)
        if self._numeric:  # amounts hardly ever repeat: most are read without detours
            if type(found) is int and 0 <= found < _LARGEST:
                return found
            if type(found) is str and len(found) < _DIGITS and found.isdigit() and found.isascii():
                return int(found) if found not in self.nothing else None
        text = number(self.meanings[found])
        return int(text) if text and len(text) < _DIGITS else None


class Constant(Field):
    """An expression that says the same of every line."""

    def __init__(self, text: str) -> None:
        super().__init__("", (lambda _nothing: text,), frozenset())
        self._values = (text,) if text else ()

    def __call__(self, fields: Fields) -> Values:
        del fields
        return self._values


class First:
    """The first of several expressions that gives something."""

    def __init__(self, every: Sequence[Expression]) -> None:
        self._every = every
        self._fields = [each for each in every if isinstance(each, Field)]

    def __call__(self, fields: Fields) -> Values:
        for each in self._every:
            values = each(fields)
            if values:
                return values
        return ()

    def text(self, fields: Fields) -> str:
        """As ``Field.text``."""
        if len(self._fields) != len(self._every):
            raise IntricateError
        for each in self._fields:
            text = each.meanings[fields.get(each.name)]
            if text:
                return text
        return ""


def expression(text: str, nothing: frozenset[str] = NOTHING) -> Expression:
    """Compile one expression; ``nothing`` are words for no value. Raises ``MapError`` for an unknown transform."""
    if text.startswith("="):
        return Constant(text[1:])
    name, *names = text.split("|")
    found = [(each, _transform(each)) for each in names]
    unknown = [each for each, transform in found if transform is None]
    if unknown or not name:
        raise MapError(f"{text!r}: unknown transform {unknown}; there are {', '.join(TRANSFORMS)}, only(…), part(…)")
    transforms = tuple(transform for _, transform in found if transform is not None)
    if "+" in name and "(" not in name:
        return _joined(tuple(expression(part, nothing) for part in name.split("+")), transforms)
    return Field(name, transforms, nothing)


def _joined(parts: Sequence[Expression], transforms: Sequence[Transform]) -> Expression:
    def evaluate(fields: Fields) -> Values:
        values = [part(fields) for part in parts]
        if not all(values):
            return ()
        text = " ".join(value[0] for value in values)
        for transform in transforms:
            text = transform(text)
        return (text,) if text else ()

    return evaluate


def alternatives(stated: str | Sequence[str], nothing: frozenset[str] = NOTHING) -> Expression:
    """The first expression that gives something."""
    every = tuple(expression(text, nothing) for text in ((stated,) if isinstance(stated, str) else stated))
    return every[0] if len(every) == 1 else First(every)
