"""Signs of life a second: on kept-alive connections, and with a new TLS connection each, beside a bare ASGI route.

Load generator and server share the machine's cores; the server is granian as the collector configures it.

    .venv/bin/python benchmarks/collector/checkins.py [--database postgresql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ingest
import processes
from measure import machine


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "benchmark")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return cert, private


def serve(where: str, keys: str, port: int, folder: Path, *, bare: bool) -> None:
    """The server's process, with TLS."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    app = ingest.bare_app if bare else processes.collector_app(where, keys)
    cert, key = folder / "cert.pem", folder / "key.pem"
    interface, http = Interfaces.ASGI, HTTPModes.http1
    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=interface,
        http=http,
        log_enabled=False,
        ssl_cert=cert,
        ssl_key=key,
        backlog=8_192,
    )
    asyncio.run(server.serve())


async def connect_each(port: int, requests: list[list[bytes]], context: ssl.SSLContext) -> tuple[float, int]:
    """Every request on a connection of its own: seconds, and answers that are good."""
    good = 0

    async def lane(mine: list[bytes]) -> None:
        nonlocal good
        for each in mine:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            good += head[9:12] == b"200"
            writer.transport.abort()

    began = time.perf_counter()
    await asyncio.gather(*(lane(mine) for mine in requests))
    return time.perf_counter() - began, good


def over_tls(name: str, where: str, keys: str, folder: Path, requests: list[list[bytes]], *, bare: bool) -> float:
    port = ingest.free_port()
    command = [sys.executable, __file__, "--serve", str(port), "--database", where, "--keys", keys]
    command += ["--folder", str(folder), *(["--bare"] if bare else [])]
    process = subprocess.Popen(command)
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    context.check_hostname = False
    context.options |= ssl.OP_NO_TICKET
    try:
        processes.wait_for(port)
        before = ingest.processor(process.pid)
        seconds, good = asyncio.run(connect_each(port, requests, context))
        busy = ingest.processor(process.pid) - before
        memory = ingest.peak(process.pid)
    finally:
        process.terminate()
        process.wait()
    rate = good / seconds
    print(f"{name:44} {rate:10,.0f}/s  {memory:6.1f} MB  {busy / seconds:4.2f} cores of the server", flush=True)
    return rate


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--agents", type=int, default=5_000)
    options.add_argument("--check-ins", type=int, default=60_000)
    options.add_argument("--connections", type=int, default=4_000, help="new TLS connections")
    options.add_argument("--at-once", type=int, default=16)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--database", default="")
    options.add_argument("--serve", type=int, default=0)
    options.add_argument("--keys", default="")
    options.add_argument("--folder", type=Path)
    options.add_argument("--bare", action="store_true")
    given = options.parse_args()
    if given.serve:
        serve(given.database, given.keys, given.serve, given.folder, bare=given.bare)
        return
    from aimscope_collector import keys

    print(machine(), f"agents {given.agents}, at once {given.at_once}")

    def lanes(count: int) -> list[list[bytes]]:
        each = count // given.at_once
        return [
            [ingest.check_in(f"a{(lane * 7919 + n) % given.agents}") for n in range(each)]
            for lane in range(given.at_once)
        ]

    with tempfile.TemporaryDirectory(prefix="bench-") as text:
        folder = Path(text)
        keys.create(folder / "keys", secrets.token_bytes)
        certificate(folder)
        where = given.database or f"{folder}/collector.db"
        ingest.prepare(where, given.agents)
        both = (where, f"{folder}/keys")
        for _ in range(given.runs):
            bare = ingest.measure("bare route, kept-alive", *both, lanes(given.check_ins), 1, bare=True)
            ours = ingest.measure("check-ins, kept-alive", *both, lanes(given.check_ins), 1)
            print(f"ratio to the bare route: {ours / bare:.2f}")
            bare = over_tls("bare route, a TLS connection each", *both, folder, lanes(given.connections), bare=True)
            ours = over_tls("check-ins, a TLS connection each", *both, folder, lanes(given.connections), bare=False)
            print(f"ratio to the bare route: {ours / bare:.2f}")


if __name__ == "__main__":
    main()
