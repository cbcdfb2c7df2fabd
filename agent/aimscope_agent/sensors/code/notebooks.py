"""Jupyter notebooks: the code of their cells, and where it stands in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from aimscope_agent.host.reading import read_json

_MOST_CELLS = 10_000
_MOST_MISSES = 50


class Cell(msgspec.Struct, frozen=True):
    """A code cell: Python with lines that are commands taken out, and those commands."""

    code: str
    commands: str


def cells(text: str) -> Iterator[Cell]:
    """The code cells of a notebook in Python. Raises ``UnreadableError`` where it is none."""
    data = read_json(text.encode())
    if not isinstance(data, Mapping) or not _is_python(data.get("metadata")):
        return
    listed = data.get("cells")
    for cell in listed[:_MOST_CELLS] if isinstance(listed, list) else ():
        if isinstance(cell, Mapping) and cell.get("cell_type") == "code":
            source = cell.get("source")
            lines = source if isinstance(source, list) else [source]
            code = "".join(line for line in lines if isinstance(line, str))
            if code:
                yield _split(code)


def _is_python(metadata: object) -> bool:
    """Python, or nothing said."""
    said: list[object] = []
    for key, name in (("kernelspec", "language"), ("language_info", "name")):
        about = metadata.get(key) if isinstance(metadata, Mapping) else None
        said.append(about.get(name) if isinstance(about, Mapping) else None)
    return any(isinstance(one, str) and one.lower().startswith("python") for one in said) or not any(said)


def _split(code: str) -> Cell:
    lines = code.split("\n")
    if lines[0].lstrip().startswith("%%"):
        return Cell("", "\n".join(lines[1:]))
    commands = [line.lstrip(" \t!%") if _is_command(line) else "" for line in lines]
    return Cell("\n".join("" if _is_command(line) else line for line in lines), "\n".join(commands))


def _is_command(line: str) -> bool:
    return line.lstrip().startswith(("!", "%"))


class Places:
    """Where lines of code stand in the file of a notebook. They are asked for in the order of the cells."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last = 0
        self._misses = 0

    def of(self, line: str) -> int:
        """Offset of a line of code; that of the last one found where it is written otherwise."""
        if self._misses < _MOST_MISSES:
            written = msgspec.json.encode(line.strip())[1:-1].decode()
            offset = self._text.find(written, self._last)
            if offset >= 0:
                self._last = offset
            else:
                self._misses += 1
        return self._last
