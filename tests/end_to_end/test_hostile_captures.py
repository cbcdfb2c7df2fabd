"""Captures made to hurt, read by the program as a person runs it: no crash, no name nobody said, bounded memory."""

from __future__ import annotations

import json
import random
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.agent.frames import LINKS, WRAPPED, ether, with_extensions, with_options
from tests.agent.intake.captures import block, interface, packet, section
from tests.agent.traffic.wire import RESOLVER, SERVER, Tcp, hello, query, request, udp
from tests.end_to_end import hostile, tshark
from tests.end_to_end.program import AIMSCOPE, environment

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]  # scapy's
pytest.importorskip("scapy")
pytest.importorskip("pcapy")

MEMORY = 150 * 1_024
"""Kilobytes that reading may take."""
_MEASURED = (
    "import resource, subprocess, sys\n"
    "done = subprocess.run(sys.argv[2:])\n"
    "open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))\n"
    "sys.exit(done.returncode)"
)


class Run(msgspec.Struct, frozen=True):
    """How reading went. ``memory`` is the most that was resident, in kilobytes."""

    names: frozenset[str]
    report: dict[str, Any]
    memory: int

    @property
    def gaps(self) -> str:
        return " | ".join(gap["reason"] for one in self.report["coverage"] for gap in one.get("gaps", ()))


def read(folder: Path, *paths: Path) -> Run:
    """A process of its own, started by a small one: memory of the tests is not counted. Stopped after four minutes."""
    measured = folder / "memory"
    line = [
        str(AIMSCOPE),
        "scan",
        "pcap",
        "--names",
        "--json",
        "--output",
        str(folder / "report.json"),
        *map(str, paths),
    ]
    done = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURED, str(measured), *line],
        capture_output=True,
        env={**environment(folder, folder), "AIMSCOPE_DEBUG": "1"},
        timeout=240,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    names = frozenset(one.name for one in tshark.told(done.stdout))
    return Run(names, json.loads((folder / "report.json").read_text()), int(measured.read_text()))


@pytest.mark.parametrize("scene", hostile.SCENES, ids=lambda scene: scene.__name__)
def test_hostile(scene: hostile.Scene, tmp_path: Path) -> None:
    frames = (*hostile.good("before.example"), *scene(), *hostile.good("after.example"))
    run = read(tmp_path, hostile.write(tmp_path / "a.pcap", frames))
    assert run.names >= {"before.example", "after.example"}
    said = re.compile(r"(before|after|planted-\d{3}-[ab]|planted\.deep|planted\.in\.full)\.example|planted")
    assert not [name for name in run.names if not said.fullmatch(name)]
    assert run.memory < MEMORY


def test_a_million_half_open_hellos(tmp_path: Path) -> None:
    def frames() -> Iterator[bytes]:
        yield from hostile.good("before.example")
        yield from hostile.half_open()
        yield from hostile.good("after.example")

    path = hostile.write(tmp_path / "a.pcap", frames())
    run = read(tmp_path, path)
    path.unlink()
    assert run.names == {"before.example", "after.example"}
    assert "given up to stay within memory" in run.gaps
    (coverage,) = run.report["coverage"]
    given_up = next(gap["count"] for gap in coverage["gaps"] if "given up" in gap["reason"])
    assert hostile.MANY * 0.9 < given_up <= hostile.MANY, "what is let go of is counted"
    assert run.report["complete"] is False
    assert run.memory < MEMORY


def test_blocks_of_pcapng_that_lie(tmp_path: Path) -> None:
    frames = [*hostile.good("planted.example")]
    sound = section() + interface() + b"".join(packet(one, 10**15 + number) for number, one in enumerate(frames))
    ends = [section() + interface() + packet(frames[0], 10**15)]
    lying = [
        block(6, b"")[:4] + length.to_bytes(4, "little") + b"\0" * 60 for length in (0, 1, 11, 13, 2**31, 2**32 - 1)
    ]
    torn = [packet(frames[0], 10**15).replace(len(frames[0]).to_bytes(4, "little"), b"\xff\xff\xff\x7f")]
    far = [packet(frames[0], 10**15, number=7), interface(resolution=0xFF), interface(link=60_000) * 20_000]
    for number, tail in enumerate((*ends, *lying, *torn, *far)):
        path = tmp_path / f"{number}.pcapng"
        path.write_bytes(sound + tail + sound)
        run = read(tmp_path, path)
        assert run.names == {"planted.example"}
        assert run.memory < MEMORY
    chance = random.Random(6)
    paths = []
    for number in range(60):
        damaged = bytearray(sound * 3)
        for _ in range(chance.randrange(1, 6)):
            place = chance.choice([one.start() for one in re.finditer(rb"\x06\0\0\0|\n\r\r\n", bytes(damaged))])
            damaged[place + 4 : place + 8] = chance.choice([chance.randbytes(4), b"\0" * 4, b"\xff" * 4])
        paths.append(tmp_path / f"damaged{number}.pcapng")
        paths[-1].write_bytes(damaged)
    run = read(tmp_path, *paths)
    assert run.names <= {"planted.example"}
    assert run.report["complete"] is False
    assert run.memory < MEMORY


