"""Real clients on a private network, captured by other programs: our names are tshark's names, each as often."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end import tshark
from tests.end_to_end.client_servers import H2C, PROXY, RETRY, SOCKS
from tests.end_to_end.clients import ALIAS, INTERFACES, RESOLVER, Network, address, chromium, curl, need, page_of, rules
from tests.end_to_end.program import AIMSCOPE, environment

pytestmark = pytest.mark.e2e

AI = ("claude.ai", "chatgpt.com", "api.openai.com", "huggingface.co", "api.mistral.ai")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    need("tshark")
    made = Network(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


def web(network: Network, home: Path) -> None:
    """curl: TLS and not, versions of HTTP, kept connections, bodies of every form, ports, IPv6."""
    one = network.one
    for options in ((), ("--http1.1",), ("--http1.0",), ("--tlsv1.3",), ("--tls-max", "1.2"), ("-4",), ("-6",)):
        curl(one, *options, "https://api.openai.com/v1/models")
    curl(one, "https://claude.ai:8443/", "https://claude.ai:8443/again", "https://chatgpt.com/")
    curl(one, "https://CLAUDE.ai./")
    body = home / "body"
    body.write_bytes(b"GET / HTTP/1.1\r\nHost: not.a.request.example\r\n\r\n" * 2_000)
    first, second = (f"http://api.anthropic.com:8080/{path}" for path in ("v1/messages", "next"))
    curl(one, "--data-binary", f"@{body}", first, second)
    for more in ((), ("-H", "Transfer-Encoding: chunked")):
        curl(one, *more, "-T", str(body), first, "-T", str(body), second)
    curl(
        one,
        "-4",
        "http://www.example.org/",
        "http://www.example.org/two?q=http://not.this.example/",
        "http://chatgpt.com/",
    )
    curl(one, "--http2", "http://gemini.google.com/upgrade")
    curl(one, "http://[fd77:9::1]/", f"http://{RESOLVER}:11434/api/tags")
    curl(one, "-H", "Host: claude.ai:80", f"http://{RESOLVER}/")


def second_version(network: Network, home: Path) -> None:
    """HTTP/2 without encryption: curl and node, several requests on one connection."""
    curl(network.one, "--http2-prior-knowledge", f"http://chatgpt.com:{H2C}/")
    need("node")
    script = (
        f"const c = require('http2').connect('http://huggingface.co:{H2C}');"
        "let left = 5; for (let i = 0; i < 5; i++) {"
        "  const r = c.request({':path': '/' + i, 'x-pad': 'y'.repeat(i * 900),"
        "    ':authority': i == 3 ? 'api.mistral.ai' : 'huggingface.co'});"
        "  r.resume(); r.on('close', () => --left || c.close()); }"
    )
    network.one.run("node", "-e", script)


def proxies(network: Network, home: Path) -> None:
    """curl through proxies: CONNECT, absolute requests, SOCKS 4a and 5, with a password, by name and by address."""
    one, there = network.one, f"{RESOLVER}:{SOCKS}"
    through = ("-x", f"http://{RESOLVER}:{PROXY}")
    curl(one, *through, "https://huggingface.co/", "https://claude.ai/", "http://www.example.org/plain")
    curl(one, *through, "--proxy-user", "who:secret", "https://api.openai.com:8443/")
    curl(one, "--socks5-hostname", there, "https://chatgpt.com/")
    curl(one, "--socks5-hostname", there, "http://www.example.org/")
    curl(one, "--socks4a", there, "https://claude.ai/")
    curl(one, "-4", "--socks5", there, "https://api.mistral.ai/")
    one.run("curl", "-sk", "-m", "5", "--haproxy-protocol", "https://api.openai.com/", check=False)


def openssl(network: Network, home: Path) -> None:
    """openssl: versions, many groups, hellos of several segments, two hellos on one connection, no name."""
    need("openssl")

    def hello(name: str, *options: str, port: int = 443) -> None:
        line = ("openssl", "s_client", "-connect", f"{address(name)}:{port}", "-servername", name, *options)
        network.one.run(*line, check=False)

    hello("api.openai.com")
    hello("claude.ai", "-groups", "X25519:P-256:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096")
    hello("chatgpt.com", "-tls1_2")
    hello("Api.Mistral.AI", "-no_ticket", "-cipher", "ALL:COMPLEMENTOFALL")
    for size in (1_300, 1_460, 3_000, 9_000):
        hello("huggingface.co", "-alpn", ",".join(f"protocol-{one:04}" for one in range(size // 14)))
    hello("api.anthropic.com", port=RETRY)
    network.one.run("openssl", "s_client", "-connect", f"{RESOLVER}:443", "-noservername", check=False)


def questions(network: Network, home: Path) -> None:
    """dig: types, transports, extensions, aliases; one connection for many questions."""
    need("dig")
    for options in (
        (),
        ("+tcp",),
        ("+noedns",),
        ("+dnssec", "+bufsize=4096"),
        ("+subnet=192.0.2.0/24",),
        ("+nocookie",),
    ):
        for kind in ("A", "AAAA", "HTTPS", "TXT", "ANY"):
            network.one.run("dig", f"@{RESOLVER}", "+time=2", "+tries=1", *options, "api.openai.com", kind, check=False)
    network.one.run("dig", f"@{RESOLVER}", ALIAS, "claude.ai", "MiXeD.Example.ORG", "-x", "192.0.2.7", ".", "NS")
    network.one.run("dig", f"@{RESOLVER}", "+tcp", "+keepopen", *(f"{one}.example" for one in range(9)), ALIAS)
    network.one.run("dig", "@fd77:9::1", "+tries=1", "chatgpt.com", "AAAA")
    network.one.run("dig", f"@{RESOLVER}", "-p", "5353", "+time=1", "+tries=1", "printer.local", check=False)
    many = """
