"""Parts of a file in blocks: each line is in one part, whole, however long it is and wherever the parts meet."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import pytest

from aimscope_agent.logs import reading
from aimscope_agent.logs.parser import LONGEST_LINE

LENGTHS = [10, reading.BLOCK - 1, 0, reading.BLOCK, 5, reading.BLOCK + 1, LONGEST_LINE - 1, 1, LONGEST_LINE, 3]


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("parts", [1, 2, 7])
def test_long_lines_are_whole(tmp_path: Path, parts: int, end: bytes) -> None:
    lines = [bytes([97 + n]) * length for n, length in enumerate(LENGTHS)]
    path = tmp_path / "log"
    path.write_bytes(b"\n".join(lines) + end)
    size = path.stat().st_size
    cuts = [size * n // parts for n in range(parts + 1)]
    found: list[bytes] = []
    for start, stop in itertools.pairwise(cuts):
        with io.FileIO(path) as file:
            for block, _ in reading.part_blocks(file, start, stop):
                found += block.removesuffix(b"\n").split(b"\n")
    assert [line[: LONGEST_LINE - 1] for line in found] == [line[: LONGEST_LINE - 1] for line in lines]
    assert [len(line) for line in found[:-2]] == LENGTHS[:-2]


def test_a_line_that_is_too_long_is_marked_as_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a\n" + b"x" * (LONGEST_LINE + 7) + b"\nb\n" + b"y" * (3 * LONGEST_LINE))
    with io.FileIO(path) as file:
        blocks = [block for block, _ in reading.part_blocks(file, 0, path.stat().st_size)]
    lines = b"".join(blocks).split(b"\n")
    assert [len(line) > LONGEST_LINE for line in lines] == [False, True, False, True, False]
