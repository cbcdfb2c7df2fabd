"""Engine `key_value`: `key=value key="va lue"`, with other signs where a map says so."""

from __future__ import annotations

import re

from aimscope_agent.formats._engine import State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import Options

USES = ("pair", "separator", "inside")


class KeyValue:
    """Reads pairs; what is no pair is passed over, but for the text in front of them: `kv.head`."""

    state = State()
    marks: tuple[bytes, ...] = ()
    heads = False

    def __init__(self, options: Options) -> None:
        pair = re.escape(options.pair or "=")
        separator = {"tab": "\t", "space": ""}.get(options.separator, options.separator.strip(" "))
        self._inside = options.inside
        quoted = r'"((?:[^"\\]|\\.|"(?=[^\s;,|\]]))*)"|' + r"'([^']*)'(?=[\s;,|]|$)|"
        if separator:
            end = re.escape(separator)
            key = rf"(?:^|{end})\s*([^\s{end}\"{pair}][^{end}\"{pair}]{{0,126}}?)\s*"
            self._pairs = re.compile(rf"{key}{pair} *(?:{quoted}([^{end}]*))")
        else:
            key = r"(?:^|(?<=[\s,;\[(|]))([\w.@/()-]{1,128})"
            self._pairs = re.compile(rf"{key}{pair}(?:{quoted}([^\s\"]\S*|))")

    def parse(self, line: str) -> Fields | None:
        """The pairs; of a key that is there twice, the first."""
        if self._inside:
            start, end = line.find(self._inside[0]), line.rfind(self._inside[-1])
            if start < 0 or end < start:
                return None
            line = line[start + 1 : end]
        fields: dict[str, object] = {}
        for found in self._pairs.finditer(line):
            key, double, single, plain = found.groups("")
            if not fields and found.start():
                fields["kv.head"] = line[: found.start()].strip(" ,;|")
            if key not in fields:
                fields[key] = _unescaped(double) if double else single or plain.strip()
        return fields or None


def _unescaped(value: str) -> str:
    return value.replace('\\"', '"') if "\\" in value else value
