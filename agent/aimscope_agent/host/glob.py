"""The small language of the globs that sensors declare, see ``sensor.py``: parsed once, matched many times."""

from __future__ import annotations

import functools
import re
from typing import Literal

import msgspec

Anchor = Literal["home", "root", "project", "walk"]

ANYWHERE = "**"
_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
_MOST_ALTERNATIVES = 256


class Glob(msgspec.Struct, frozen=True):
    """One alternative of a glob: where it starts, its parts, and whether it wants a folder."""

    anchor: Anchor
    parts: tuple[str, ...]
    folder: bool


@functools.cache
def parse(text: str) -> tuple[Glob, ...]:
    """The alternatives of a glob. ``ValueError`` names a glob that is none."""
    result = tuple(_one(text, alternative) for alternative in _alternatives(text))
    if len({glob.anchor for glob in result}) > 1:
        raise ValueError(f"glob {text!r} has alternatives that start at different places")
    return result


def _alternatives(text: str) -> list[str]:
    done: set[str] = set()
    todo = {text}
    while todo:
        current = todo.pop()
        choice = _ALTERNATIVES.search(current)
        if choice is None:
            done.add(current)
        else:
            todo |= {current[: choice.start()] + word + current[choice.end() :] for word in choice[1].split(",")}
        if len(done) + len(todo) > _MOST_ALTERNATIVES:
            raise ValueError(f"glob {text!r} has more than {_MOST_ALTERNATIVES} alternatives")
    return sorted(done)


def _one(text: str, alternative: str) -> Glob:
    for prefix, anchor in _ANCHORS:
        if alternative.startswith(prefix):
            rest = alternative[len(prefix) :]
            parts = tuple(part for part in rest.split("/") if part)
            if not parts and anchor == "walk":
                break
            if ".." in parts or "." in parts:
                break
            return Glob(anchor, parts, rest.endswith("/") or not rest)
    raise ValueError(f"glob {text!r}: starts with ~/, /, C:/, ./ or **/ and has no '.' or '..' parts")


_ANCHORS: tuple[tuple[str, Anchor], ...] = (
    ("~/", "home"),
    ("C:/", "root"),
    ("./", "project"),
    ("**/", "walk"),
    ("/", "root"),
)


def literal(part: str) -> bool:
    """Whether a part of a glob stands for exactly one name."""
    return "*" not in part


@functools.cache
def name_pattern(part: str, fold: bool) -> re.Pattern[str]:
    """A part of a glob as a pattern for a whole name; ``fold`` ignores case."""
    body = ".*".join(re.escape(piece) for piece in part.split("*"))
    return re.compile(rf"{body}\Z", re.DOTALL | (re.IGNORECASE if fold else 0))
