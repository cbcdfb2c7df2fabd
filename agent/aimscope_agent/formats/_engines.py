"""The engines by name, and what they share: syslog headers, encodings, line breaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from aimscope_agent.formats import (
    _engine_cef,
    _engine_delimited,
    _engine_json_lines,
    _engine_key_value,
    _engine_leef,
    _engine_regex,
    _engine_w3c,
    _engine_zeek,
)
from aimscope_agent.formats._engine import KNOWN, Engine, State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import EngineName, Map, MapError, Options
from aimscope_agent.formats._syslog import stripped

_USES: Final[Mapping[EngineName, tuple[str, ...]]] = {
    "json_lines": _engine_json_lines.USES,
    "key_value": _engine_key_value.USES,
    "delimited": _engine_delimited.USES,
    "w3c": _engine_w3c.USES,
    "zeek": _engine_zeek.USES,
    "cef": _engine_cef.USES,
    "leef": _engine_leef.USES,
    "regex": _engine_regex.USES,
}


def _engine(form: Map, *, proven: bool) -> Engine:
    options = form.options
    for name, value in msgspec.structs.asdict(options).items():
        if value != getattr(Options(), name) and name not in _USES[form.engine]:
            raise MapError(f"$.options.{name}: not of the engine {form.engine}")
    match form.engine:
        case "json_lines":
            return _engine_json_lines.JsonLines(options)
        case "key_value":
            return _engine_key_value.KeyValue(options)
        case "delimited":
            return _engine_delimited.Delimited(options, form.recognise.fields or options.columns)
        case "w3c":
            return _engine_w3c.W3c(options)
        case "zeek":
            return _engine_zeek.Zeek(options)
        case "cef":
            return _engine_cef.Cef(options)
        case "leef":
            return _engine_leef.Leef(options)
        case "regex":
            return _engine_regex.Regex(options, proven=proven)


class LineReader:
    """Bytes of a line → fields, by the engine of a map. Raises ``MapError`` for options the engine refuses.

    ``proven``: nobody needs to look whether the engine refuses them.
    """

    def __init__(self, form: Map, *, proven: bool = False) -> None:
        self.engine = _engine(form, proven=proven)
        self._json = self.engine if isinstance(self.engine, _engine_json_lines.JsonLines) else None
        self._raw_first = form.engine == "regex"

    def fields(self, line: bytes) -> Fields | None:
        """The fields, ``KNOWN``, or ``None`` for what is no line of the format. The line may end in a line break."""
        if self._json is not None and line[:1] == b"{":
            found = self._json.parse_bytes(line)
            if found is not None:
                return found
        text = line.decode("utf-8", "replace").rstrip("\r\n").replace("#011", "\t")
        if self._raw_first:  # products whose own lines begin like syslog's
            found = self.engine.parse(text)
            if found is not None:
                return found
        text, said = stripped(text)
        found = self.engine.parse(text)
        if said and found:
            return {**said, **found}
        return found


__all__ = ["KNOWN", "Engine", "LineReader", "State"]
