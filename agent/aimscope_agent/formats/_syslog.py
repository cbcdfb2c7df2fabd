"""The syslog header in front of a line: RFC 3164 and 5424, and what relays make of them."""

from __future__ import annotations

import re
from typing import Final

_PRIORITY: Final = re.compile(r"<\d{1,3}>")
_5424: Final = re.compile(
    r"1 (?P<time>-|\d{4}-\d\d-\d\dT\S+) (?P<host>\S+) (?P<app>\S+) (?P<pid>\S+) (?P<id>\S+) "
    r"(?P<data>-|(?:\[(?:[^\]\"\\]|\\.|\"(?:[^\"\\]|\\.)*\")*\])+)(?: \ufeff?|$)"
)
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_STAMP = rf"(?P<time>{_MONTH} [ \d]\d(?: \d{{4}})? \d\d:\d\d:\d\d(?:\.\d+)?(?: \d{{4}})?)"
_HOST = r"(?P<host>[A-Za-z0-9][A-Za-z0-9._:-]{0,254})"
_TAG = r"(?!CEF:|LEEF:)[A-Za-z_(][\w./()-]{0,47}"
_PID = r"(?:\[[\w-]{1,16}\])?:(?= |$) ?"
_3164: Final = re.compile(rf"{_STAMP}:? +(?:(?P<app>{_TAG}){_PID}|{_HOST}(?: :)? +(?:(?P<app2>{_TAG}){_PID})?)")
_ISO: Final = re.compile(
    rf"(?P<time>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)) {_HOST} (?P<app>{_TAG}){_PID}"
)
_BEGINNING: Final = frozenset("<JFMASOND0123456789")


def stripped(line: str) -> tuple[str, dict[str, str]]:
    """The line without its syslog header, and what that said: ``syslog.time``, ``.host``, ``.app``, ``.id``.

    Structured data of RFC 5424 stays in front where nothing else follows it: some products put all they say there.
    Lines of a file that was forwarded have two headers: the inner one tells when and by what they were written.
    """
    rest, said = _outer(line)
    if said and rest:
        inmost, more = _outer(rest)
        if "syslog.app" in more:
            return inmost, {**said, **more}
    return rest, said


def _outer(line: str) -> tuple[str, dict[str, str]]:
    if not line or line[0] not in _BEGINNING:
        return line, {}
    priority = _PRIORITY.match(line)
    rest = line[priority.end() :].lstrip(" ") if priority else line
    found = _5424.match(rest)
    if found:
        data, after = found["data"], rest[found.end() :]
        said = _said(found["time"], found["host"], found["app"], found["id"])
        return (after if data == "-" or after.strip() else data), said
    found = _3164.match(rest)
    if found:
        app = found["app"] or found["app2"] or ""
        return rest[found.end() :], _said(found["time"], found["host"] or "", app)
    found = _ISO.match(rest)
    if found:
        return rest[found.end() :], _said(found["time"], found["host"], found["app"])
    return rest, {}


def _said(time: str, host: str, app: str, message: str = "") -> dict[str, str]:
    every = {"syslog.time": time, "syslog.host": host, "syslog.app": app, "syslog.id": message}
    return {name: value for name, value in every.items() if value and value != "-"}
