"""YAML → ``Signature``. Every problem names its file and line; an unknown key is one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from aimscope_signatures.expand import Malformed, clauses
from aimscope_signatures.signature import Problem, Refused, Signature

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Problem", "Refused", "parse", "read"]

MAX_BYTES = 262_144
MAX_DEPTH = 12

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+|\.\.\.)\]")


def read(path: Path) -> Signature:
    """The signature in ``path``. Raises ``Refused``; also where the file cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused((Problem(str(path), 0, f"cannot be read: {error.strerror}"),)) from None
    return parse(data, str(path))


def parse(data: bytes, file: str) -> Signature:
    """The signature in ``data``; ``file`` is how problems name it. Raises ``Refused``."""
    if len(data) > MAX_BYTES:
        raise Refused((Problem(file, 0, f"larger than {MAX_BYTES} bytes"),))
    try:
        root = yaml.compose(data, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        text = getattr(error, "problem", None) or type(error).__name__
        raise Refused((Problem(file, mark.line + 1 if mark else 0, f"no YAML: {text}"),)) from None
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    if not isinstance(root, yaml.MappingNode):
        raise Refused((Problem(file, 1, "a signature is a mapping: start with `id:`"),))
    plain = _plain(root, "$", lines, problems, file, set(), 0)
    if problems:
        raise Refused(tuple(problems))
    try:
        signature = msgspec.convert(plain, Signature)
        clauses(signature)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        where = where.strip("`") or "$"
        unknown = re.search(r"unknown field `([^`]+)`", message)
        if unknown:
            where = f"{where}.{unknown.group(1)}"
            message = f"unknown key {unknown.group(1)!r}"
        else:
            message = f"{where.removeprefix('$.')}: {message}"
        raise Refused((Problem(file, _line(where, lines), message),)) from None
    except Malformed as error:
        message = f"{error.where.removeprefix('$.')}: {error}"
        raise Refused((Problem(file, _line(error.where, lines), message),)) from None
    return signature


def _plain(
    node: yaml.Node,
    where: str,
    lines: dict[str, int],
    problems: list[Problem],
    file: str,
    seen: set[int],
    depth: int,
) -> Any:
    """Plain values of a node, without aliases, duplicate keys or deep nesting; notes the line of each place."""
    line = node.start_mark.line + 1
    lines[where] = line
    if id(node) in seen:
        problems.append(Problem(file, line, "aliases are not allowed: write the value out"))
        return None
    seen.add(id(node))
    if depth > MAX_DEPTH:
        problems.append(Problem(file, line, f"nested deeper than {MAX_DEPTH}"))
        return None
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in result:
                problems.append(Problem(file, key_node.start_mark.line + 1, f"key {key!r} is there twice"))
            result[key] = _plain(value_node, f"{where}.{key}", lines, problems, file, seen, depth + 1)
            lines[f"{where}.{key}"] = key_node.start_mark.line + 1
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(item, f"{where}[{number}]", lines, problems, file, seen, depth + 1)
            for number, item in enumerate(node.value)
        ]
    try:
        return _SCALARS.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problems.append(Problem(file, line, f"value {node.value!r} is not allowed: {error}"))
        return None


_SCALARS = yaml.constructor.SafeConstructor()


def _line(where: str, lines: dict[str, int]) -> int:
    """Line of the nearest known place at or above ``where``."""
    for place in _upwards(where):
        if place in lines:
            return lines[place]
    return 1


def _upwards(where: str) -> Iterator[str]:
    while where:
        yield where
        steps = list(_STEP.finditer(where))
        if not steps:
            return
        where = where[: steps[-1].start()]
