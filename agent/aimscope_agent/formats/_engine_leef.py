"""Engine `leef`: IBM's Log Event Extended Format, 1.0 and 2.0."""

from __future__ import annotations

import re

from aimscope_agent.formats._engine import State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import Options

USES = ()
_HEADER = ("vendor", "product", "version", "id")
_SIGN = re.compile(r"0?x([0-9a-fA-F]{1,4})\Z")


class Leef:
    """Header as `leef.vendor`, `leef.product`, …; attributes by their keys."""

    state = State()
    marks: tuple[bytes, ...] = ()
    heads = False

    def __init__(self, options: Options) -> None:
        del options

    def parse(self, line: str) -> Fields | None:
        """Header and attributes."""
        start = line.find("LEEF:")
        if start < 0:
            return None
        version, _, rest = line[start + 5 :].partition("|")
        parts = rest.split("|", 4)
        if len(parts) < 4:
            return None
        fields: dict[str, object] = {f"leef.{name}": value for name, value in zip(_HEADER, parts, strict=False)}
        attributes = parts[4] if len(parts) > 4 else ""
        sign = ""
        if version.startswith("2"):
            stated, bar, after = attributes.partition("|")
            if bar and (len(stated) <= 1 or _SIGN.match(stated)):
                sign, attributes = _sign(stated), after
        for pair in attributes.split(sign or _usual(attributes)):
            key, equals, value = pair.partition("=")
            if equals:
                fields.setdefault(key.strip(), value.strip().strip('"'))
        return fields


def _usual(attributes: str) -> str:
    """A tab; some write what a relay made of it, or bars."""
    return next((sign for sign in ("\t", "#011", "|", "^") if sign in attributes), "\t")


def _sign(stated: str) -> str:
    found = _SIGN.match(stated)
    return chr(int(found[1], 16)) if found else stated
