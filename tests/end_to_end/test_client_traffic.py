"""What the traffic of real clients proves: who used what, how much was sent, and what could not be seen."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import tshark
from tests.end_to_end.client_servers import LARGE
from tests.end_to_end.clients import (
    ONE,
    RESOLVER,
    SIX,
    TWO,
    Network,
    Space,
    address,
    chromium,
    curl,
    need,
    page_of,
    rules,
)
from tests.end_to_end.program import evidence, services
from tests.end_to_end.test_real_clients import QUIC

pytestmark = pytest.mark.e2e

FOUR = rules()
"""Chromium's connections over IPv4 only, as its questions are."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    need("tshark", "openssl", "dig")
    made = Network(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


def judged(network: Network, *paths: Path, exit_code: int = 0, options: tuple[str, ...] = ()) -> dict[str, Any]:
    answer = network.aimscope("scan", "pcap", "--json", *options, *paths)
    assert answer.returncode == exit_code, answer.stderr
    report: dict[str, Any] = json.loads(answer.stdout)
    return report


def gaps(report: dict[str, Any]) -> set[tuple[str, str]]:
    """Whose, and why in its first words."""
    return {
        (gap["source"], gap["reason"].split(":")[0][:30]) for one in report["coverage"] for gap in one.get("gaps", ())
    }


def ask(space: Space, name: str) -> None:
    space.run("dig", f"@{RESOLVER}", "+tries=2", name)


def connect(space: Space, name: str, *options: str, port: int = 443) -> None:
    """TLS to the address of a name, without saying the name."""
    line = ("openssl", "s_client", "-connect", f"{address(name)}:{port}", *(options or ("-noservername",)))
    space.run(*line, check=False)


def test_a_connection_without_a_name_belongs_to_the_answer_its_client_got(network: Network, tmp_path: Path) -> None:
    with network.captured(tmp_path / "one.pcap"), network.captured(tmp_path / "two.pcap", interface="two"):
        ask(network.one, "api.openai.com")
        connect(network.one, "api.openai.com")
        connect(network.two, "api.openai.com")
        ask(network.two, "intranet.example.org")
        connect(network.two, "intranet.example.org")
    report = judged(network, tmp_path / "one.pcap", tmp_path / "two.pcap")
    (shown,) = evidence(report, "openai-api", "connection")
    assert (shown["asset"], shown["fields"]["host"]) == (ONE, "api.openai.com")
    assert services(report) == {"openai-api"}
    assert {one["asset"] for one in evidence(report, "openai-api")} == {ONE}
    assert gaps(report) == {(TWO, "encrypted connections without ")}


def test_an_answer_that_has_expired_leads_nowhere(network: Network, tmp_path: Path) -> None:
    need("editcap", "mergecap")
    with network.captured(tmp_path / "question.pcap"):
        ask(network.one, "claude.ai")
    with network.captured(tmp_path / "connection.pcap"):
        connect(network.one, "claude.ai")
    for later, expected in ((0, True), (50, True), (120, False)):
        moved, whole = tmp_path / f"moved{later}.pcap", tmp_path / f"whole{later}.pcap"
        network.one.run("editcap", "-t", f"+{later}", tmp_path / "connection.pcap", moved)
        network.one.run("mergecap", "-w", whole, tmp_path / "question.pcap", moved)
        assert bool(evidence(judged(network, whole), "claude", "connection")) is expected, f"after {later} s"


def test_volumes_of_tcp_are_the_truth_and_those_of_quic_are_unknown(network: Network, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(3_000_000))
    with network.captured(tmp_path / "up.pcap"):
        curl(network.one, "-4", "--data-binary", f"@{upload}", "https://api.openai.com/v1/files")
    report = judged(network, tmp_path / "up.pcap")
    (row,) = report["findings"]
    (shown,) = evidence(report, "openai-api", "tls.client_hello")
    assert row["presence"] == "uploaded"
    assert shown["bytes_out"] == pytest.approx(3_000_000, rel=0.02)
    assert shown["bytes_out"] == pytest.approx(tshark.sent(tmp_path / "up.pcap", ONE), rel=0.001)

    with network.captured(tmp_path / "down.pcap"):
        curl(network.one, "-4", "https://api.openai.com/large")
    report = judged(network, tmp_path / "down.pcap")
    (shown,) = evidence(report, "openai-api", "tls.client_hello")
    assert report["findings"][0]["presence"] == "used", "what is fetched is not sent"
    assert shown["bytes_in"] == pytest.approx(LARGE, rel=0.02)

    with network.captured(tmp_path / "quic.pcap"):
        where = address("api.openai.com")
        network.one.run(sys.executable, "-c", QUIC, "api.openai.com", where, "1", "", "3000000")
    report = judged(network, tmp_path / "quic.pcap")
    (shown,) = evidence(report, "openai-api")
    names = tshark.told(network.aimscope("scan", "pcap", "--names", "--quiet", tmp_path / "quic.pcap").stdout)
    assert {one.kind for one in names} == {"quic_sni"}
    assert report["findings"][0]["presence"] == "used"
    assert not {"bytes_out", "bytes_in"} & set(shown), "unknown is not zero"


def test_what_hides_names_is_said_of_each_client(network: Network, tmp_path: Path) -> None:
    need("curl", "chromium")
    with network.captured(tmp_path / "one.pcap"), network.captured(tmp_path / "two.pcap", interface="two"):
        doh = ("--doh-insecure", "--doh-url", "https://dns.google/dns-query")
        curl(network.one, "-4", *doh, "https://api.mistral.ai/")
        network.two.run("dig", "@10.77.9.10", "+tls", "+tls-hostname=dns.quad9.net", "claude.ai", check=False)
        connect(network.two, "www.example.org", "-noservername")
        chromium(network, network.one, tmp_path / "home", "https://cloudflare-ech.com" + page_of(["claude.ai"]), FOUR)
    paths = tmp_path / "one.pcap", tmp_path / "two.pcap"
    report = judged(network, *paths)
    assert gaps(report) == {
        (SIX, "DNS over HTTPS"),
        (TWO, "DNS over TLS"),
        (TWO, "encrypted connections without "),
        (ONE, "encrypted hellos (ECH)"),
    }
    assert report["complete"] is False
    assert report["coverage"][0]["counts"]["ech_offered"] >= 1, "what Chromium pretends on other connections"
    assert {"claude", "mistral-api"} <= services(report)
    judged(network, *paths, options=("--strict-coverage",), exit_code=4)


def test_nothing_hidden_is_complete(network: Network, tmp_path: Path) -> None:
    with network.captured(tmp_path / "one.pcap"):
        curl(network.one, "-4", "https://claude.ai/")
        chromium(network, network.one, tmp_path / "home", "https://www.example.org" + page_of(["chatgpt.com"]), FOUR)
    report = judged(network, tmp_path / "one.pcap", options=("--strict-coverage",))
    assert (report["complete"], gaps(report)) == (True, set())
    assert report["coverage"][0]["counts"]["ech_offered"] >= 2, "pretended encrypted hellos hide nothing"


def test_captures_that_are_cut(network: Network, tmp_path: Path) -> None:
    """A short snap length loses names, and says so; what is complete in it is found. So with a file cut anywhere."""
    whole, short = tmp_path / "whole.pcap", tmp_path / "short.pcap"
    with network.captured(whole), network.captured(short, "-s", "96"):
        ask(network.one, "claude.ai")
        curl(network.one, "-4", "https://api.openai.com/")
        curl(network.one, "-6", "https://chatgpt.com/")
    expected = tshark.names(whole)
    names = network.aimscope("scan", "pcap", "--names", "--quiet", short)
    found = tshark.told(names.stdout)
    assert found - expected == Counter(), "no name is cut short"
    assert {name.kind for name in found} == {"dns_qname"}
    report = judged(network, short, options=("--strict-coverage",), exit_code=4)
    cut = "packets cut by the capture bef"
    assert gaps(report) >= {(ONE, cut), (SIX, cut)}
    assert report["complete"] is False

    data = whole.read_bytes()
    for part in range(1, 8):
        piece = tmp_path / f"{part}.pcap"
        piece.write_bytes(data[: len(data) * part // 8])
        found = tshark.told(network.aimscope("scan", "pcap", "--names", "--quiet", piece).stdout)
        assert found - expected == Counter()
        assert found == tshark.names(piece)
        report = judged(network, piece, options=("--strict-coverage",), exit_code=4)
        assert (str(piece), "the file ends within a packet") in gaps(report)