import socket, struct, sys
def ask(number, name):
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\\0"
    whole = struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + labels + b"\\0\\1\\0\\1"
    return struct.pack(">H", len(whole)) + whole
three = b"".join(ask(number, f"pipelined{number}.example") for number in range(3))
with socket.create_connection((sys.argv[1], 53), 5) as one:
    one.sendall(three)
    one.recv(4096)
with socket.create_connection((sys.argv[1], 53), 5) as one:
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in ask(9, "byte-by-byte.example"):
        one.send(bytes([byte]))
    one.recv(4096)
"""
    network.one.run(sys.executable, "-c", many, RESOLVER)


def programs(network: Network, home: Path) -> None:
    """Python, node and git, as programs use them."""
    script = (
        "import ssl, sys, urllib.request as r; c = ssl._create_unverified_context()\n"
        "for url in sys.argv[1:]: r.urlopen(url, context=c, timeout=9).read()"
    )
    network.one.run(sys.executable, "-c", script, "https://api.openai.com/v1/models", "https://claude.ai/")
    network.one.run(sys.executable, "-c", script.replace(", context=c", ""), "http://www.example.org:8080/a")
    script = "import httpx; c = httpx.Client(verify=False); [c.get('https://api.anthropic.com/v1') for _ in range(3)]"
    network.one.run(sys.executable, "-c", script)
    need("node", "git")
    urls = ["https://chatgpt.com/", "https://api.mistral.ai:8443/v1"]
    script = f"for (const url of {urls}) require('https').get(url, r => r.resume())"
    network.one.run("node", "-e", script, environ={"NODE_TLS_REJECT_UNAUTHORIZED": "0"})
    environ = {"GIT_SSL_NO_VERIFY": "1", "GIT_TERMINAL_PROMPT": "0", "HOME": str(home)}
    network.one.run("git", "ls-remote", "https://huggingface.co/org/model", environ=environ, check=False)


QUIC = """
import asyncio, ssl, sys
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.quic.configuration import QuicConfiguration
name, where, version, protocols, upload = sys.argv[1:]
class Http3(QuicConnectionProtocol):
    def quic_event_received(self, event):
        for one in h3.handle_event(event) if "h3" in globals() else ():
            if getattr(one, "stream_ended", False):
                done.set()
