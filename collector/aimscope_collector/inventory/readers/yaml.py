"""YAML: one document, no anchors, aliases or tags; every scalar is text until its field says what it is."""

from __future__ import annotations

from typing import Any, Final

import yaml

from aimscope_collector.inventory.content import inventory_of
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.problems import Loaded, Problems, shown
from aimscope_collector.inventory.reader import Reader
from aimscope_collector.inventory.text import decode
from aimscope_collector.inventory.tree import Builder, Document, TooMuchError, refused

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds of PyYAML come without libyaml
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})


def read(data: bytes, file: str) -> Loaded[Inventory]:
    """The inventory in YAML bytes."""
    problems = Problems(file)
    return inventory_of(document_of(decode(data), problems), problems)


def document_of(text: str, problems: Problems) -> Document | None:
    """The document in YAML text; ``None`` if there is none or it cannot be used, which is then noted."""
    builder = Builder(problems)
    last = max(1, len(text.splitlines()))  # at the end, the parser stands on a line that is not there
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            line = min(event.start_mark.line + 1, last) if event.start_mark else 0
            _feed(builder, event, line, problems)
    except TooMuchError:
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "it cannot be understood"
        line = 0 if mark is None else min(mark.line + 1, last)
        message = f"This is not YAML: {what}."
        problems.error(line, "", message, "Check indentation, quotes and colons around here.")
        return None
    except yaml.reader.ReaderError as error:
        position = error.position if isinstance(error.position, int) else 0
        line = text.encode()[:position].count(b"\n") + 1  # libyaml counts bytes
        problems.error(line, "", f"This is not YAML: {error.reason}.", "Remove the character.")
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.error(0, "", f"This is not YAML: {error}.", "Check the file.")
        return None
    return builder.document


def _feed(builder: Builder, event: yaml.Event, line: int, problems: Problems) -> None:
    match event:
        case yaml.DocumentStartEvent() if builder.document is not None:
            problems.error(line, "", "The file holds a second document.", "Keep one document, without a second '---'.")
            raise TooMuchError
        case yaml.AliasEvent():
            builder.refuse(line, f"The alias {shown(f'*{event.anchor}')} is not read.", "Write the value out.")
            builder.scalar(refused(), line, key=f"*{event.anchor}")
        case yaml.ScalarEvent():
            _refuse_marks(builder, event, line)
            plain = event.implicit[0]
            builder.scalar(None if plain and event.value in _NULL else event.value, line, key=event.value)
        case yaml.MappingStartEvent():
            _refuse_marks(builder, event, line)
            builder.open({}, line)
        case yaml.SequenceStartEvent():
            _refuse_marks(builder, event, line)
            builder.open([], line)
        case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
            builder.close()


def _refuse_marks(builder: Builder, event: yaml.NodeEvent, line: int) -> None:
    if event.anchor is not None:
        builder.refuse(
            line, f"The anchor {shown(f'&{event.anchor}')} is not read.", "Remove it, and write the value out."
        )
    tag = getattr(event, "tag", None)
    if tag is not None:
        builder.refuse(line, f"The tag {shown(tag)} is not read.", "Remove it.")


READER: Final = Reader(suffixes=(".yaml", ".yml"), doc="YAML", read=read)
