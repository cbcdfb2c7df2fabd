"""A plain document against a struct: every problem found, not only the first.

The struct is the schema. Text is accepted for every type, so that YAML, CSV and spreadsheets need no rules of their
own for what a date, a number or "no" is: the field decides.
"""

from __future__ import annotations

import datetime
import functools
import math
import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar, cast

from msgspec import inspect

from aimscope_collector.inventory.problems import Path, did_you_mean, shown

Complain = Callable[[Path, str, str], None]
"""Takes where, what is wrong, and what to do."""

Built = Callable[[Path, object], None]
"""Takes where a struct stood, and the struct."""

Root = TypeVar("Root")


class Refused:
    """Stands for a value that the reader has already complained about."""


REFUSED: Final = Refused()

_TRUE: Final = frozenset({"true", "yes", "on", "y", "1", "x"})
_FALSE: Final = frozenset({"false", "no", "off", "n", "0"})
_UNWANTED: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_HOST: Final = re.compile(r"(?=.{1,253}$)(?!-)[\w-]{1,63}(?:\.[\w-]{1,63})*")


def shape(root: type[Root], value: object, complain: Complain, built: Built) -> Root | None:
    """``value`` as ``root``, or ``None`` after complaining about everything that is wrong with it.

    ``built`` is told of every struct within, also of one that lacks an optional field because its value was refused:
    so that further checks can find the rest of the problems.
    """
    result = _Shaper(complain, built).any(_type_info(cast("Hashable", root)), {}, value, ())
    return None if isinstance(result, Refused) else cast("Root", result)


@functools.cache
def _type_info(root: Hashable) -> inspect.Type:
    return inspect.type_info(root)


