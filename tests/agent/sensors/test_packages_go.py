"""Programs built by Go: their build information in each file format, and files that hold none or lie."""

from __future__ import annotations

import json
import runpy
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors._packages_buildinfo import Module, main_module
from aimscope_agent.sensors.packages import SENSOR
from aimscope_signatures.interests import Interests

MAKE: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "_data" / "hosts" / "make_binaries.py"))
BLOCK: bytes = MAKE["build_info"]("example.org/tool/cmd/tool", "example.org/tool", "v1.2.3")
FORMATS: tuple[Callable[[bytes], bytes], ...] = (MAKE["elf"], MAKE["macho"], MAKE["pe"])
TOOL = Module("example.org/tool", "v1.2.3")


def told(data: bytes) -> Module | None:
    return main_module(lambda offset, size: data[offset : offset + size])


def elf_with_section(block: bytes, *, padding: int = 100_000) -> bytes:
    """As another linker makes it: the block far into the segment, found by its section; 32 bits, big end first."""
    names = b"\0.go.buildinfo\0.shstrtab\0"
    block_at = 84 + padding
    names_at = block_at + len(block)
    sections_at = names_at + len(names)
    head = b"\x7fELF\x01\x02\x01" + bytes(9)
    head += struct.pack(">HHIIIIIHHHHHH", 2, 8, 1, 0, 52, sections_at, 0, 52, 32, 1, 40, 3, 2)
    segment = struct.pack(">8I", 1, 84, 0, 0, names_at - 84, names_at - 84, 6, 4)
    sections = bytes(40)
    sections += struct.pack(">10I", 1, 1, 3, 0, block_at, len(block), 0, 0, 16, 0)
    sections += struct.pack(">10I", 15, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return head + segment + bytes(padding) + block + names + sections


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_leads_to_the_block(form: Callable[[bytes], bytes]) -> None:
    assert told(form(BLOCK)) == TOOL


@pytest.mark.parametrize("form", FORMATS)
def test_the_block_need_not_come_first_but_must_be_aligned(form: Callable[[bytes], bytes]) -> None:
    assert told(form(bytes(4_096) + BLOCK)) == TOOL
    assert told(form(bytes(7) + BLOCK)) is None


def test_a_section_leads_to_the_block_where_the_segment_is_large() -> None:
    assert told(elf_with_section(BLOCK)) == TOOL
    assert told(elf_with_section(BLOCK).replace(b".go.buildinfo", b".no.buildinfo")) is None


def test_many_dependencies_behind_the_main_module_are_not_needed() -> None:
    module = b"mod\texample.org/tool\tv1.2.3\t\n"
    info = b"path\texample.org/tool\n" + module + b"dep\texample.org/x\tv1.0.0\th1:x=\n" * 1_000
    length = len(info) + 16
    counted = bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14])
    start = BLOCK[: BLOCK.index(b"go1.25.1") + len(b"go1.25.1")]
    sentinel = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
    assert told(MAKE["elf"](start + counted + sentinel + info)) == TOOL


def test_a_build_from_a_working_copy_has_no_version() -> None:
    assert told(MAKE["elf"](MAKE["build_info"]("x", "example.org/x", "(devel)"))) == Module("example.org/x", "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\n# \xff Go buildinf:\x08\x02",
        BLOCK,
        MAKE["elf"](b"no go here"),
        MAKE["elf"](BLOCK.replace(b"\x08\x02", b"\x08\x00", 1)),
        MAKE["elf"](BLOCK.replace(b"mod\t", b"dep\t")),
        MAKE["elf"](BLOCK.replace(b"example.org/tool\tv1", b"ex\xffmple.org/tool\tv1")),
        MAKE["elf"](BLOCK[:40]),
        MAKE["elf"](BLOCK[:32] + b"\xff" * 64),
        b"\x7fELF",
        b"MZ" + b"\xff" * 62,
        b"\xcf\xfa\xed\xfe" + b"\xff" * 200,
        b"\x7fELF" + b"\xff" * 200,
    ],
)
def test_what_holds_no_build_information(data: bytes) -> None:
    assert told(data) is None


