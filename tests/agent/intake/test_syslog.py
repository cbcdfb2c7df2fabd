from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_agent.intake.syslog import LONGEST, Counts, Endpoint, ListenError, Syslog, _Framing, endpoint

HERE = "127.0.0.1"


@pytest.fixture
def tcp() -> Iterator[Syslog]:
    listener = Syslog((Endpoint("tcp", HERE, 0),))
    yield listener
    listener.close()


@pytest.fixture
def udp() -> Iterator[Syslog]:
    listener = Syslog((Endpoint("udp", HERE, 0),), most_waiting=10_000)
    yield listener
    listener.close()


def collect(listener: Syslog, number: int, seconds: float = 10.0) -> list[bytes]:
    found: list[bytes] = []
    deadline = time.monotonic() + seconds
    while len(found) < number and time.monotonic() < deadline:
        found += [message.data for message in listener.take(0.05)]
    return found


def send(listener: Syslog, *pieces: bytes) -> None:
    with socket.create_connection(listener.bound[0]) as connection:
        for piece in pieces:
            connection.sendall(piece)


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        (b"<13>one\n<13>two\r\n", [b"<13>one", b"<13>two"]),
        (b"6 <13>on9 <13>two\nx", [b"<13>on", b"<13>two\nx"]),
        (b"7 <13>one<13>two\n7 <13>thr", [b"<13>one", b"<13>two", b"<13>thr"]),
        (b"2026-11-23T10:00:00Z begins with digits\n", [b"2026-11-23T10:00:00Z begins with digits"]),
        (b"12345678 is no count of octets\n", [b"12345678 is no count of octets"]),
        (b"<13>without an end", [b"<13>without an end"]),
        (b"\n\n<13>one\n\n", [b"<13>one"]),
    ],
)
def test_messages_of_a_stream(tcp: Syslog, stream: bytes, messages: list[bytes]) -> None:
    send(tcp, stream)
    assert collect(tcp, len(messages)) == messages


def test_a_stream_may_come_in_any_pieces(tcp: Syslog) -> None:
    send(tcp, b"1", b"1 <13>", b"counted", b"<13>li", b"ne\n")
    assert collect(tcp, 2) == [b"<13>counted", b"<13>line"]


def test_a_message_that_is_too_long_is_cut_and_the_next_one_whole(tcp: Syslog) -> None:
    long = b"x" * (LONGEST + 5_000)
    send(tcp, long + b"\n<13>next\n" + str(len(long)).encode() + b" " + long + b"8 <13>last")
    assert [len(data) for data in collect(tcp, 4)] == [LONGEST, 8, LONGEST, 8]
    assert tcp.counts.cut == 2


def test_a_sender_is_slowed_down_while_nobody_takes() -> None:
    listener = Syslog((Endpoint("tcp", HERE, 0),), most_waiting=5_000)
    lines = (b"y" * 99 + b"\n") * 100
    try:
        with socket.create_connection(listener.bound[0]) as connection:
            connection.settimeout(0.5)
            sent = whole = 0
            with contextlib.suppress(TimeoutError):
                while sent < 100_000_000:
                    number = connection.send(lines)
                    sent, whole = sent + number, whole + lines[:number].count(b"\n")
            assert sent < 100_000_000
            assert (listener.counts.messages <= 5_000 // 99, listener.counts.dropped) == (True, 0)
            assert len(collect(listener, whole, 60)) == whole
    finally:
        listener.close()


def test_datagrams_are_messages_and_what_finds_no_room_is_counted(udp: Syslog) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"<13>one\n", udp.bound[0])
        assert collect(udp, 1) == [b"<13>one"]
        for _ in range(30):
            sender.sendto(b"z" * 1_000, udp.bound[0])
        deadline = time.monotonic() + 10
        while udp.counts.messages + udp.counts.dropped < 31 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert (udp.counts.messages, udp.counts.dropped) == (9, 22)  # keeping one costs a little more than its bytes


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


def test_tls(certificate: tuple[Path, Path]) -> None:
    listener = Syslog((Endpoint("tls", HERE, 0),), certificate=certificate[0], key=certificate[1])
    try:
        context = ssl.create_default_context(cafile=str(certificate[0]))
        with (
            socket.create_connection(listener.bound[0]) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(b"7 <13>one")
            assert collect(listener, 1) == [b"<13>one"]
        with socket.create_connection(listener.bound[0]) as plain:
            plain.sendall(b"<13>not encrypted\n")
        assert collect(listener, 1, 0.5) == []
    finally:
        listener.close()


def test_what_cannot_be_listened_on_is_said() -> None:
    with socket.create_server((HERE, 0)) as taken, pytest.raises(ListenError, match="cannot listen on tcp"):
        Syslog((Endpoint("tcp", HERE, taken.getsockname()[1]),))
    with pytest.raises(ListenError, match="--tls-cert"):
        Syslog((Endpoint("tls", HERE, 0),))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("udp://127.0.0.1:514", True),
        ("tcp://[::1]:514", True),
        ("tls://0.0.0.0:6514", True),
        ("tcp://localhost:514", True),
        ("tcp://0.0.0.0:514", False),
        ("udp://192.0.2.1:514", False),
        ("http://127.0.0.1:1", False),
        ("tcp://127.0.0.1", False),
        ("tcp://127.0.0.1:99999", False),
        ("514", False),
    ],
)
def test_unencrypted_only_on_this_machine_unless_allowed(text: str, fits: bool) -> None:
    if fits:
        assert endpoint(text, allow_plain=False).port
    else:
        with pytest.raises(ListenError):
            endpoint(text, allow_plain=False)
    if "0.0.0.0" in text:
        assert endpoint(text, allow_plain=True).host == "0.0.0.0"


def framed(pieces: list[bytes]) -> list[bytes]:
    framing = _Framing(Counts())
    found = [message for piece in pieces for message in framing.feed(piece)]
    with contextlib.suppress(ValueError):
        found.append(framing.last())
    return found


@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([b"5 hello", b"3 a\nb", b"12", b" ", b"\n", b"\0", b"99999 x"])),
    st.integers(1, 20),
)
def test_messages_do_not_depend_on_how_they_arrive(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    assert framed([data]) == framed([data[at : at + size] for at in range(0, len(data), size)] or [b""])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=6))
def test_any_bytes_leave_the_listener_alive(pieces: list[bytes]) -> None:
    listener = Syslog((Endpoint("tcp", HERE, 0),))
    try:
        send(listener, *pieces)
        send(listener, b"<13>still here\n")
        deadline = time.monotonic() + 10
        found: list[bytes] = []
        while b"<13>still here" not in found and time.monotonic() < deadline:
            found += [message.data for message in listener.take(0.02)]
        assert b"<13>still here" in found
    finally:
        listener.close()