def planted(number: int, wrap: Any) -> tuple[list[bytes], set[str]]:
    """One of each protocol in a wrapping, and the names in it."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    client = f"10.3.0.{number + 1}"
    names = {what: f"{what}-{number}.example" for what in ("dns", "tls", "http", "quic", "six")}
    tls, web = Tcp(client=client), Tcp(client=client, port=8_080)
    six = Tcp(client=f"2001:db8::{number + 1:x}", server="2001:db8:9::9")
    bare = [udp(client, RESOLVER, (40_000, 53), query(names["dns"]))]
    bare += [*tls.open(), *reversed(tls.split(hello(names["tls"], pad=700), 500)), *tls.close()]
    bare += [*web.open(), web.send(request(names["http"])), *web.close()]
    bare += [udp(client, SERVER, (40_001, 443), data) for data in initial(names["quic"])]
    bare += [*six.open(), *six.split(hello(names["six"], pad=700), 500), *six.close()]
    packets = [(IPv6 if one[12:14] == b"\x86\xdd" else IP)(one[14:]) for one in bare]
    return [bytes(wrap(one)) for one in packets], set(names.values())


def initial(name: str) -> list[bytes]:
    """The first flight of a QUIC client, in two datagrams."""
    pytest.importorskip("aioquic")
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    many = ["h3", *(f"protocol-{one}" * 8 for one in range(12))]
    settings = QuicConfiguration(server_name=name, alpn_protocols=many, verify_mode=ssl.CERT_NONE)
    connection = QuicConnection(configuration=settings)
    connection.connect((SERVER, 443), now=0.0)
    return [data for data, _ in connection.datagrams_to_send(now=0.0)]


UNLIKE_TSHARK = {
    "pseudowire with control word": "it has to be told what is under a label",
    "pseudowire without": "it has to be told what is under a label",
    "pppd": "it takes one byte before the protocol, where Linux writes two",
    "vxlan, old port": "it has to be told which port",
    "loop": "scapy writes the family in the order of this machine, where that of the network belongs; we take both",
}
"""Wrappings of which tshark sees less, and why."""


def of_bytes(wrap: Callable[[bytes], bytes]) -> Callable[[Any], Any]:
    return lambda packet: wrap(bytes(packet))


def test_every_wrapping_and_every_link_type(tmp_path: Path) -> None:
    """The same five names in each, all of them found: and by tshark as well, but where it is said."""
    ways: list[tuple[str, int, Callable[[Any], Any]]] = [
        *((name, 1, wrap) for name, wrap in WRAPPED.items()),
        *((name, *way) for name, way in LINKS.items()),
    ]
    ways += ((name, link, of_bytes(wrap)) for name, (link, wrap) in hostile.MORE_LINKS.items())
    paths, expected, unlike = [], set(), {}
    for number, (name, link, wrap) in enumerate(ways):
        frames, names = planted(number, wrap)
        paths.append(hostile.write(tmp_path / f"{number}.pcap", frames, link))
        expected |= names
        if shutil.which("tshark"):
            theirs = {one.name for one in tshark.names(paths[-1])}
            assert theirs <= names, name
            if theirs != names:
                unlike[name] = sorted(names - theirs)
    run = read(tmp_path, *paths)
    assert run.names == expected
    assert run.report["complete"] is True, run.gaps
    assert set(unlike) <= set(UNLIKE_TSHARK), unlike


def test_headers_with_options_and_extensions(tmp_path: Path) -> None:
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    six = Tcp(client="2001:db8::1", server="2001:db8::2")
    sixes = (*six.open(), *six.split(hello("extensions.example", pad=900), 700))
    frames = [bytes(ether() / with_options(IP(one[14:]).payload)) for one in hostile.good("options.example")]
    frames += [bytes(ether() / with_extensions(IPv6(one[14:]).payload)) for one in sixes]
    path = hostile.write(tmp_path / "a.pcap", frames)
    assert read(tmp_path, path).names == {"options.example", "extensions.example"}
    assert {one.name for one in tshark.names(path)} == {"options.example", "extensions.example"}


def test_a_link_type_that_is_not_known_is_said(tmp_path: Path) -> None:
    known = hostile.write(tmp_path / "known.pcap", hostile.good("known.example"))
    other = hostile.write(tmp_path / "other.pcap", hostile.good("hidden.example"), link=147)
    run = read(tmp_path, other, known)
    assert run.names == {"known.example"}
    assert "frames of link type 147, which is not known" in run.gaps
    assert run.report["complete"] is False


@pytest.mark.parametrize("lost", [1, 2], ids=["in the middle", "at its end"])
def test_a_hello_of_which_a_segment_was_never_captured_is_said(lost: int, tmp_path: Path) -> None:
    """As a mirror port loses it: the name is not found, and that is not complete."""
    connection = Tcp()
    opened = connection.open()
    segments = connection.split(hello("lost.example", pad=1_500), 500, 500)
    frames = [*opened, *(one for number, one in enumerate(segments) if number != lost), *connection.close()]
    run = read(tmp_path, hostile.write(tmp_path / "a.pcap", frames))
    assert run.names == frozenset()
    assert run.report["complete"] is False
    assert "never seen whole" in run.gaps
