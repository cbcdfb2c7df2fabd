from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from tests.agent.traffic.wire import CLIENT, SERVER, Tcp, dns, hello, query, request, udp
from tests.cli.conftest import Answer, Run


def capture(path: Path, *frames: bytes, cut: int = 65_535, at: float = 1_763_900_000.0) -> Path:
    parts = [pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)]
    for number, frame in enumerate(frames):
        moment = at + number / 1_000
        parts += [
            pack("<IIII", int(moment), int(moment % 1 * 1e6), min(len(frame), cut), len(frame)),
            frame[:cut],
        ]
    path.write_bytes(b"".join(parts))
    return path


def traffic(host: str = "api.openai.com", **ends: str) -> list[bytes]:
    connection = Tcp(**ends)  # type: ignore[arg-type]
    frames = [*connection.open(), connection.send(hello(host))]
    connection.unseen(sent=3_000_000, received=50_000)
    return [*frames, *connection.close()]


def report(answer: Answer) -> dict[str, Any]:
    return dict(json.loads(answer.stdout))


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("{}")
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(path))
    return path


def test_a_capture_with_ai(aimscope: Run, tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcap", *traffic(), *traffic("www.example.org"))
    answer = aimscope("scan", "pcap", path, "--json")
    found = report(answer)
    assert (answer.exit_code, found["summary"]) == (0, {"observed": 1})
    (row,) = found["findings"]
    (evidence,) = row["evidence"]
    assert (row["service"], row["presence"]) == ("openai-api", "uploaded")
    assert (evidence["asset"], evidence["bytes_in"], evidence["sources"]) == (CLIENT, 50_000, [str(path)])
    assert evidence["bytes_out"] > 3_000_000
    (coverage,) = found["coverage"]
    assert coverage["sensor"] == "packets"
    assert coverage["counts"]["names"] == 2
    assert coverage["counts"]["bytes"] == path.stat().st_size
    assert found["complete"] is True
    assert "www.example.org" not in answer.stdout


def test_a_capture_without_ai(aimscope: Run, tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcap", *traffic("notopenai.com"), *traffic("openai.com.example.net"))
    assert report(aimscope("scan", "pcap", path, "--json"))["findings"] == []


def test_names_are_json_lines_and_nothing_else(aimscope: Run, tmp_path: Path) -> None:
    web = Tcp(port=80)
    asked = request("www.example.org", "GET /secret/path?q=1 HTTP/1.1", extra="User-Agent: secret-agent/1.0\r\n")
    frames = [*dns("api.openai.com", ("alias.example", 1, SERVER)), *traffic(), *web.open(), web.send(asked)]
    answer = aimscope("scan", "pcap", capture(tmp_path / "a.pcap", *frames), "--names")
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [(line["kind"], line["name"]) for line in lines] == [
        ("dns_qname", "api.openai.com"),
        ("tls_sni", "api.openai.com"),
        ("http_host", "www.example.org"),
    ]
    assert set(lines[0]) == {"kind", "name", "client", "server", "ts"}
    assert set(lines[1]) == {"kind", "name", "client", "server", "ts", "ja4"}
    assert set(lines[2]) == {"kind", "name", "client", "server", "ts"}
    assert "secret" not in answer.stdout
    assert "OpenAI" in answer.stderr


def test_captures_in_turn_are_one(aimscope: Run, tmp_path: Path) -> None:
    frames = traffic()
    one = capture(tmp_path / "1.pcap", *frames[:3])
    two = capture(tmp_path / "2.pcap", *frames[3:], at=1_763_900_001.0)
    (row,) = report(aimscope("scan", "pcap", one, two, "--json"))["findings"]
    assert row["evidence"][0]["bytes_in"] == 50_000


def test_captures_of_other_times_are_not(aimscope: Run, tmp_path: Path) -> None:
    frames = traffic()
    one = capture(tmp_path / "1.pcap", *frames[:3])
    two = capture(tmp_path / "2.pcap", *frames[3:], at=1_700_000_000.0)
    (row,) = report(aimscope("scan", "pcap", one, two, "--json"))["findings"]
    assert "bytes_in" not in row["evidence"][0]


def test_compressed_and_from_standard_input(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcap", *traffic())
    line = [sys.executable, "-m", "aimscope_cli", "scan", "pcap", "-", "--names"]
    done = subprocess.run(line, input=gzip.compress(path.read_bytes(), mtime=0), capture_output=True, check=False)
    assert json.loads(done.stdout)["name"] == "api.openai.com"


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_capture_through_a_named_pipe(aimscope: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        pool.submit(pipe.write_bytes, capture(tmp_path / "a.pcap", *traffic()).read_bytes())
        answer = aimscope("scan", "pcap", pipe, "--names")
    assert json.loads(answer.stdout)["name"] == "api.openai.com"


@pytest.mark.parametrize(
    ("text", "says"), [(None, "cannot be read"), (b"", "a.pcap"), (b"GET / HTTP/1.1\r\n\r\n" * 4, "a.pcap")]
)
def test_what_is_no_capture_is_said_before_anything_is_read(
    aimscope: Run, tmp_path: Path, text: bytes | None, says: str
) -> None:
    bad = tmp_path / "a.pcap"
    if text is not None:
        bad.write_bytes(text)
    answer = aimscope("scan", "pcap", bad, bad, "--names")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert says in answer.stderr


def test_a_name_that_leads_to_nothing_is_said_before_anything_is_read(aimscope: Run, tmp_path: Path) -> None:
    good = capture(tmp_path / "good.pcap", *traffic())
    answer = aimscope("scan", "pcap", good, tmp_path / "none.pcap", "--names")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "none.pcap cannot be read: no such file" in answer.stderr


@pytest.mark.parametrize("bad", [b"", b"GET / HTTP/1.1\r\n\r\n" * 4, gzip.compress(b"", mtime=0)[:8]])
def test_one_capture_that_cannot_be_read_does_not_keep_the_others_from_being_read(
    aimscope: Run, tmp_path: Path, bad: bytes
) -> None:
    good, broken = capture(tmp_path / "good.pcap", *traffic()), tmp_path / "bad.pcap"
    broken.write_bytes(bad)
    for order in ((good, broken), (broken, good)):
        answer = aimscope("scan", "pcap", *order, "--json")
        found = report(answer)
        assert (answer.exit_code, [row["service"] for row in found["findings"]]) == (2, ["openai-api"])
        assert f"not read: {broken}" in answer.stderr
        (part,) = (part for part in found["coverage"] if part["sensor"] == "files")
        assert (part["status"], found["complete"]) == ("failed", False)
        assert [gap["source"] for gap in part["gaps"]] == [str(broken)]
    whole = aimscope("scan", "pcap", good, "--json")
    assert (whole.exit_code, report(whole)["complete"]) == (0, True)


def test_an_inventory_judges(aimscope: Run, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text("aimscope_inventory: 1\nsystems: []\n")
    answer = aimscope("scan", "pcap", capture(tmp_path / "a.pcap", *traffic()), "--inventory", inventory)
    assert answer.exit_code == 3, answer.stderr
    assert "Not registered" in answer.stdout


def test_blind_spots_are_coverage_by_client(aimscope: Run, tmp_path: Path) -> None:
    frames = [
        *traffic("dns.google"),
        *traffic("abc123.dns.nextdns.io", client="10.0.0.6"),
        *traffic("", client="10.0.0.7"),
        *traffic("", client="10.0.0.8", server="1.1.1.1"),
    ]
    hidden, dot = Tcp(client="10.0.0.9"), Tcp(port=853)
    frames += [*hidden.open(), hidden.send(hello("cloudflare-ech.com", ech=True)), *dot.open()]
    frames += [dot.send(hello("dns.quad9.net")), *traffic("www.example.org", client="10.0.0.10")]
    answer = aimscope("scan", "pcap", capture(tmp_path / "a.pcap", *frames), "--json", "--strict-coverage")
    (coverage,) = report(answer)["coverage"]
    gaps = {(gap["source"], gap["reason"].split(":")[0].split(",")[0]) for gap in coverage["gaps"]}
    nameless = "encrypted connections without a server name"
    assert gaps == {
        (CLIENT, "DNS over HTTPS"),
        ("10.0.0.6", "DNS over HTTPS"),
        ("10.0.0.8", "DNS over HTTPS"),
        ("10.0.0.7", nameless),
        ("10.0.0.9", "encrypted hellos (ECH)"),
        (CLIENT, "DNS over TLS"),
    }
    assert (answer.exit_code, coverage["status"]) == (4, "partial")


def test_a_decoy_is_no_blind_spot(aimscope: Run, tmp_path: Path) -> None:
    connection = Tcp()
    path = capture(tmp_path / "a.pcap", *connection.open(), connection.send(hello("www.example.org", ech=True)))
    (coverage,) = report(aimscope("scan", "pcap", path, "--json"))["coverage"]
    assert "gaps" not in coverage
    assert coverage["counts"]["ech_offered"] == 1


def test_cut_and_torn_captures_are_coverage(aimscope: Run, tmp_path: Path) -> None:
    connection = Tcp()
    path = capture(tmp_path / "a.pcap", *connection.open(), connection.send(hello(pad=500)), cut=200)
    path.write_bytes(path.read_bytes() + b"\0\0\0")
    found = report(aimscope("scan", "pcap", path, "--json"))
    (coverage,) = found["coverage"]
    assert {gap["reason"].split(" before")[0] for gap in coverage["gaps"]} == {
        "packets cut by the capture",
        "the file ends within a packet",
    }
    assert (found["findings"], found["complete"]) == ([], False)


@pytest.mark.parametrize(("policy", "shown"), [("pseudonym", "device-"), ("drop", None)])
def test_devices_are_shown_as_the_policy_says(
    aimscope: Run, tmp_path: Path, no_configuration: Path, policy: str, shown: str | None
) -> None:
    no_configuration.write_text(f"privacy: {{devices: {policy}}}")
    path = capture(tmp_path / "a.pcap", *traffic(), *traffic("dns.google"))
    answer = aimscope("scan", "pcap", path, "--json")
    assert CLIENT not in answer.stdout
    assert answer.stdout.count(shown or "clients") >= 1
    names = aimscope("scan", "pcap", path, "--names", "--quiet")
    assert CLIENT not in names.stdout + names.stderr


def test_an_own_filter_narrows(aimscope: Run, tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcap", *traffic(), *traffic("claude.ai", client="10.9.0.1"))
    answer = aimscope("scan", "pcap", path, "--names", "-q", "--filter", "net 10.9.0.0/16")
    assert [json.loads(line)["name"] for line in answer.stdout.splitlines()] == ["claude.ai"]
    assert aimscope("scan", "pcap", path, "--filter", "no such thing").exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interruption_leaves_a_partial_report(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "aimscope_cli", "scan", "pcap", "-", "--json"]
    frames = [udp(CLIENT, "10.0.0.1", (33_000, 53), query("api.openai.com", ident)) for ident in range(30_000)]
    first = capture(tmp_path / "a.pcap", *frames).read_bytes()
    running = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdin is not None
    running.stdin.write(first)
    running.stdin.flush()
    time.sleep(3)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, b"Traceback" in err) == (0, False)
    found = json.loads(out)
    assert found["coverage"][0]["gaps"][0]["reason"].startswith("stopped after")
    assert found["findings"]


def test_evidence_names_the_capture_that_showed_it(aimscope: Run, tmp_path: Path) -> None:
    """Also of connections that are still open when the next capture begins, or when all are read."""
    asked, silent = Tcp(), Tcp(server="203.0.113.77", client="10.0.0.8")
    answered = dns("api.openai.com", ("api.openai.com", 1, "203.0.113.77"), client="10.0.0.8")
    one = capture(tmp_path / "1.pcap", *asked.open(), asked.send(hello()), *answered)
    opened = capture(tmp_path / "2.pcap", *silent.open(), silent.send(b"\x17\x03\x03\0\x01x"), at=1_763_900_010.0)
    other = capture(tmp_path / "3.pcap", *traffic("www.example.org"), at=1_763_900_020.0)
    (row,) = report(aimscope("scan", "pcap", one, opened, other, "--json"))["findings"]
    places = {evidence["kind"]: evidence["sources"] for evidence in row["evidence"]}
    assert places == {"tls.client_hello": [str(one)], "dns.query": [str(one)], "connection": [str(opened)]}


def tagged(frame: bytes) -> bytes:
    return frame[:12] + b"\x81\0\0\x64" + frame[12:]


def test_an_own_filter_holds_for_what_is_tagged(aimscope: Run, tmp_path: Path) -> None:
    frames = [*traffic(), *traffic("claude.ai", client="10.9.0.1")]
    path = capture(tmp_path / "a.pcap", *map(tagged, frames))
    for expression, names in (
        ("net 10.9.0.0/16", ["claude.ai"]),
        ("not net 10.9.0.0/16", ["api.openai.com"]),
        ("net 10.8.0.0/16", []),
    ):
        answer = aimscope("scan", "pcap", path, "--names", "-q", "--filter", expression)
        assert [json.loads(line)["name"] for line in answer.stdout.splitlines()] == names
    found = report(aimscope("scan", "pcap", path, "--json", "--filter", "vlan 100 and net 10.9.0.0/16"))
    assert [row["service"] for row in found["findings"]] == ["claude"]
    assert "is about frames" in " ".join(found["notes"])


def test_an_own_filter_is_refused_where_nothing_can_apply_it(
    aimscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aimscope_agent.intake.capture_filter.libpcap", None)
    path = capture(tmp_path / "a.pcap", *traffic())
    answer = aimscope("scan", "pcap", path, "--filter", "tcp")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "pip install 'aimscope[gateway]'" in answer.stderr
    assert aimscope("scan", "pcap", path, "--json").exit_code == 0
