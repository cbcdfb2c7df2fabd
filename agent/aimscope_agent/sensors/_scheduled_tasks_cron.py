"""Lines of crontabs."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_LINES = 10_000
_LONGEST = 8_192
_FIELD = r"[\d*?~][-*/,~?#\w]*|[A-Za-z]{3}(?:[-,/#]\w+)*"
_NAMED = r"@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly|every\S*)"
_TIME = rf"(?:{_NAMED}|(?:(?:{_FIELD})\s+){{4}}(?:{_FIELD}))"
_LINE = re.compile(rf"-?{_TIME}\s+(\S.*)", re.IGNORECASE)
_USER = re.compile(r"[^\s=]+\s+(\S.*)")
_LEFT_OVER = re.compile(r"\..*|.*(?:~|,v|\.rpm(?:save|new|orig)|\.dpkg-\w+|\.bak|\.swp|\.cfsaved)")


def commands(text: str, *, with_user: bool) -> Iterator[str]:
    """The command of each line, as a shell gets it. ``with_user``: the user's name stands before it."""
    for line in text.splitlines()[:MOST_LINES]:
        found = _LINE.fullmatch(line[:_LONGEST].strip())
        if found and with_user:
            found = _USER.fullmatch(found[1])
        if found:
            # What follows a bare % is input for the command.
            yield re.split(r"(?<!\\)%", found[1], maxsplit=1)[0].replace("\\%", "%")


def left_over(name: str) -> bool:
    """Whether a file in a folder of crontabs is none: hidden, or a copy that an editor or a package manager left."""
    return _LEFT_OVER.fullmatch(name) is not None
