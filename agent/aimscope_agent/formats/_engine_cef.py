"""Engine `cef`: ArcSight's Common Event Format."""

from __future__ import annotations

import re

from aimscope_agent.formats._engine import State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import Options

USES = ()
_HEADER = ("vendor", "product", "version", "id", "name", "severity")
_BAR = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_KEY = re.compile(r"(?:^|(?<=\s))([\w.\-\[\]]{1,128})=")
_ESCAPED = re.compile(r"\\([\\=|rn])")


class Cef:
    """Header as `cef.vendor`, `cef.product`, …; extensions by their keys, custom ones by their labels too."""

    state = State()
    marks: tuple[bytes, ...] = ()
    heads = False

    def __init__(self, options: Options) -> None:
        del options

    def parse(self, line: str) -> Fields | None:
        """Header and extensions."""
        start = line.find("CEF:")
        if start < 0:
            return None
        parts = _BAR.sub(r"\1" + "\0", line[start + 4 :], count=7).split("\0", 7)
        if len(parts) < 7:
            return None
        fields: dict[str, object] = {
            f"cef.{name}": _plain(value).strip() for name, value in zip(_HEADER, parts[1:7], strict=True)
        }
        extension = parts[7] if len(parts) > 7 else ""
        keys = list(_KEY.finditer(extension))
        ends = [key.start() for key in keys[1:]] + [len(extension)]
        for key, end in zip(keys, ends, strict=False):
            value = extension[key.end() : end]
            fields.setdefault(key[1], _plain(value.strip()))
        for name, label in list(fields.items()):
            if name.endswith("Label") and isinstance(label, str) and label and name[:-5] in fields:
                fields.setdefault(label, fields[name[:-5]])
        return fields


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda found: {"r": "\r", "n": "\n"}.get(found[1], found[1]), value) if "\\" in value else value
