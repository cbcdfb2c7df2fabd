"""Live capture in a network namespace of its own, with real clients and servers on loopback and a pair of devices."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.agent.frames import PLAIN, WRAPPED, over_4, udp
from tests.agent.traffic.wire import query
from tests.end_to_end.program import AIMSCOPE, environment

pytestmark = pytest.mark.e2e
pytest.importorskip("pcapy")

TOLD = ((53, b"question in a network"), (9, b"not for us"))
ROOT = Path(__file__).parents[2]
LISTEN = """
import json, sys, threading, time, socket, subprocess, os
sys.path[:0] = {paths!r}
from aimscope_agent.intake.capture import open_live
from aimscope_agent.intake.capture_filter import traffic_filter
from aimscope_agent.intake.pcap import CaptureError
from aimscope_agent.protocols.ip import Network

network, found = Network(), []

def each(at, link, data, length):
    one = network.datagram(link, data, at, length)
    if one is not None:
        found.append((link, one.protocol, one.data[one.start:one.end].hex()))

capture = open_live({interfaces!r}, filter=traffic_filter, promiscuous={promiscuous!r}, buffer_mb=4, user={user!r})
answer = {{}}
if {user!r}:
    answer["uid"] = os.getuid()
    answer["status"] = [line.strip() for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))]
    try:
        open_live({interfaces!r}, filter=None, promiscuous=False)
    except CaptureError as error:
        answer["error"] = str(error)
reader = threading.Thread(target=capture.run, args=(each,))
reader.start()
{traffic}
deadline = time.monotonic() + 20
while not ({enough}) and time.monotonic() < deadline:
    time.sleep(0.05)
if {down!r}:
    subprocess.run(["ip", "link", "del", {down!r}], check=True)
    reader.join(20)
capture.stop()
reader.join(20)
capture.close()
answer |= dict(found=found, passed=capture.passed, dropped=capture.dropped, problems=capture.problems)
answer["alive"] = reader.is_alive()
print(json.dumps(answer))
"""
DIG = """
subprocess.run(["dig", "@127.0.0.1", "+tries=1", "+time=1", "asked.example"], capture_output=True)
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.sendto(b"not for us, whatever it is", ("127.0.0.1", 9))
"""
HELLO = """
listener = socket.create_server(("127.0.0.1", 4443))
subprocess.run(["curl", "-sk", "-m", "2", "--resolve", "named.example:4443:127.0.0.1", "https://named.example:4443/"])
"""
TAGGED = """
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("one", 0))
for frame in {frames!r}:
    raw.send(frame)