async def main():
    global h3, done
    done = asyncio.Event()
    versions = {"1": [1], "2": [0x6B3343CF], "12": [1, 0x6B3343CF]}[version]
    settings = QuicConfiguration(alpn_protocols=["h3", *protocols.split()], server_name=name, verify_mode=ssl.CERT_NONE)
    settings.supported_versions = versions
    settings.original_version = versions[0]
    async with connect(where, 443, configuration=settings, create_protocol=Http3) as client:
        h3 = H3Connection(client._quic)
        stream = client._quic.get_next_available_stream_id()
        asked = (":method", "POST"), (":scheme", "https"), (":authority", name), (":path", "/v1/files")
        h3.send_headers(stream, [(key.encode(), value.encode()) for key, value in asked])
        h3.send_data(stream, bytes(int(upload)), end_stream=True)
        client.transmit()
        await asyncio.wait_for(done.wait(), 30)
asyncio.run(main())
"""


def datagrams(network: Network, home: Path) -> None:
    """aioquic: versions 1 and 2, agreed upon on the way, hellos of several datagrams, IPv6, a large upload."""
    long = " ".join(f"protocol-{one:03}" * 3 for one in range(60))
    for name, version, protocols, six, upload in (
        ("api.openai.com", "1", "", False, 3_000_000),
        ("claude.ai", "2", "", False, 10),
        ("chatgpt.com", "12", "", False, 10),
        ("huggingface.co", "1", long, False, 10),
        ("api.mistral.ai", "2", long, True, 10),
    ):
        where = address(name, six=six)
        network.one.run(sys.executable, "-c", QUIC, name, where, version, protocols, str(upload))


def browser(network: Network, home: Path) -> None:
    """Chromium: its own questions, hellos with a post-quantum key and a pretended encrypted hello, over TCP."""
    chromium(network, network.one, home / "chromium", "https://www.example.org" + page_of(AI))


def browser_datagrams(network: Network, home: Path) -> None:
    """Chromium over QUIC: hellos in shuffled pieces, over two datagrams, on IPv4 and on IPv6."""
    forced = ",".join(f"{name}:443" for name in ("www.example.org", *AI))
    for six in (False, True):
        options = (f"--origin-to-force-quic-on={forced}", rules(six=six))
        chromium(network, network.one, home / f"quic{six}", "https://www.example.org" + page_of(AI), *options)


Scene = Callable[[Network, Path], None]
SCENES: dict[Scene, dict[str, set[str]]] = {
    web: {"tls_sni": {"api.openai.com", "claude.ai", "chatgpt.com"}, "http_host": {"claude.ai", "gemini.google.com"}},
    second_version: {"http2_authority": {"chatgpt.com", "huggingface.co", "api.mistral.ai"}},
    proxies: {
        "http_connect": {"huggingface.co", "claude.ai", "api.openai.com"},
        "socks_host": {"chatgpt.com", "www.example.org", "claude.ai"},
        "tls_sni": {"huggingface.co", "claude.ai", "api.openai.com", "chatgpt.com", "api.mistral.ai"},
        "http_host": {"www.example.org"},
    },
    openssl: {"tls_sni": {*AI, "api.anthropic.com"}},
    questions: {"dns_qname": {"api.openai.com", ALIAS, "8.example", "pipelined2.example", "byte-by-byte.example"}},
    programs: {"tls_sni": {*AI, "api.anthropic.com"}, "http_host": {"www.example.org"}},
    datagrams: {"quic_sni": set(AI)},
    browser: {"tls_sni": {*AI, "www.example.org"}, "dns_qname": {*AI, "www.example.org"}},
    browser_datagrams: {"quic_sni": {*AI, "www.example.org"}},
}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_names_are_the_oracles(scene: Scene, network: Network, tmp_path: Path) -> None:
    """On the gateway's interface by tcpdump, and on all of the client's by dumpcap, in another form and link type."""
    plain, cooked = tmp_path / "plain.pcap", tmp_path / "cooked.pcapng"
    everywhere = network.captured(cooked, where=network.one, interface="any", tool="dumpcap")
    with network.captured(plain), everywhere:
        scene(network, tmp_path)
    for path in (plain, cooked):
        answer = network.aimscope("scan", "pcap", "--names", "--quiet", path)
        ours, theirs = tshark.told(answer.stdout), tshark.names(path)
        assert ours - theirs == Counter(), "nothing is invented"
        assert theirs - ours == Counter(), "nothing is lost"
        assert tshark.printed(answer.stdout) == tshark.fingerprints(path)
        for kind, expected in SCENES[scene].items():
            assert expected <= {one.name for one in ours if one.kind == kind}


def test_every_form_of_the_same_capture(network: Network, tmp_path: Path) -> None:
    need("gzip", "zstd")
    path = tmp_path / "whole.pcap"
    with network.captured(path):
        curl(network.one, "https://api.openai.com/", "https://claude.ai/")
        curl(network.two, "http://chatgpt.com/")
    expected = tshark.told(network.aimscope("scan", "pcap", "--names", "--quiet", path).stdout)
    assert expected == tshark.names(path)
    network.one.run("gzip", "--keep", path)
    network.one.run("zstd", "--quiet", path)
    network.one.run("tshark", "-r", path, "-F", "pcapng", "-w", tmp_path / "whole.pcapng")
    network.one.run("tshark", "-r", path, "-F", "nsecpcap", "-w", tmp_path / "fine.pcap")
    for name in ("whole.pcap.gz", "whole.pcap.zst", "whole.pcapng", "fine.pcap"):
        assert tshark.told(network.aimscope("scan", "pcap", "--names", "--quiet", tmp_path / name).stdout) == expected
        line = f"exec {AIMSCOPE} scan pcap --names --quiet - < {tmp_path / name}"
        assert tshark.told(network.one.run("sh", "-c", line).stdout) == expected, f"{name} from standard input"


def test_a_name_that_is_none_is_not_made_one(network: Network, tmp_path: Path) -> None:
    """What others show with escapes, and hellos for addresses, are no names."""
    need("dig", "openssl")
    path = tmp_path / "odd.pcap"
    with network.captured(path):
        for name in (
            "with\\032space.example",
            "with\\000zero.example",
            "dot\\.inside.example",
            "caf\\195\\169.example",
        ):
            network.one.run("dig", f"@{RESOLVER}", name)
        line = ("openssl", "s_client", "-connect", f"{RESOLVER}:443", "-servername")
        for name in (RESOLVER, "with space.example", "a" * 64 + ".example", "api.openai.com/"):
            network.one.run(*line, name, check=False)
        network.one.run("dig", f"@{RESOLVER}", "after.example")
    answer = network.aimscope("scan", "pcap", "--names", "--quiet", path)
    assert {name.name for name in tshark.told(answer.stdout)} == {"after.example"}


def test_live_names_are_the_oracles(network: Network, tmp_path: Path) -> None:
    """Our own capture, on two interfaces at once, next to another program's."""
    need("dig", "openssl")
    config = tmp_path / "config.yaml"
    config.write_text("gateway: {names_on_live_traffic: true}\n")
    both = [word for name in INTERFACES for word in ("-i", name)]
    line = [str(AIMSCOPE), "watch", *both, "--names", "--for", "60"]
    environ = {**environment(tmp_path, tmp_path), "AIMSCOPE_CONFIG": str(config)}
    paths = [tmp_path / f"{name}.pcap" for name in INTERFACES]
    with network.captured(paths[0], interface="one"), network.captured(paths[1], interface="two"):
        watch = network.gateway.start(*line, environ=environ)
        assert watch.stderr
        assert b"Watching one, two" in watch.stderr.readline()
        questions(network, tmp_path)
        proxies(network, tmp_path)
        curl(network.two, "https://claude.ai/", "http://www.example.org/")
        time.sleep(1)
        watch.send_signal(signal.SIGTERM)
        said, more = watch.communicate(timeout=30)
    *lines, last = said.decode().splitlines()
    ours, theirs = tshark.told("\n".join(lines)), sum(map(tshark.names, paths), Counter())
    assert ours - theirs == Counter(), more.decode()
    assert theirs - ours == Counter(), last
    report = json.loads(last)
    assert {"claude", "openai-api", "chatgpt"} <= {row["service"] for row in report["findings"]}
    found = [(one["service"], one["client"]) for one in map(json.loads, lines) if "service" in one]
    assert {("claude", "10.77.1.2"), ("openai-api", "10.77.1.2")} <= set(found)
    assert len(found) == len(set(found)), "each use is said once"
    assert report["coverage"][0]["counts"]["names"] == sum(ours.values())
