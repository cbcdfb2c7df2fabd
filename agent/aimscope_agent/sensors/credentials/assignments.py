"""Assignments of variables as shells and dotenv files write them. What they name and hold is judged elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONGEST_LINE = 16_384
_NAME = r"([A-Za-z_]\w{0,127})"
_QUOTED = r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)')"""
_WORD = rf"""(?:{_QUOTED}|([^\s;&|'"]+))"""
_FORMS = (
    re.compile(rf"""(?:^|(?<=[\s;&|('"])){_NAME}={_WORD}"""),  # sh
    re.compile(rf"\b(?:setenv|setx|set(?:[ \t]+-[\w-]+)+)[ \t]+{_NAME}[ \t]+{_WORD}"),  # csh, fish, launchctl
    re.compile(rf"\$\{{?env[:.]{_NAME}\}}?[ \t]*=[ \t]*{_QUOTED}()", re.IGNORECASE),  # PowerShell, Nushell
    re.compile(rf"""SetEnvironmentVariable\([ \t]*["']{_NAME}["'][ \t]*,[ \t]*{_QUOTED}()""", re.IGNORECASE),
    re.compile(
        rf"Set-(?:Item|Content)[ \t]+(?:-Path[ \t]+)?env:{_NAME}[ \t]+(?:-Value[ \t]+)?{_QUOTED}()", re.IGNORECASE
    ),
)
_ALIAS = re.compile(r"(?:\A|\s)alias\s+[\w.-]+=")
_CODE = re.compile(r"""(?:[^#'"]|"(?:[^"\\]|\\.)*"|'[^']*'|(?<=\S)#)*""")
_DOTENV = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.-]{0,127})\s*[=:]\s*(.*)")


def shell(text: str) -> Iterator[tuple[str, str]]:
    """Name and value of what a start-up file of any shell assigns, comments left out."""
    for line in text.splitlines():
        if "=" not in line and "set" not in line.lower():
            continue
        bounded = _ALIAS.sub(" ", line[:_LONGEST_LINE])
        code = _CODE.match(bounded)
        # A quote that does not close: the line goes on, and a comment cannot be told.
        end = code.end() if code and bounded[code.end() : code.end() + 1] == "#" else len(bounded)
        for form in _FORMS:
            for found in form.finditer(bounded, 0, end):
                yield found[1], next((value for value in found.groups()[1:] if value), "")


def dotenv(text: str) -> Iterator[tuple[str, str]]:
    """Name and value of each line of a dotenv file, or of another file of that form."""
    for line in text.splitlines():
        if found := _DOTENV.match(line[:_LONGEST_LINE]):
            yield found[1], _value(found[2].strip())


def _value(text: str) -> str:
    quote = text[:1]
    if quote and quote in "\"'`":
        return text[1:].partition(quote)[0]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