"""
SET_UP = (
    "ip link set lo up && ip link add one type veth peer name other && ip link set one up && ip link set other up && "
)
FRAMES = [
    bytes(PLAIN[wrap](over_4(udp(4000, port, text)))) for wrap in ("ethernet", "vlan", "qinq") for port, text in TOLD
]


def captured(
    traffic: str,
    enough: str,
    interfaces: list[str],
    *,
    user: str | None = None,
    promiscuous: bool = False,
    down: str = "",
) -> dict[str, Any]:
    """What the capture saw, in a namespace that nothing leaves."""
    for tool in ("unshare", "ip", "dig", "curl"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    paths = [str(ROOT / package) for package in ("agent", "signatures")]
    script = LISTEN.format(
        paths=paths,
        interfaces=interfaces,
        traffic=traffic,
        enough=enough,
        user=user,
        promiscuous=promiscuous,
        down=down,
    )
    command = ["unshare", "--net", "sh", "-c", SET_UP + 'exec "$0" -c "$1"', sys.executable, script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "Operation not permitted" in done.stderr and "unshare" in done.stderr:
        pytest.skip("needs a network namespace")
    assert done.returncode == 0, done.stderr
    assert "filter failed" not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert not answer["alive"]
    return answer


def payloads(answer: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(payload) for _, _, payload in answer["found"]]


@pytest.mark.parametrize("interface", ["lo", "any"])
def test_questions_and_hellos_of_real_clients(interface: str) -> None:
    answer = captured(DIG + HELLO, "any(b'named' in bytes.fromhex(one[2]) for one in found)", [interface])
    seen = payloads(answer)
    assert any(b"\5asked\7example\0" in payload for payload in seen)
    assert any(b"named.example" in payload and b"\x16\3\1" in payload for payload in seen)
    assert not any(b"not for us" in payload for payload in seen)
    assert (answer["dropped"], answer["problems"]) == (0, [])


def test_several_interfaces_and_tagged_frames() -> None:
    answer = captured(
        DIG + TAGGED.format(frames=FRAMES),
        "len(found) >= 4",
        ["lo", "other"],
        promiscuous=True,
    )
    seen = payloads(answer)
    assert sum(b"question in a network" in payload for payload in seen) == 3
    assert any(b"asked" in payload for payload in seen)
    assert not any(b"not for us" in payload for payload in seen)


def test_root_is_given_up_once_the_devices_are_open() -> None:
    answer = captured(DIG, "found", ["lo"], user="nobody")
    assert answer["uid"] != 0
    assert answer["status"] == ["CapEff:\t0000000000000000", "NoNewPrivs:\t1"]
    assert "setcap cap_net_raw+ep" in answer["error"]
    assert any(b"asked" in payload for payload in payloads(answer))


def test_an_interface_that_goes_away_ends_the_capture_with_a_word() -> None:
    answer = captured(TAGGED.format(frames=FRAMES), "found", ["other"], down="one")
    assert "other: " in answer["problems"][0]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may write to, in one that everybody may pass."""
    with TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def watched(folder: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """The program on the loopback device of a namespace, for a moment, as root that becomes nobody."""
    for tool in ("unshare", "ip"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    line = [AIMSCOPE, "watch", "-i", "lo", "--for", "1", "--user", "nobody", *options]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *map(str, line)],
        env=environment(folder, folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "Operation not permitted" in done.stderr and "unshare" in done.stderr:
        pytest.skip("needs a network namespace")
    return done


@pytest.mark.parametrize("options", [("--json", "-o"), ("--csv", "-o"), ("--sarif", "-o"), ("--html",)])
def test_a_report_that_could_not_be_written_is_said_before_capturing(
    options: tuple[str, ...], tmp_path: Path, open_folder: Path
) -> None:
    tmp_path.chmod(0o755)
    refused = watched(open_folder, *options, tmp_path / "report")
    assert refused.returncode == 2
    assert f"{tmp_path / 'report'} could not be written at the end" in refused.stderr
    assert "nobody" in refused.stderr
    assert "Watching" not in refused.stderr
    assert watched(open_folder, *options, open_folder / "report").returncode == 0
    assert (open_folder / "report").stat().st_uid != 0
    open_folder.chmod(0o1777)
    (open_folder / "roots").touch()
    assert watched(open_folder, *options, open_folder / "roots").returncode == 2, "what is root's is not replaced"


SENDING = """
import socket, time
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("one", 0))
for _ in range(40):
    for frame in {frames!r}:
        raw.send(frame)
    time.sleep(0.1)
"""


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("net 192.0.2.0/24", True),
        ("net 10.9.0.0/16", False),
        ("not host 192.0.2.1", False),
        ("not net 10.9.0.0/16", True),
    ],
)
def test_a_filter_on_live_traffic_holds_for_what_is_wrapped(expression: str, found: bool, tmp_path: Path) -> None:
    for tool in ("unshare", "ip"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    frames = [
        bytes(WRAPPED[wrap](over_4(udp(40_000, 53, query("api.openai.com", ident)))))
        for ident, wrap in enumerate(("qinq", "mpls", "pppoe", "vxlan", "gre"))
    ]
    watch = [AIMSCOPE, "watch", "-i", "other", "--for", "3", "--json", "-q", "--filter", expression]
    script = SET_UP + '"$0" -c "$1" & shift; exec "$@"'
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, sys.executable, SENDING.format(frames=frames), *map(str, watch)],
        env=environment(tmp_path, tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "Operation not permitted" in done.stderr and "unshare" in done.stderr:
        pytest.skip("needs a network namespace")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert bool(report["findings"]) is found
    assert report["coverage"][0]["counts"]["names"] == len(frames) * found
