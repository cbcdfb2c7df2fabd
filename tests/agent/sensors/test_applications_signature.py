"""The team in a code signature: programs that name one, programs that do not, and bytes that lie."""

from __future__ import annotations

import plistlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.sensors._applications_signature import team
from aimscope_agent.sensors.applications import SENSOR

from .planted import Host, fields, gaps


def program(name: bytes = b"VDXQ22DGB9\0", *, version: int = 0x2_0400, named: bool = True, code: int = 5_000) -> bytes:
    """A 64-bit program of one load command, whose signature holds requirements and a code directory."""
    directory = struct.pack(">4I", 0xFADE_0C02, 200, version, 0) + bytes(32) + struct.pack(">I", 60 if named else 0)
    directory += bytes(60 - len(directory)) + name
    requirements = struct.pack(">III", 0xFADE_0C01, 12, 0)
    index = struct.pack(">IIIIIII", 0xFADE_0CC0, 300, 2, 2, 28, 0, 40)
    signature = index + requirements + directory
    commands = struct.pack("<II", 0x1B, 24) + bytes(16) + struct.pack("<IIII", 0x1D, 16, 72 + code, len(signature))
    header = struct.pack("<8I", 0xFEED_FACF, 0x0100_000C, 0, 2, 2, len(commands), 0, 0)
    return header + commands + bytes(code) + signature


def universal(inside: bytes) -> bytes:
    start = struct.pack(">II5I", 0xCAFE_BABE, 1, 0x0100_000C, 0, 4_096, len(inside), 12)
    return start + bytes(4_096 - len(start)) + inside


def told(data: bytes) -> str:
    return team(lambda offset, size: data[offset : offset + size])


def test_a_signed_program_names_its_team() -> None:
    assert told(program()) == told(universal(program())) == "VDXQ22DGB9"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\n",
        b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + bytes(100),  # a class of Java
        program(named=False),
        program(version=0x2_0100),
        program(b"not a team\0"),
        program(b"VDXQ22DGB9X\0"),
        program()[:5_000],
        program()[:-1],
        program().replace(b"\x1d\0\0\0", b"\x1e\0\0\0"),
    ],
)
def test_a_program_that_names_none(data: bytes) -> None:
    assert told(data) == ""


@given(st.data(), st.booleans())
def test_a_damaged_program_costs_little(data: st.DataObject, several: bool) -> None:
    damaged = bytearray(universal(program(code=50)) if several else program(code=50))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    read = 0

    def part(offset: int, size: int) -> bytes:
        nonlocal read
        assert offset >= 0
        assert size >= 0
        read += size
        return bytes(damaged[offset : offset + size])

    assert len(team(part)) in (0, 10)
    assert read < 70_000


def test_an_application_is_of_the_team_that_signed_it(tmp_path: Path) -> None:
    mac = Host(tmp_path, "macos")

    def about(program: str) -> bytes:
        told = {"CFBundleIdentifier": f"com.example.{program}", "CFBundleExecutable": program}
        return plistlib.dumps({**told, "AppIdentifierPrefix": "AAAAAAAAAA."})

    mac.plant(
        {
            "/Applications/Signed.app/Contents/Info.plist": about("signed"),
            "/Applications/Signed.app/Contents/MacOS/signed": universal(program()),
            "/Applications/Phone.app/WrappedBundle/Info.plist": about("phone"),
            "/Applications/Phone.app/WrappedBundle/phone": program(),
            "/Applications/Script.app/Contents/Info.plist": about("script"),
            "/Applications/Script.app/Contents/MacOS/script": "#!/bin/sh\n",
            "/Applications/Away.app/Contents/Info.plist": about("../MacOS/../../../Signed.app/Contents/MacOS/signed"),
        }
    )
    result = mac.look(SENSOR)
    assert {one["path"]: one["team_id"] for one in fields(result)} == {
        "/Applications/Signed.app": "VDXQ22DGB9",
        "/Applications/Phone.app": "VDXQ22DGB9",
        "/Applications/Script.app": "AAAAAAAAAA",
        "/Applications/Away.app": "AAAAAAAAAA",
    }
    assert gaps(result) == set()
