"""Starts the corpora of targets with this repository's samples, in the form each target reads.

Run: `PYTHONPATH=agent:signatures python tests/fuzz/seeds.py fuzz_sources CORPUS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import pack

from aimscope_agent.logs.registry import built_in
from aimscope_agent.sources._registry import sources

DATA = Path(__file__).parents[1] / "_data"


def dnstap() -> Iterator[bytes]:
    """Whole, and its frames as messages."""
    sample = (DATA / "formats" / "dnstap" / "sample.tap").read_bytes()
    yield sample
    yield b"\0" + sample[:600]


def of_sources() -> Iterator[bytes]:
    """A byte for the source, and a sample of it."""
    for number, name in enumerate(sources()):
        for path in sorted((DATA / "sources" / name).iterdir()):
            if path.name != "expected.json":
                yield bytes([number]) + path.read_bytes()


def log_lines() -> Iterator[bytes]:
    """A byte for the format, and the first lines of each sample of it."""
    for number, name in enumerate(built_in()):
        for path in sorted((DATA / "formats" / name).glob("sample*.log")):
            yield bytes([number]) + path.read_bytes()[:2_000]


def log_documents() -> Iterator[bytes]:
    """Beginnings of logs, as they are and in UTF-16."""
    for path in sorted((DATA / "formats").glob("*/sample*")):
        start = path.read_bytes()[:1_000]
        yield b"\0" + start
        yield b"\0" + start[:300].decode("utf-8", "replace").encode("utf-16")


def syslog() -> Iterator[bytes]:
    """Lines, ended by a line feed and counted in octets."""
    for path in sorted((DATA / "formats").glob("*/sample*.log")):
        line = path.read_bytes().split(b"\n")[0][:300]
        yield b"\0" + line + b"\n" + b"%d " % len(line) + line


def zone() -> Iterator[bytes]:
    """Records of every kind that is looked at, and targets."""
    yield b"\0$ORIGIN corp.example.\n@ IN SOA ns1 me 1 3600 600 86400 300\nchat IN CNAME bot\nbot 300 IN A 10.0.0.9\n"
    yield b'\1web HTTPS 0 svc.cdn.example.\napi HTTPS 1 . alpn=h2\nnotes TXT "a ; b" ( "over"\n "lines" )\nx DNAME y.\n'
    yield b"\0chat.corp.example # our own\n10.0.0.7\n10.0.0.0/24\n10.0.0.1-40\nfd00::1-fd00::ff\n[fd00::7]\n"


def answers() -> Iterator[bytes]:
    """What servers say of themselves."""
    yield b'\1Content-Length: 38\r\n\r\n{"object":"list","data":[{"id":"m-1"}]}'
    yield b'\4b\r\n{"a":"b c"}\r\n0\r\n\r\n'
    yield (
        b'\5message\ndata: {"jsonrpc":"2.0","id":1,'
        b'"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"x"}}}\n\n'
    )
    yield b"\5endpoint\ndata: /messages?session=1\n\n"
    yield b"\6/ui/?a=b\r\nServer: uvicorn\r\n\r\n"
    yield b"\7A &amp; B</title></html>"
    yield b'\10"x","version":"1"}}}'
    yield b'\1\r\n{"version":"0.5.1","models":[{"name":"llama3:8b"},{"model":"phi"}]}'


def frames() -> Iterator[bytes]:
    """A hello in two segments, requests, questions, fragments."""
    for what in range(256):
        yield (
            bytes([6, 8, 0, 0, 0])
            + bytes([what, 96, what % 11, 0, 12])
            + b"a.example\r\n\r\n"
            + bytes([6, 96, 0, 8, 4])
            + b"abcd"
        )


def capture_files() -> Iterator[bytes]:
    """A packet after each beginning."""
    for pick in range(32):
        yield (
            bytes([pick, 99])
            + pack("<IIII", 1, 2, 4, 4)
            + b"abcd"
            + pack("<IIIIIIII", 6, 36, 0, 0, 0, 4, 4, 0)
            + b"$\0\0\0"
        )
        yield bytes([pick, 99]) + pack("<IIIHHQII", 5, 32, 0, 5, 8, 3, 0, 32) + pack("<III", 3, 16, 4) + b"\x10\0\0\0"


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "fuzz_dnstap": dnstap,
    "fuzz_sources": of_sources,
    "fuzz_log_lines": log_lines,
    "fuzz_log_documents": log_documents,
    "fuzz_syslog": syslog,
    "fuzz_zone": zone,
    "fuzz_answers": answers,
    "fuzz_frames": frames,
    "fuzz_capture_files": capture_files,
}


def main(target: str, corpus: Path) -> None:
    """Write each seed as a file of its own."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[target]()):
        (corpus / f"seed-{number:04}").write_bytes(seed)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
