"""JSON: the same document as in YAML, or a list of objects as other tools export it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from aimscope_collector.inventory.content import inventory_of
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.problems import Loaded, Problems
from aimscope_collector.inventory.reader import Reader
from aimscope_collector.inventory.table import Row, inventory_of_rows
from aimscope_collector.inventory.text import decode
from aimscope_collector.inventory.tree import MAX_DEPTH, Builder, Document, TooMuchError

# Possessive, with the closing quote optional: an unterminated string is consumed once and never tried again.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\]:,]|[^\s{}\[\]:,"]++', re.DOTALL)


def read(data: bytes, file: str) -> Loaded[Inventory]:
    """The inventory in JSON bytes."""
    problems = Problems(file)
    document = document_of(decode(data), problems)
    if document is not None and isinstance(document.value, list) and not problems.errors:
        return inventory_of_rows(_rows(document), problems)
    return inventory_of(document, problems)


def document_of(text: str, problems: Problems) -> Document | None:
    """The document in JSON text; ``None`` if it cannot be used, which is then noted."""
    if not text.strip():
        return None
    try:
        json.loads(text, parse_constant=_no_constant)  # the judge of syntax; it does not tell lines of values
    except json.JSONDecodeError as error:
        message = f"This is not JSON: {error.msg}."
        problems.error(error.lineno, "", message, "Check commas, quotes and brackets around here.")
        return None
    except ValueError:
        problems.error(0, "", "It holds a number that is too long, or none.", "NaN and Infinity are not numbers here.")
        return None
    except RecursionError:
        problems.error(0, "", f"Nested deeper than {MAX_DEPTH} levels.", "An inventory needs four; flatten it.")
        return None
    builder = Builder(problems)
    try:
        _build(builder, text)
    except TooMuchError:
        return None
    return builder.document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _build(builder: Builder, text: str) -> None:
    line, seen = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", seen, token.start())
        seen = token.start()
        match token.group():
            case "{":
                builder.open({}, line)
            case "[":
                builder.open([], line)
            case "}" | "]":
                builder.close()
            case ":" | ",":
                pass
            case word:
                builder.scalar(json.loads(word), line)


def _rows(document: Document) -> Iterator[Row]:
    """A list of objects as a table: the first row is made of all their keys."""
    items = document.value if isinstance(document.value, list) else []
    keys = list(dict.fromkeys(key for item in items if isinstance(item, dict) for key in item))
    yield Row(line=1, cells=tuple(map(str, keys)))
    for number, item in enumerate(items):
        entry = item if isinstance(item, dict) else {}
        yield Row(line=document.line((number,)), cells=tuple(_cell(entry.get(key)) for key in keys))


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return "\n".join(_cell(item) for item in value)
        case dict():
            return ""
    return str(value)


READER: Final = Reader(suffixes=(".json",), doc="JSON", read=read)