class _Shaper:
    def __init__(self, complain: Complain, built: Built) -> None:
        self._complain = complain
        self._built = built

    def _refuse(self, path: Path, message: str, advice: str) -> Refused:
        self._complain(path, message, advice)
        return REFUSED

    def any(self, kind: inspect.Type, extra: Mapping[str, object], value: object, path: Path) -> object:
        if isinstance(value, Refused):
            return REFUSED
        match kind:
            case inspect.Metadata():
                return self.any(kind.type, {**extra, **(kind.extra or {})}, value, path)
            case inspect.UnionType():
                wanted = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
                return None if value is None or value == "" else self.any(wanted, extra, value, path)
            case inspect.StructType():
                return self._struct(kind, value, path)
            case inspect.VarTupleType():
                return self._tuple(kind, extra, value, path)
            case inspect.DictType():
                return self._dict(kind, value, path)
            case inspect.LiteralType():
                return self._literal(kind, value, path)
            case inspect.StrType():
                return self._text(kind, extra, value, path)
            case inspect.BoolType():
                return self._flag(value, path)
            case inspect.FloatType():
                return self._number(kind, value, path)
            case inspect.DateType():
                return self._date(value, path)
        raise TypeError(f"no rule for {kind!r}")  # a field of a new type was added to the model

    def _struct(self, kind: inspect.StructType, value: object, path: Path) -> object:
        if not isinstance(value, Mapping):
            return self._refuse(path, "Expected fields with values here.", "Write one 'field: value' per line.")
        fields = {field.encode_name: field for field in kind.fields}
        shaped: dict[str, object] = {}
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                advice = did_you_mean(key, fields) + "Correct the name or remove the line."
                self._complain((*path, key), f"{shown(key)} is not a field known here.", advice)
            elif not _absent(item) or field.required:
                shaped[field.name] = self._missing(field, path) if item is None else self._field(field, item, path)
        for field in kind.fields:
            if field.required and field.encode_name not in value:
                shaped[field.name] = self._missing(field, path)
        refused = {name for name, item in shaped.items() if isinstance(item, Refused)}
        if refused & {field.name for field in kind.fields if field.required}:
            return REFUSED
        struct = kind.cls(**{name: item for name, item in shaped.items() if name not in refused})
        self._built(path, struct)
        return REFUSED if refused else struct

    def _field(self, field: inspect.Field, item: object, path: Path) -> object:
        where = (*path, field.encode_name)
        shaped = self.any(field.type, {}, item, where)
        return self._missing(field, path) if field.required and shaped == "" else shaped

    def _missing(self, field: inspect.Field, path: Path) -> Refused:
        kind: inspect.Type = field.type
        meaning = ""
        while isinstance(kind, inspect.Metadata):
            meaning = meaning or str((kind.extra_json_schema or {}).get("description", ""))
            kind = kind.type
        choices = [str(one) for one in kind.values] if isinstance(kind, inspect.LiteralType) else []
        sample = choices[0] if len(choices) == 1 else "…"
        choice = f" (one of {', '.join(choices)})" if len(choices) > 1 else ""
        advice = f"Add '{field.encode_name}: {sample}'{choice}. {meaning}".strip()
        return self._refuse((*path, field.encode_name), f'"{field.encode_name}" is missing.', advice)

    def _tuple(self, kind: inspect.VarTupleType, extra: Mapping[str, object], value: object, path: Path) -> object:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list):
            return self._refuse(path, "Expected a list here.", "Write one '- item' per line, or [a, b].")
        if kind.max_length is not None and len(value) > kind.max_length:
            return self._refuse(path, f"The list has {len(value):,} items.", f"At most {kind.max_length:,} are read.")
        shaped = [self.any(kind.item_type, extra, item, (*path, number)) for number, item in enumerate(value)]
        return REFUSED if any(isinstance(item, Refused) for item in shaped) else tuple(shaped)

    def _dict(self, kind: inspect.DictType, value: object, path: Path) -> object:
        if not isinstance(value, Mapping):
            return self._refuse(path, "Expected names with values here.", "Write one 'name: value' per line.")
        shaped = {str(key): self.any(kind.value_type, {}, item, (*path, key)) for key, item in value.items()}
        return REFUSED if any(isinstance(item, Refused) for item in shaped.values()) else shaped

    def _literal(self, kind: inspect.LiteralType, value: object, path: Path) -> object:
        known: dict[str, Any] = {str(one): one for one in kind.values}
        given = "" if isinstance(value, list | dict | bool) else str(value).strip().casefold()
        if given in known:
            return known[given]
        advice = f"{did_you_mean(given, known)}Write one of {', '.join(known)}."
        return self._refuse(path, f"{shown(value)} is not known here.", advice)

    def _text(self, kind: inspect.StrType, extra: Mapping[str, object], value: object, path: Path) -> str | Refused:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)  # a version or a number as JSON writes it
        if not isinstance(value, str):
            return self._refuse(path, "Expected a text here.", "Write a text, in quotes if it has special characters.")
        text = value.strip()
        if kind.max_length is not None and len(text) > kind.max_length:
            message = f"The text has {len(text):,} characters."
            return self._refuse(path, message, f"Shorten it to {kind.max_length:,}, and link to the rest.")
        if _UNWANTED.search(text):
            return self._refuse(path, "The text has control characters.", "Remove what is not printable.")
        return self._domain(text, path) if extra.get("domains") else text

    def _domain(self, text: str, path: Path) -> str | Refused:
        """A host name out of what people write: an address with scheme and path, ``*.`` before it, a port after it."""
        host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text.casefold())
        host = re.split(r"[/?#]", host, maxsplit=1)[0].rpartition("@")[2]
        host = re.sub(r":\d*$", "", host).removeprefix("*.").rstrip(".")
        if _HOST.fullmatch(host):
            return host
        return self._refuse(path, f"{shown(text)} is not a host name.", "Write it like chat.example.com.")

    def _flag(self, value: object, path: Path) -> bool | Refused:
        if isinstance(value, bool):
            return value
        given = str(value).strip().casefold() if isinstance(value, str | int) else ""
        if given in _TRUE:
            return True
        if given in _FALSE:
            return False
        return self._refuse(path, f"{shown(value)} is neither yes nor no.", "Write yes or no.")

    def _number(self, kind: inspect.FloatType, value: object, path: Path) -> float | Refused:
        low = -math.inf if kind.ge is None else kind.ge
        high = math.inf if kind.le is None else kind.le
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if low <= number <= high:
            return number
        return self._refuse(path, f"{shown(value)} is not a number from {low:g} to {high:g}.", "Write one like 1.5.")

    def _date(self, value: object, path: Path) -> datetime.date | Refused:
        text = str(value).strip()
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}(?:[T ][\d:.,]+(?:Z|[+-][\d:]+)?)?", text, re.ASCII):
            try:
                return datetime.date.fromisoformat(text[:10])
            except ValueError:
                pass  # a 31st of February
        return self._refuse(path, f"{shown(value)} is not a date.", "Write year-month-day, like 2026-12-31.")


def _absent(item: object) -> bool:
    return item is None or item == ""