@given(st.sampled_from([*FORMATS, elf_with_section]), st.data())
def test_a_damaged_program_tells_the_module_or_nothing_and_little_is_read(
    form: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    program = bytearray(form(BLOCK))
    for _ in range(data.draw(st.integers(1, 8))):
        program[data.draw(st.integers(0, min(len(program) - 1, 400)))] = data.draw(st.integers(0, 255))
    read = 0

    def part(offset: int, size: int) -> bytes:
        nonlocal read
        assert offset >= 0
        assert size >= 0
        read += len(program[offset : offset + size])
        return bytes(program[offset : offset + size])

    module = main_module(part)
    assert module is None or isinstance(module.path, str)
    assert read < 4_000_000


@given(st.binary(max_size=300), st.sampled_from([b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce"]))
def test_no_bytes_raise(data: bytes, magic: bytes) -> None:
    told(magic + data)


# on a machine


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., ScanResult]:
    """Scan planted files."""

    def run(files: dict[str, bytes], platform: str = "linux", home: str = "/home/ann") -> ScanResult:
        root = tmp_path / "root"
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        about = tmp_path / "machine.json"
        about.write_text(json.dumps({"platform": platform, "users": [{"name": "ann", "home": home}]}))
        return scan(OfflineHost(root, about), [SENSOR], Interests(), Options(), now=1)

    return run


def test_programs_in_the_folders_that_go_installs_to(look: Callable[..., ScanResult]) -> None:
    result = look(
        {
            "home/ann/go/bin/tool": MAKE["elf"](BLOCK),
            "home/ann/go/bin/deploy.sh": b"#!/bin/sh\n",
            "home/ann/go/bin/empty": b"",
            "usr/local/go-bin/tool": MAKE["elf"](BLOCK),
            "home/ann/bin/tool": MAKE["elf"](BLOCK),
        }
    )
    assert [(one.subject, one.fields) for one in result.observations["packages"]] == [
        (
            "",
            {"package": "go:example.org/tool", "version": "v1.2.3", "manager": "go", "path": "/usr/local/go-bin/tool"},
        ),
        ("ann", {"package": "go:example.org/tool", "version": "v1.2.3", "manager": "go", "path": "~/go/bin/tool"}),
    ]
    assert result.coverage[0].gaps == ()


def test_a_program_on_windows(look: Callable[..., ScanResult]) -> None:
    result = look({"Users/ann/go/bin/tool.exe": MAKE["pe"](BLOCK)}, "windows", "C:/Users/ann")
    assert [one.fields["path"] for one in result.observations["packages"]] == ["~/go/bin/tool.exe"]


def test_a_block_far_into_a_program_costs_little(look: Callable[..., ScanResult], tmp_path: Path) -> None:
    far = 1 << 26
    program = tmp_path / "root/home/ann/go/bin/large"
    program.parent.mkdir(parents=True)
    with program.open("wb") as file:
        file.write(MAKE["elf"](BLOCK)[:64] + struct.pack("<IIQQQQQQ", 1, 6, far, 0, 0, 4_096, 4_096, 16))
        file.seek(far)
        file.write(BLOCK + bytes(4_096))
    tracemalloc.start()
    result = look({})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.fields["package"] for one in result.observations["packages"]] == ["go:example.org/tool"]
    assert most < 8 << 20


def test_a_block_that_would_lie_beyond_the_end_is_none(look: Callable[..., ScanResult]) -> None:
    segment = struct.pack("<IIQQQQQQ", 1, 6, (1 << 64) - 1, 0, 0, 4_096, 4_096, 16)
    result = look({"home/ann/go/bin/huge": MAKE["elf"](BLOCK)[:64] + segment + bytes(8_000)})
    assert result.observations.get("packages", ()) == ()
    assert result.coverage[0].gaps == ()
